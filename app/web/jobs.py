"""Jobs: what was asked for, how far it is, what it said."""

from typing import Any

from flask import Response, render_template, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response as BaseResponse

from app.edge.identity import actor, requires
from app.errors import BareboatError
from app.services import choices, jobs, queue
from app.web.blueprint import web
from app.web.joblog import log_end, log_from
from app.web.paging import PAGE_SIZE, asked_id, asked_page, asked_word, is_refresh
from app.web.refusals import refuse
from app.web.words import JOB_STATES, KINDS

_LARGEST_OFFSET = 2**40


def _narrowed() -> dict[str, Any]:
    """Which jobs the address is about, whatever their state."""
    return asked_word("kind", KINDS) | asked_id("project_id") | asked_id("node_id")


@web.get("/jobs")
@requires("viewer")
def list_jobs() -> str:
    project_id, narrowed = asked_id("project_id"), _narrowed()
    filters = asked_word("state", JOB_STATES) | narrowed
    return render_template(
        "jobs/list.html",
        narrowed=narrowed,
        queued=queue.count_queued(narrowed),
        page=jobs.list_jobs(filters, None, asked_page(), PAGE_SIZE),
        filters=filters,
        kinds=KINDS,
        nodes=[] if is_refresh() else choices.node_names(),
        projects=[] if is_refresh() else choices.project_names(project_id.get("project_id")),
    )


@web.get("/jobs/<id:job_id>")
@requires("viewer")
def show_job(job_id: int) -> str:
    job = jobs.get_job(job_id)
    return render_template(
        "jobs/show.html",
        job=job,
        position=queue.queue_position(job),
        canceller=jobs.cancelled_by(job_id) if job.state == "CANCELLED" else None,
        log=log_end(job_id),
    )


@web.get("/jobs/<id:job_id>/log")
@requires("viewer")
def read_log(job_id: int) -> Response:
    """What follows `offset`, as plain text; the headers say where to go on and whether more may come."""
    is_finished = jobs.get_job(job_id).is_finished  # looked at first: what is written later is read with it
    offset = min(max(request.args.get("offset", 0, type=int), 0), _LARGEST_OFFSET)
    part = log_from(job_id, offset)
    answer = Response(part.text, mimetype="text/plain")
    answer.headers["X-Log-Offset"] = str(part.next_offset)
    answer.headers["X-Job-Finished"] = "yes" if is_finished and part.next_offset == offset else "no"
    return answer


@web.post("/jobs/<id:job_id>/cancel")
@requires("operator")
def cancel_job(job_id: int) -> BaseResponse:
    back = url_for("web.show_job", job_id=job_id)
    try:
        jobs.request_cancel(job_id, actor())
    except BareboatError as error:
        return refuse(error, back)
    return redirect(back, 303)


@web.get("/jobs/cancel")
@requires("operator")
def confirm_cancel_queued() -> str:
    narrowed = _narrowed()
    return render_template("jobs/cancel.html", narrowed=narrowed, queued=queue.count_queued(narrowed))


@web.post("/jobs/cancel")
@requires("operator")
def cancel_queued_jobs() -> BaseResponse:
    """The address says which, as it did when it was confirmed."""
    narrowed = _narrowed()
    queue.request_cancel_queued(narrowed, actor())
    return redirect(url_for("web.list_jobs", **narrowed), 303)


@web.post("/jobs/<id:job_id>/abandon")
@requires("admin")
def abandon_job(job_id: int) -> BaseResponse:
    back = url_for("web.show_job", job_id=job_id)
    try:
        jobs.abandon(job_id, actor())
    except BareboatError as error:
        return refuse(error, back)
    return redirect(back, 303)


@web.post("/jobs/<id:job_id>/retry")
@requires("operator")
def retry_job(job_id: int) -> BaseResponse:
    """A new job; its page follows, or the project's when it was asked for there."""
    try:
        job = jobs.request_retry(job_id, actor())
    except BareboatError as error:
        return refuse(error, url_for("web.show_job", job_id=job_id))
    if request.form.get("from") == "project":
        return redirect(url_for("web.show_project", project_id=job.project_id), 303)
    return redirect(url_for("web.show_job", job_id=job.id), 303)
