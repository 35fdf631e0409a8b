"""Runs: one act on many projects or nodes, in waves, with a recap."""

from typing import Any

from app.api.answers import RUN_LOCATION, begun
from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.runs import (
    RunCreateSchema,
    RunMemberQuery,
    RunMemberSchema,
    RunQuery,
    RunRetrySchema,
    RunSchema,
)
from app.services import runs

blueprint = Blueprint("runs", "/runs", "One act on many projects or nodes: waves, a stop after failures, a recap.")
BEGUN = "Begun: its first jobs are queued."


@blueprint.get("")
@blueprint.guard("viewer")
@blueprint.lists(RunSchema, RunQuery)
def list_runs(**query: Any) -> Any:
    """List runs

    Sortable by `id kind created_at finished_at`; the newest first unless told otherwise.
    """
    return runs.with_recaps(runs.list_runs(**query))


@blueprint.post("")
@blueprint.guard("operator", 404, 409, 502, 504)
@blueprint.arguments(RunCreateSchema)
@blueprint.response(202, RunSchema, description=BEGUN, headers=RUN_LOCATION)
def create_run(values: dict[str, Any]) -> Any:
    """Do one act on many projects or nodes

    Each member becomes a job, at most `concurrency` at a time. A project that is busy waits for its turn; a node
    that is offline is `unreachable`. Acts on nodes are for admins.
    """
    return begun(runs.with_recap(runs.begin(values, actor())))


@blueprint.get("/<id:run_id>")
@blueprint.guard("viewer", 404)
@blueprint.response(200, RunSchema)
def get_run(run_id: int) -> Any:
    """Show a run with its recap"""
    return runs.with_recap(runs.get_run(run_id))


@blueprint.get("/<id:run_id>/members")
@blueprint.guard("viewer", 404)
@blueprint.lists(RunMemberSchema, RunMemberQuery)
def list_run_members(run_id: int, **query: Any) -> Any:
    """List what a run is about, and how far each is

    What went wrong first, then in the order of asking. Each has its job, and that its log.
    """
    return runs.list_members(run_id, **query)


@blueprint.post("/<id:run_id>/cancel")
@blueprint.guard("operator", 404, 409)
@blueprint.response(202, RunSchema, headers=RUN_LOCATION)
def cancel_run(run_id: int) -> Any:
    """Cancel a run

    What has not begun is skipped; jobs that run are asked to stop.
    """
    return begun(runs.with_recap(runs.request_cancel(run_id, actor())))


@blueprint.post("/<id:run_id>/retry")
@blueprint.guard("operator", 404, 409, 502, 504)
@blueprint.arguments(RunRetrySchema, required=False)
@blueprint.response(202, RunSchema, description=BEGUN, headers=RUN_LOCATION)
def retry_run(values: dict[str, bool], run_id: int) -> Any:
    """Run again what failed

    A new run of the same act on the members that failed or were unreachable; with `skipped` also on those that were
    never begun.
    """
    return begun(runs.with_recap(runs.request_retry(run_id, actor(), with_skipped=values["skipped"])))
