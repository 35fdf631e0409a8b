"""A project's own playbooks: read on its node when they are asked for, and run on that project."""

from typing import Any

from app.api.answers import RUN_LOCATION, begun
from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.playbooks import OwnPlaybookRunSchema, PlaybookListSchema, PlaybookSchema
from app.schemas.runs import RunSchema
from app.services import own_playbooks, playbook_runs, runs

blueprint = Blueprint(
    "own_playbooks", "/projects/<id:project_id>/playbooks", "Playbooks that a project has of its own."
)


@blueprint.get("")
@blueprint.guard("viewer", 404, 409, 502, 504)
@blueprint.response(200, PlaybookListSchema(many=True))
def list_own_playbooks(project_id: int) -> Any:
    """List a project's own playbooks

    The files in its `.bareboat`, read on its node at this moment; one that is broken has an `error`. 409 `wrong_state`
    unless an admin has set the project's `allow_own_playbooks`.
    """
    return own_playbooks.list_own_playbooks(project_id)


@blueprint.get("/<string:name>")
@blueprint.guard("viewer", 404, 409, 502, 504)
@blueprint.response(200, PlaybookSchema)
def get_own_playbook(project_id: int, name: str) -> Any:
    """Show a project's own playbook with its inputs and steps"""
    return own_playbooks.get_own_playbook(project_id, name)


@blueprint.post("/<string:name>/runs")
@blueprint.guard("operator", 404, 409, 502, 504)
@blueprint.arguments(OwnPlaybookRunSchema, required=False)
@blueprint.response(202, RunSchema, description="Begun: its job is queued.", headers=RUN_LOCATION)
def run_own_playbook(values: dict[str, Any], project_id: int, name: str) -> Any:
    """Run a project's own playbook on it

    What is run is what is read and judged now, whatever becomes of the file until the job's turn comes.
    """
    return begun(runs.with_recap(playbook_runs.begin_own(project_id, name, values["inputs"], actor())))
