"""Playbooks: listed, shown, run on projects or nodes."""

from typing import Any

from app.api.answers import RUN_LOCATION, begun
from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.playbooks import PlaybookListSchema, PlaybookRunSchema, PlaybookSchema
from app.schemas.runs import RunSchema
from app.services import playbook_runs, playbooks, runs

blueprint = Blueprint("playbooks", "/playbooks", "Named steps, written in files, run on projects or nodes.")


@blueprint.get("")
@blueprint.guard("viewer")
@blueprint.response(200, PlaybookListSchema(many=True))
def list_playbooks() -> Any:
    """List playbooks

    All files of `PLAYBOOKS_DIR`; one that is broken has an `error`.
    """
    return playbooks.list_playbooks()


@blueprint.get("/<string:name>")
@blueprint.guard("viewer", 404)
@blueprint.response(200, PlaybookSchema)
def get_playbook(name: str) -> Any:
    """Show a playbook with its inputs and steps"""
    return playbooks.get_playbook(name)


@blueprint.post("/<string:name>/runs")
@blueprint.guard("operator", 404)
@blueprint.arguments(PlaybookRunSchema)
@blueprint.response(202, RunSchema, description="Begun: its first jobs are queued.", headers=RUN_LOCATION)
def run_playbook(values: dict[str, Any], name: str) -> Any:
    """Run a playbook

    On `project_ids`, or on `node_ids` where it is one for nodes, which needs the role admin. Every input is one whole
    word, whatever is in it.
    """
    return begun(runs.with_recap(playbook_runs.begin(name, values, actor())))
