"""What the scheduler ticks: probes that are due, and clearing away what is too old."""

from datetime import timedelta

from flask import current_app
from sqlalchemy import delete

from app.db import unit_of_work, utcnow
from app.models import FINAL_STATES, Job
from app.services.probes import forget_old_probes


def clear_history() -> None:
    """Probes and finished jobs (with their logs) that are older than the settings keep them."""
    forget_old_probes()
    oldest = utcnow() - timedelta(days=current_app.config["JOB_HISTORY_DAYS"])
    with unit_of_work() as session:
        session.execute(delete(Job).where(Job.state.in_(FINAL_STATES), Job.finished_at < oldest))
