"""Recoveries of a project, and the way back to one."""

from typing import Any

from app.api.answers import JOB_LOCATION, QUEUED, queued
from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.jobs import JobSchema
from app.schemas.paging import PageQuery
from app.schemas.recoveries import RecoverySchema
from app.services import recoveries

blueprint = Blueprint("recoveries", "/projects", "What projects were before a pull changed them; kept `RECOVERY_DAYS`.")


@blueprint.get("/<id:project_id>/recoveries")
@blueprint.guard("viewer", 404)
@blueprint.lists(RecoverySchema, PageQuery)
def list_recoveries(project_id: int, **query: Any) -> Any:
    """List the recoveries of a project

    The latest first.
    """
    return recoveries.list_recoveries(project_id, **query)


@blueprint.post("/<id:project_id>/recoveries/<id:recovery_id>/restore")
@blueprint.guard("operator", 404, 409)
@blueprint.response(202, JobSchema, description=QUEUED, headers=JOB_LOCATION)
def undo_project(project_id: int, recovery_id: int) -> Any:
    """Go back to what the project was

    Branch, index and files, untracked ones too. What is there now becomes a recovery of its own.
    """
    return queued(recoveries.request_undo(project_id, recovery_id, actor()))
