"""Health: whether this process can work, counts of what there is, and what is late, without a name in them."""

import logging
from datetime import datetime
from typing import Any, Final

from flask import current_app
from sqlalchemy import Select, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from app.db import db, release, utcnow
from app.jobs.claims import is_away
from app.models import DeliveryState, Job, JobState, Node, NotificationDelivery, Schedule
from app.services import channels, jobs, nodes, projects

SCHEDULE: Final = "bareboat_schedule"
logger = logging.getLogger(__name__)


def check() -> dict[str, bool]:
    """By part: `database`, and `scheduler` where this process is to run one."""
    checks = {"database": _is_database_there()}
    if current_app.config["SCHEDULER_ENABLED"]:
        schedule = current_app.extensions.get(SCHEDULE)
        checks["scheduler"] = schedule is not None and schedule.is_running
    return checks


def counts() -> dict[str, dict[str, int]]:
    """By noun and state; cheap: one grouped query for each noun."""
    return {
        "nodes": nodes.status_counts(),
        "projects": projects.status_counts(),
        "jobs": jobs.state_counts(),
        "notifications": channels.state_counts(),
    }


def delays() -> dict[str, float]:
    """For how many seconds that of each sort which is due the longest has waited for somebody to do it; 0: none is."""
    now = utcnow()
    since: dict[str, Select[Any]] = {
        "job": select(func.min(func.coalesce(Job.run_after, Job.created_at))).where(
            Job.state == JobState.QUEUED, ~is_away()
        ),
        "probe": select(func.min(func.coalesce(Node.next_probe_at, Node.created_at))).where(Node.cordoned.is_(False)),
        "schedule": select(func.min(Schedule.next_run_at)).where(Schedule.enabled),
        "notification": select(func.min(NotificationDelivery.next_try_at)).where(
            NotificationDelivery.state == DeliveryState.PENDING
        ),
    }
    return {noun: _seconds_between(db.session.scalar(first), now) for noun, first in since.items()}


def _seconds_between(due: datetime | None, now: datetime) -> float:
    return max(0.0, (now - due).total_seconds()) if due else 0.0


def _is_database_there() -> bool:
    try:
        db.session.execute(text("SELECT 1"))
        release()
    except SQLAlchemyError:
        logger.exception("the database does not answer")
        return False
    return True
