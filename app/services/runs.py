"""Runs: one act on many projects or nodes, asked for, seen, cancelled, tried again. How one goes on: run_moves.py."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from flask import current_app
from sqlalchemy import case, delete, func, select, update

from app.db import db, unit_of_work, utcnow
from app.errors import Invalid, NotFound, WrongState
from app.models import FAILURES, MemberState, Node, Project, Run, RunMember, RunState
from app.plurals import counted
from app.services import run_moves
from app.services.events import Actor, event
from app.services.kind_roles import ensure_may_ask
from app.services.paging import Page, paginate, sorted_by
from app.services.run_kinds import RunKind, get_run_kind

MOST_MEMBERS: Final = 2_000
MOST_AT_ONCE: Final = 200
DEFAULT_CONCURRENCY: Final = 10
_SORTABLE = {"id": Run.id, "kind": Run.kind, "created_at": Run.created_at, "finished_at": Run.finished_at}
# What went wrong stands first: that is what somebody opens the page for.
_FIRST = (MemberState.FAILED, MemberState.UNREACHABLE, MemberState.RUNNING)
_ORDER = case(*((RunMember.state == state, place) for place, state in enumerate(_FIRST)), else_=len(_FIRST))


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How many jobs at a time, and after how many failures no further one is begun (None: never)."""

    concurrency: int = DEFAULT_CONCURRENCY
    max_failures: int | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that was judged and is not stored yet, with the rows of its members and what the audit log says of it."""

    run: Run
    members: list[dict[str, Any]]
    told: str


def request_run(
    kind: str,
    params: dict[str, Any],
    members: Sequence[int],
    options: RunOptions,
    actor: Actor,
    *,
    retry_of_id: int | None = None,
) -> Run:
    """`members`: ids of projects, or of nodes where the kind is one for nodes; each counts once. The first jobs are
    asked for before this returns.

    Raises Invalid naming the field, Forbidden; then nothing is stored.
    """
    run_id = _store(prepare(kind, params, members, options, actor, retry_of_id=retry_of_id), actor)
    run_moves.advance(run_id)
    return get_run(run_id)


def prepare(
    kind: str,
    params: dict[str, Any],
    members: Sequence[int],
    options: RunOptions,
    actor: Actor,
    *,
    retry_of_id: int | None = None,
) -> Prepared:
    """For who stores it with something of theirs, by `add`. Raises Invalid naming the field, Forbidden."""
    asked = get_run_kind(kind)
    ensure_may_ask(kind, actor)
    ensure_options(options)
    params = asked.complete(params)
    rows = _members(asked, tuple(dict.fromkeys(members)))
    run = Run(kind=kind, params=params, size=len(rows), requested_by=actor.name, retry_of_id=retry_of_id)
    run.concurrency, run.max_failures = options.concurrency, options.max_failures
    return Prepared(run, rows, f"{kind} on {counted(len(rows), asked.members)}")


def add(session: Any, prepared: Prepared, actor: Actor) -> int:
    """Within the caller's transaction; it begins when it is advanced, by the next tick at the latest. Its id."""
    run = prepared.run
    session.add(run)
    session.flush()
    session.add_all([RunMember(run_id=run.id, **row) for row in prepared.members])
    session.add(event(actor, "run.create", f"run {run.id}", "requested", prepared.told))
    return run.id


def _store(prepared: Prepared, actor: Actor) -> int:
    with unit_of_work() as session:
        return add(session, prepared, actor)


def ensure_options(options: RunOptions) -> None:
    """Raises Invalid naming the option; for who stores something before the run is asked for."""
    if not 1 <= options.concurrency <= MOST_AT_ONCE:
        raise Invalid(errors={"concurrency": [f"1 to {MOST_AT_ONCE} at a time."]})
    if options.max_failures is not None and options.max_failures < 1:
        raise Invalid(errors={"max_failures": ["At least 1; leave it out to go on whatever fails."]})


def begin(values: dict[str, Any], actor: Actor) -> Run:
    """`values` as an edge takes them: `kind params`, `project_ids` or `node_ids`, maybe `concurrency max_failures`."""
    field = f"{get_run_kind(values['kind']).members}_ids"
    if field not in values:
        raise Invalid(errors={field: [f"{values['kind']} is done on {field.removesuffix('_ids')}s: name their ids."]})
    return request_run(values["kind"], values["params"], values[field], take_options(values), actor)


def take_options(values: dict[str, Any]) -> RunOptions:
    """Out of the values as an edge takes them; they are not in there any more."""
    return RunOptions(values.pop("concurrency", None) or DEFAULT_CONCURRENCY, values.pop("max_failures", None))


def list_runs(filters: dict[str, Any], sort: str | None, page: int, page_size: int) -> Page[Run]:
    """`filters`: equal values of `state`, `kind`; the newest first unless sorted."""
    rows = select(Run).filter_by(**filters).order_by(Run.id.desc())
    return paginate(sorted_by(rows, sort, _SORTABLE), page, page_size)


def get_run(run_id: int) -> Run:
    run = db.session.get(Run, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    return run


def list_members(run_id: int, filters: dict[str, Any], page: int, page_size: int) -> Page[RunMember]:
    """`filters`: equal values of `state`; what went wrong first, then in the order of being asked for."""
    rows = select(RunMember).filter_by(run_id=get_run(run_id).id, **filters).order_by(_ORDER, RunMember.id)
    return paginate(rows, page, page_size)


def with_recap(run: Run) -> Run:
    run.recap = recaps([run.id])[run.id]
    return run


def with_recaps(page: Page[Run]) -> Page[Run]:
    counted = recaps(run.id for run in page.items)
    for run in page.items:
        run.recap = counted[run.id]
    return page


def recaps(run_ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """By run: how many of its members are in which state; every state has its number."""
    ids = list(run_ids)
    counted = select(RunMember.run_id, RunMember.state, func.count().label("members")).where(RunMember.run_id.in_(ids))
    found = {run_id: {state.value: 0 for state in MemberState} for run_id in ids}
    for row in db.session.execute(counted.group_by(RunMember.run_id, RunMember.state)):
        found[row.run_id][row.state.value] = row.members
    return found


def jobs_under_way(run_id: int) -> list[int]:
    rows = select(RunMember.job_id).where(RunMember.run_id == run_id, RunMember.state == MemberState.RUNNING)
    return [job_id for job_id in db.session.scalars(rows) if job_id is not None]


def request_cancel(run_id: int, actor: Actor) -> Run:
    """No further job is begun, what waits is cancelled, what runs is asked to stop."""
    run = get_run(run_id)
    ensure_may_ask(run.kind, actor)
    if run.is_finished:
        raise WrongState(f"Run {run_id} has ended already.")
    still_goes = update(Run).where(Run.id == run_id, Run.state == RunState.RUNNING, Run.cancel_requested_at.is_(None))
    with unit_of_work() as session:
        if session.execute(still_goes.values(cancel_requested_at=utcnow())).rowcount:
            session.add(event(actor, "run.cancel", f"run {run_id}"))
    run_moves.advance(run_id)
    return get_run(run_id)


def request_retry(run_id: int, actor: Actor, *, with_skipped: bool = False) -> Run:
    """A new run of the same on what failed or was unreachable, `with_skipped` also on what was never begun."""
    run = get_run(run_id)
    if not run.is_finished:
        raise WrongState(f"Run {run_id} has not ended yet; wait for it, or cancel it first.")
    kind, params, options = run.kind, dict(run.params), RunOptions(run.concurrency, run.max_failures)
    members = _again(run, FAILURES | {MemberState.SKIPPED} if with_skipped else FAILURES)
    if not members:
        raise WrongState(f"There is nothing of run {run_id} to try again.")
    return request_run(kind, params, members, options, actor, retry_of_id=run_id)


def forget_old_runs() -> None:
    """The history is kept as long as that of jobs."""
    oldest = utcnow() - timedelta(days=current_app.config["JOB_HISTORY_DAYS"])
    with unit_of_work() as session:
        session.execute(delete(Run).where(Run.finished_at < oldest, Run.state != RunState.RUNNING))


def _again(run: Run, states: Iterable[MemberState]) -> list[int]:
    column = RunMember.project_id if get_run_kind(run.kind).members == "project" else RunMember.node_id
    rows = select(column).where(RunMember.run_id == run.id, RunMember.state.in_(list(states)), column.is_not(None))
    return [id_ for id_ in db.session.scalars(rows.order_by(RunMember.id)) if id_ is not None]


def _members(asked: RunKind, ids: tuple[int, ...]) -> list[dict[str, Any]]:
    field = f"{asked.members}_ids"
    if not 1 <= len(ids) <= MOST_MEMBERS:
        raise Invalid(errors={field: [f"A run has 1 to {MOST_MEMBERS} {asked.members}s."]})
    found = _projects(ids) if asked.members == "project" else _nodes(ids)
    if missing := [str(id_) for id_ in ids if id_ not in found]:
        raise Invalid(errors={field: [f"There is no {asked.members} {', '.join(missing[:20])}."]})
    return [found[id_] for id_ in ids]


def _projects(ids: tuple[int, ...]) -> dict[int, dict[str, Any]]:
    rows = select(Project.id, Project.name, Project.node_id, Node.name.label("node_name")).join(Node)
    return {
        row.id: {
            "project_id": row.id,
            "project_name": row.name,
            "node_id": row.node_id,
            "node_name": row.node_name,
        }
        for row in db.session.execute(rows.where(Project.id.in_(ids)))
    }


def _nodes(ids: tuple[int, ...]) -> dict[int, dict[str, Any]]:
    rows = db.session.execute(select(Node.id, Node.name).where(Node.id.in_(ids)))
    return {row.id: {"node_id": row.id, "node_name": row.name} for row in rows}
