"""Jobs: followed, read, cancelled, tried again."""

from typing import Any

from flask import Response

from app.api.answers import JOB_LOCATION, queued
from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.jobs import CancelledSchema, JobDetailSchema, JobQuery, JobSchema, LogQuery, QueuedQuery
from app.services import jobs, queue

blueprint = Blueprint("jobs", "/jobs", "Work that was asked for: how far it is, how it ended, its log.")
LOG_HEADERS = {"X-Log-Offset": {"description": "Ask from this offset next.", "schema": {"type": "integer"}}}


@blueprint.get("")
@blueprint.guard("viewer")
@blueprint.lists(JobSchema, JobQuery)
def list_jobs(**query: Any) -> Any:
    """List jobs

    Sortable by `id kind created_at finished_at`; the newest first unless told otherwise.
    """
    return jobs.list_jobs(**query)


@blueprint.get("/<id:job_id>")
@blueprint.guard("viewer", 404)
@blueprint.response(200, JobDetailSchema)
def get_job(job_id: int) -> Any:
    """Show a job"""
    return queue.placed(jobs.get_job(job_id))


@blueprint.get("/<id:job_id>/log")
@blueprint.guard("viewer", 404)
@blueprint.arguments(LogQuery, location="query")
@blueprint.response(200, {"type": "string"}, content_type="text/plain", headers=LOG_HEADERS, example="Cloning into …\n")
def get_job_log(query: dict[str, Any], job_id: int) -> Response:
    """Read a job's log from a byte on

    At most a megabyte at once, with `download` or `timestamps` all of it. To follow a job: ask again from
    `X-Log-Offset` until the job has ended and the answer is empty.
    """
    data, next_offset = jobs.read_job_log(job_id, query["offset"], whole=query["download"])
    if query["timestamps"]:
        data = jobs.read_timed_job_log(job_id)
    headers = {"X-Log-Offset": str(next_offset)}
    if query["download"]:
        headers["Content-Disposition"] = f'attachment; filename="job-{job_id}.log"'
    return Response(data, content_type="text/plain; charset=utf-8", headers=headers)


@blueprint.post("/<id:job_id>/cancel")
@blueprint.guard("operator", 404, 409)
@blueprint.response(202, JobSchema, headers=JOB_LOCATION)
def cancel_job(job_id: int) -> Any:
    """Cancel a job

    A queued one is cancelled at once; a running one ends when its process on the node is gone.
    """
    return queued(jobs.request_cancel(job_id, actor()))


@blueprint.post("/cancel")
@blueprint.guard("operator", 422)
@blueprint.arguments(QueuedQuery)
@blueprint.response(200, CancelledSchema)
def cancel_queued_jobs(values: dict[str, Any]) -> Any:
    """Cancel all jobs that wait

    Those that fit, or all of them where nothing is given. What runs goes on: cancel it by itself.
    """
    return {"cancelled": queue.request_cancel_queued(values, actor())}


@blueprint.post("/<id:job_id>/abandon")
@blueprint.guard("admin", 404, 409)
@blueprint.response(200, JobSchema)
def abandon_job(job_id: int) -> Any:
    """Give up a job whose node is gone for good

    It ends as FAILED `stop_unconfirmed`: what it started on the node may still run. Only where nobody can follow it.
    """
    return jobs.abandon(job_id, actor())


@blueprint.post("/<id:job_id>/retry")
@blueprint.guard("operator", 404, 409)
@blueprint.response(202, JobSchema, headers=JOB_LOCATION)
def retry_job(job_id: int) -> Any:
    """Try a failed job again

    A new job asks for the same.
    """
    return queued(jobs.request_retry(job_id, actor()))
