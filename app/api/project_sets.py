"""Project sets: one repository on many nodes as one object."""

from typing import Any

from app.api.answers import LOCATION, RUN_LOCATION, begun, made
from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.project_sets import (
    DriftQuery,
    DriftSchema,
    GrownSetSchema,
    ProjectSetCreateSchema,
    ProjectSetQuery,
    ProjectSetSchema,
    ProjectSetUpdateSchema,
    SetNodeRemovalQuery,
    SetNodeRemovalSchema,
    SetNodesSchema,
    SetPullSchema,
)
from app.schemas.runs import RunSchema
from app.services import project_sets, runs, set_drift

blueprint = Blueprint("project-sets", "/project-sets", "One repository on many nodes: cloned, pulled, compared as one.")


@blueprint.get("")
@blueprint.guard("viewer")
@blueprint.lists(ProjectSetSchema, ProjectSetQuery)
def list_project_sets(**query: Any) -> Any:
    """List project sets

    Sortable by `id name created_at`; by name unless told otherwise.
    """
    return project_sets.list_sets(**query)


@blueprint.post("")
@blueprint.guard("operator", 409)
@blueprint.arguments(ProjectSetCreateSchema)
@blueprint.response(201, GrownSetSchema, headers=LOCATION)
def create_project_set(values: dict[str, Any]) -> Any:
    """Make a project set

    One run clones to all its nodes. A node that has the same repository under this name already joins with it.
    """
    options, node_ids = runs.take_options(values), values.pop("node_ids")
    grown = project_sets.create_set(values, node_ids, options, actor())
    return made(grown, "project-sets.get_project_set", set_id=grown.id)


@blueprint.get("/<id:set_id>")
@blueprint.guard("viewer", 404)
@blueprint.response(200, ProjectSetSchema)
def get_project_set(set_id: int) -> Any:
    """Show a project set"""
    return project_sets.with_size(project_sets.get_set(set_id))


@blueprint.patch("/<id:set_id>")
@blueprint.guard("operator", 404, 409)
@blueprint.arguments(ProjectSetUpdateSchema)
@blueprint.response(200, ProjectSetSchema)
def update_project_set(values: dict[str, Any], set_id: int) -> Any:
    """Change a project set

    `branch` is what its members are expected on, and cloned with from now on; none is moved. `git_credential_id` is
    given to all of them.
    """
    return project_sets.update_set(set_id, values, actor())


@blueprint.delete("/<id:set_id>")
@blueprint.guard("operator", 404)
@blueprint.response(204)
def delete_project_set(set_id: int) -> None:
    """Delete a project set

    Only the set: its projects stay on their nodes, each on its own.
    """
    project_sets.delete_set(set_id, actor())


@blueprint.post("/<id:set_id>/nodes")
@blueprint.guard("operator", 404, 409)
@blueprint.arguments(SetNodesSchema)
@blueprint.response(200, GrownSetSchema)
def add_set_nodes(values: dict[str, Any], set_id: int) -> Any:
    """Add nodes to a project set

    A run clones to those that do not have it; asked for again, also where the clone has failed.
    """
    return project_sets.request_add(set_id, values["node_ids"], runs.take_options(values), actor())


@blueprint.delete("/<id:set_id>/nodes/<id:node_id>")
@blueprint.guard("operator", 404, 409)
@blueprint.arguments(SetNodeRemovalQuery, location="query", as_kwargs=True)
@blueprint.response(200, SetNodeRemovalSchema)
def remove_set_node(set_id: int, node_id: int, delete: bool, force: bool) -> Any:
    """Take a node out of a project set

    Its project stays there, on its own. With `delete` a job deletes it, guarded as every delete; it leaves the set when
    it is gone.
    """
    return project_sets.take_out(set_id, node_id, actor(), delete=delete, force=force)


@blueprint.post("/<id:set_id>/pull")
@blueprint.guard("operator", 404, 409)
@blueprint.arguments(SetPullSchema, required=False)
@blueprint.response(202, RunSchema, headers=RUN_LOCATION)
def pull_project_set(values: dict[str, Any], set_id: int) -> Any:
    """Pull all members of a project set

    As a run: at most `concurrency` at a time, none further after `max_failures`.
    """
    options = runs.take_options(values)
    return begun(runs.with_recap(project_sets.request_pull(set_id, values["strategy"], options, actor())))


@blueprint.get("/<id:set_id>/drift")
@blueprint.guard("viewer", 404)
@blueprint.arguments(DriftQuery, location="query", as_kwargs=True)
@blueprint.response(200, DriftSchema)
def get_project_set_drift(set_id: int, live: bool) -> Any:
    """Show how far the members are from each other

    From what is known; with `live` every working tree is looked at, and what has not answered in a few seconds is
    `no_answer`.
    """
    return set_drift.read_drift(set_id, live=live)
