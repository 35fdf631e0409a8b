"""Health: whether this process can work, and counts of what there is, without a name in them."""

import logging
from typing import Final

from flask import current_app
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.db import db, release
from app.services import jobs, nodes, projects

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
    return {"nodes": nodes.status_counts(), "projects": projects.status_counts(), "jobs": jobs.state_counts()}


def _is_database_there() -> bool:
    try:
        db.session.execute(text("SELECT 1"))
        release()
    except SQLAlchemyError:
        logger.exception("the database does not answer")
        return False
    return True
