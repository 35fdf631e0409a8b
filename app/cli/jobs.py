"""`job`: seen, read, cancelled, tried again."""

from typing import Any

import click

from app.cli.act import AN_ID, Acts, actor
from app.cli.show import as_json, in_the_way, print_json, print_pairs, print_table
from app.cli.waiting import finish, log_text
from app.models import Job, JobState
from app.plurals import counted
from app.schemas.jobs import JobDetailSchema, JobSchema
from app.services import jobs, queue
from app.services.nodes import get_node_by_name
from app.services.paging import MAX_PAGE_SIZE

_STATES = click.Choice([state.value for state in JobState], case_sensitive=False)


@click.group(cls=Acts)
def job() -> None:
    """Jobs: acts under way and done."""


@job.command("list")
@click.option(
    "--state", type=click.Choice([state.value for state in JobState], case_sensitive=False), help="Only these."
)
@click.option("--limit", type=click.IntRange(1, MAX_PAGE_SIZE), default=20, show_default=True)
@as_json
def list_jobs(state: str | None, limit: int, is_json: bool) -> None:
    """Jobs, the newest first."""
    filters = {"state": JobState(state)} if state else {}
    rows = jobs.list_jobs(filters, None, 1, limit).items
    if is_json:
        return print_json(JobSchema(many=True).dump(rows))
    titles = ("ID", "KIND", "PROJECT", "NODE", "STATE", "PROGRESS", "ERROR", "ASKED BY", "ASKED")
    return print_table(titles, (_cells(row) for row in rows))


@job.command("show")
@click.argument("job_id", metavar="ID", type=AN_ID)
@as_json
def show_job(job_id: int, is_json: bool) -> None:
    """All about one job."""
    shown = JobDetailSchema().dump(queue.placed(jobs.get_job(job_id)))
    if is_json:
        return print_json(shown)
    details = (shown["error"] or {}).pop("details", None)
    print_pairs(shown.items())
    return click.echo("\n".join(in_the_way(details))) if details else None


@job.command("log")
@click.argument("job_id", metavar="ID", type=AN_ID)
@click.option("--timestamps", is_flag=True, help="Each line behind the time (UTC) at which it came.")
def show_log(job_id: int, timestamps: bool) -> None:
    """What the job has printed so far."""
    click.echo(log_text(job_id, timestamps=timestamps), nl=False)


@job.command("cancel")
@click.argument("job_id", metavar="ID", type=AN_ID)
def cancel_job(job_id: int) -> None:
    """Cancel a queued job, or ask a running one to stop."""
    row = jobs.request_cancel(job_id, actor())
    is_over = row.state is JobState.CANCELLED
    click.echo(f"Job {job_id} is cancelled" if is_over else f"Job {job_id} is asked to stop")


@job.command("cancel-queued")
@click.option("--node", "node_name", metavar="NAME", help="Only those of this node.")
@click.option("--kind", help="Only those of this kind, such as project.pull.")
def cancel_queued_jobs(node_name: str | None, kind: str | None) -> None:
    """Cancel all jobs that wait; what runs goes on."""
    filters: dict[str, Any] = {"kind": kind} if kind else {}
    if node_name:
        filters["node_id"] = get_node_by_name(node_name).id
    count = queue.request_cancel_queued(filters, actor())
    click.echo(f"{counted(count, 'job is', 'jobs are')} cancelled")


@job.command("abandon")
@click.argument("job_id", metavar="ID", type=AN_ID)
def abandon_job(job_id: int) -> None:
    """Give up a job whose node is gone for good; what it started there may still run."""
    jobs.abandon(job_id, actor())
    click.echo(f"Job {job_id} is given up")


@job.command("retry")
@click.argument("job_id", metavar="ID", type=AN_ID)
@click.option("--wait", is_flag=True, help="Run the new job here, or follow it, to its end.")
def retry_job(job_id: int, wait: bool) -> None:
    """Ask again for what a failed job was asked for."""
    row = jobs.request_retry(job_id, actor())
    if wait:
        return finish(row.id)
    return click.echo(f"Job {row.id} ({row.kind}) is queued")


def _cells(row: Job) -> tuple[object, ...]:
    state = row.state.value + (f" (waits: {row.waiting_for})" if row.waiting_for else "")
    what = (row.id, row.kind, row.project_name, row.node_name)
    return *what, state, _progress(row), row.error_code, row.requested_by, row.created_at


def _progress(row: Job) -> str:
    """Of one that failed or was cancelled there is none any more: how far it was is in `job show`."""
    if row.is_finished and row.state is not JobState.SUCCEEDED:
        return ""
    percent = None if row.percent is None else f"{row.percent}%"
    return " ".join(word for word in (row.phase, percent) if word)
