"""`run`: one act on many projects or nodes; the exit status says whether all of it was done."""

import threading
import time
from typing import Any, Final

import click

from app.cli.act import AN_ID, Acts, actor, load
from app.cli.show import as_json, print_json, print_pairs, print_table
from app.cli.waiting import every, run_to_the_end
from app.commands.git import STRATEGIES
from app.db import release
from app.errors import Invalid, NotFound
from app.jobs.runner import Runner
from app.models import MemberState, Run, RunMember, RunState
from app.schemas.runs import RunCreateSchema, RunMemberSchema, RunSchema
from app.services import choices, run_moves, runs
from app.services.nodes import get_node_by_name
from app.services.paging import MAX_PAGE_SIZE
from app.services.runtime import runtime, this_app

_LOOK_SECONDS: Final = 0.2
_INTERRUPTED: Final = 130
waits = click.option("--wait", is_flag=True, help="Run its jobs here, or follow them, to the end of the run.")
concurrency = click.option("--concurrency", type=int, help="Jobs at a time.  [default: 10]")
max_failures = click.option("--max-failures", type=int, help="Begin no further one after so many failures.")


@click.group("runs", cls=Acts)
def run() -> None:
    """Runs: one act on many projects or nodes. (`flask run` is flask's own server.)"""


@run.command("start", context_settings={"ignore_unknown_options": True})
@click.argument("kind")
@click.argument("words", metavar="[-- PROGRAM [ARGUMENT]…]", nargs=-1, type=click.UNPROCESSED)
@click.option("--project", "project_names", multiple=True, metavar="NAME", help="On every node that has it.")
@click.option("--all-on", "node_names", multiple=True, metavar="NODE", help="All projects of this node.")
@click.option("--strategy", type=click.Choice(STRATEGIES), help="Of a pull.")
@click.option("--ref", help="Of a checkout.")
@concurrency
@max_failures
@waits
def start_run(
    kind: str, words: tuple[str, ...], project_names: tuple[str, ...], node_names: tuple[str, ...], wait: bool,
    strategy: str | None, ref: str | None, **given: Any,
) -> None:  # fmt: skip
    """Do one act on many projects: project.pull, project.checkout or project.command.

    --project and --all-on may be given several times, and together.
    """
    params: dict[str, Any] = {"strategy": strategy, "ref": ref, "argv": list(words)}
    given["params"] = {name: value for name, value in params.items() if value}
    given |= {"kind": kind, "project_ids": project_ids(project_names, node_names)}
    conclude(runs.begin(load(RunCreateSchema(), given), actor()), wait)


@run.command("list")
@as_json
def list_runs(is_json: bool) -> None:
    """Runs, the newest first."""
    rows = runs.with_recaps(runs.list_runs({}, None, 1, MAX_PAGE_SIZE)).items
    if is_json:
        return print_json(RunSchema(many=True).dump(rows))
    titles = ("ID", "KIND", "STATE", *(state.value.upper() for state in MemberState), "ASKED BY", "ASKED")
    return print_table(titles, (_cells(row) for row in rows))


@run.command("show")
@click.argument("run_id", metavar="ID", type=AN_ID)
@as_json
def show_run(run_id: int, is_json: bool) -> None:
    """A run, its recap, and what became of each member."""
    row, members = runs.with_recap(runs.get_run(run_id)), _members(run_id)
    if is_json:
        return print_json(RunSchema().dump(row) | {"members": RunMemberSchema(many=True).dump(members)})
    print_pairs(RunSchema().dump(row).items())
    titles = ("PROJECT", "NODE", "OUTCOME", "JOB", "ERROR")
    return print_table(titles, (_member_cells(member) for member in members))


@run.command("cancel")
@click.argument("run_id", metavar="ID", type=AN_ID)
def cancel_run(run_id: int) -> None:
    """Skip what has not begun, ask the rest to stop."""
    row = runs.request_cancel(run_id, actor())
    click.echo(f"Run {run_id} is {'cancelled' if row.is_finished else 'asked to stop'}")


@run.command("retry")
@click.argument("run_id", metavar="ID", type=AN_ID)
@click.option("--skipped", is_flag=True, help="Also what was never begun.")
@waits
def retry_run(run_id: int, skipped: bool, wait: bool) -> None:
    """Run again what failed or was unreachable, as a new run."""
    conclude(runs.request_retry(run_id, actor(), with_skipped=skipped), wait)


def conclude(row: Run, wait: bool) -> None:
    """Without waiting: a running Bareboat goes on with it. Waiting ends with status 1 unless all of it was done."""
    if not wait:
        return click.echo(f"Run {row.id} ({row.kind} on {row.size}) is begun; see: runs show {row.id}")
    row = _to_the_end(row.id)
    counted = ", ".join(f"{count} {state}" for state, count in row.recap.items() if count)
    click.echo(f"Run {row.id} {row.state.value}: {counted}")
    for member in _members(row.id):
        if member.error_code:
            click.echo("  ".join(str(cell) for cell in _member_cells(member) if cell), err=True)
    if row.state is not RunState.SUCCEEDED:
        click.get_current_context().exit(1)
    return None


def _to_the_end(run_id: int) -> Run:
    """Jobs that nobody else has are run by this process. Ctrl-C leaves it to a running Bareboat."""
    app = this_app()
    runner = Runner(app, runtime().registry)
    leases, begun = every(app.config["JOB_LEASE_SECONDS"] / 4, runner), set[int]()
    try:
        while not runs.get_run(run_id).is_finished:
            run_moves.advance(run_id)
            for job_id in set(runs.jobs_under_way(run_id)) - begun:
                begun.add(job_id)
                threading.Thread(target=run_to_the_end, args=[app, runner, job_id], daemon=True).start()
            release()
            leases.tick()
            time.sleep(_LOOK_SECONDS)  # members may be another process's: what tells is the database
    except KeyboardInterrupt:
        click.echo(f"Left; the run goes on or is found later: runs show {run_id}", err=True)
        click.get_current_context().exit(_INTERRUPTED)
    return runs.with_recap(runs.get_run(run_id))


def project_ids(names: tuple[str, ...], node_names: tuple[str, ...]) -> list[int]:
    ids = [id_ for name in names for id_ in _named(name)]
    for node_name in node_names:
        ids += choices.project_ids(None, get_node_by_name(node_name).id)
    if not ids:
        raise Invalid("Say on what: --project NAME, or --all-on NODE with projects on it.")
    return list(dict.fromkeys(ids))


def _named(name: str) -> list[int]:
    found = choices.project_ids(name, None)
    if not found:
        raise NotFound(f"There is no project {name!r}.")
    return found


def _members(run_id: int) -> list[RunMember]:
    page = runs.list_members(run_id, {}, 1, MAX_PAGE_SIZE)
    rows = list(page.items)
    for number in range(2, page.pages + 1):
        rows += runs.list_members(run_id, {}, number, MAX_PAGE_SIZE).items
    return rows


def _cells(row: Run) -> tuple[object, ...]:
    return row.id, row.kind, row.state.value, *row.recap.values(), row.requested_by, row.created_at


def _member_cells(row: RunMember) -> tuple[object, ...]:
    return row.project_name, row.node_name, row.state.value, row.job_id, row.error_code
