"""What several nouns answer alike: work that was queued, things that were made."""

from http import HTTPStatus
from typing import Any, Final

from flask import url_for

LOCATION: Final = {"Location": {"description": "Where it is.", "schema": {"type": "string", "format": "uri-reference"}}}
JOB_LOCATION: Final = {
    "Location": {
        "description": "Where to follow the job.",
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/api/v1/jobs/12",
    }
}
RUN_LOCATION: Final = {
    "Location": {
        "description": "Where to follow the run.",
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/api/v1/runs/3",
    }
}
QUEUED: Final = "Queued. The same act asked for twice while it is under way answers the first job."


def queued(job: Any) -> tuple[Any, int, dict[str, str]]:
    return job, HTTPStatus.ACCEPTED, {"Location": url_for("jobs.get_job", job_id=job.id)}


def begun(run: Any) -> tuple[Any, int, dict[str, str]]:
    return run, HTTPStatus.ACCEPTED, {"Location": url_for("runs.get_run", run_id=run.id)}


def made(thing: Any, endpoint: str, **values: Any) -> tuple[Any, int, dict[str, str]]:
    return thing, HTTPStatus.CREATED, {"Location": url_for(endpoint, **values)}
