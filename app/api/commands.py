"""Commands in projects: shown beforehand, then run as jobs."""

from typing import Any

from app.api.answers import JOB_LOCATION, QUEUED, queued
from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.commands import CommandPreviewSchema, CommandSchema
from app.schemas.jobs import JobSchema
from app.services import project_commands

blueprint = Blueprint("commands", "/projects", "Programs run in projects, as the account that Bareboat logs in with.")


@blueprint.post("/<id:project_id>/commands")
@blueprint.guard("operator", 404, 409)
@blueprint.arguments(CommandSchema)
@blueprint.response(202, JobSchema, description=QUEUED, headers=JOB_LOCATION)
def run_command(values: dict[str, Any], project_id: int) -> Any:
    """Run a command in a project

    No shell reads the words. A word that is an absolute path, or has a `..` component, must lead into the project
    (422 `path_unsafe`; the job's `path_escape` when a link leads out); this is no sandbox. 403 `command_not_allowed`
    where ALLOWED_COMMANDS does not name the program. The job's `exit_status` is the program's.
    """
    return queued(project_commands.request_command(project_id, values, actor()))


@blueprint.post("/<id:project_id>/commands/preview")
@blueprint.guard("operator", 404, 409, 502, 504)
@blueprint.arguments(CommandSchema)
@blueprint.response(200, CommandPreviewSchema)
def preview_command(values: dict[str, Any], project_id: int) -> Any:
    """Show what a command would be

    The same rules, and the commit that the node has now; nothing is run.
    """
    return project_commands.preview_command(project_id, values)
