"""The trash of nodes: what was deleted can be put back for a while."""

from typing import Any

from app.api.answers import JOB_LOCATION, QUEUED, queued
from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.jobs import JobSchema
from app.schemas.trash import TrashEntrySchema, TrashQuery
from app.services import trash

blueprint = Blueprint("trash", "/trash", "What was deleted, and is kept on its node for `TRASH_DAYS`.")


@blueprint.get("")
@blueprint.guard("viewer")
@blueprint.lists(TrashEntrySchema, TrashQuery)
def list_trash(**query: Any) -> Any:
    """List the trash

    The latest first.
    """
    return trash.list_trash(**query)


@blueprint.get("/<id:entry_id>")
@blueprint.guard("viewer", 404)
@blueprint.response(200, TrashEntrySchema)
def get_trash_entry(entry_id: int) -> Any:
    """Show what was deleted"""
    return trash.get_entry(entry_id)


@blueprint.post("/<id:entry_id>/restore")
@blueprint.guard("operator", 404, 409)
@blueprint.response(202, JobSchema, description=QUEUED, headers=JOB_LOCATION)
def restore_project(entry_id: int) -> Any:
    """Put a project back as it was

    409 `name_taken` where a project of that name is on the node again.
    """
    return queued(trash.request_restore(entry_id, actor()))


@blueprint.delete("/<id:entry_id>")
@blueprint.guard("operator", 404, 409)
@blueprint.response(202, JobSchema, description=QUEUED, headers=JOB_LOCATION)
def purge_trash_entry(entry_id: int) -> Any:
    """Remove it from the trash, for good"""
    return queued(trash.request_purge(entry_id, actor()))
