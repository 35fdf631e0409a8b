import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import unit_of_work, utcnow
from app.errors import ConnectionRefused
from app.jobs.journal import Journal
from app.models import JobLogChunk
from app.services.jobs import LOG_READ_LIMIT
from app.ssh.recording import RecordingNodes

PATH = "/api/v1/jobs"
FIELDS = [
    "id",
    "kind",
    "project_id",
    "node_id",
    "state",
    "attempt",
    "max_attempts",
    "progress",
    "exit_status",
    "error",
    "requested_by",
    "created_at",
    "started_at",
    "finished_at",
]
LOG = "Cloning…\n\x1b[31m<b>\xff".encode("latin-1", "replace") + b"\xff\0end"


@pytest.fixture
def job_id(request_clone: Any) -> int:
    return int(request_clone()[1])


@pytest.fixture
def logged(app: Flask, job_id: int) -> int:
    with app.app_context():
        journal = Journal(job_id, 10**6)
        journal.write(LOG)
        journal.flush()
    return job_id


def test_a_job_has_the_fields_of_the_contract(viewer: FlaskClient, job_id: int) -> None:
    job = viewer.get(f"{PATH}/{job_id}").json
    assert set(FIELDS) <= set(job)
    assert job["progress"] == {"phase": None, "percent": None, "detail": None}
    assert (job["error"], job["started_at"], job["attempt"]) == (None, None, 0)


def test_a_failed_job_says_why(
    viewer: FlaskClient, job_id: int, recording_nodes: RecordingNodes, run_jobs: Callable[[], None]
) -> None:
    recording_nodes.answer(ConnectionRefused("Node web-1 refuses connections."))
    run_jobs()
    job = viewer.get(f"{PATH}/{job_id}").json
    assert job["state"] == "FAILED"
    assert job["error"] == {"code": "refused", "message": "Node web-1 refuses connections."}


def test_a_log_is_read_as_the_bytes_it_is(viewer: FlaskClient, logged: int) -> None:
    answer = viewer.get(f"{PATH}/{logged}/log")
    assert (answer.status_code, answer.data) == (200, LOG)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Log-Offset"] == str(len(LOG))
    assert "Content-Disposition" not in answer.headers


@pytest.mark.parametrize("offset", [0, 1, len(LOG) - 1, len(LOG), len(LOG) + 1, 10**17])
def test_a_log_is_read_on_from_any_byte(viewer: FlaskClient, logged: int, offset: int) -> None:
    answer = viewer.get(f"{PATH}/{logged}/log?offset={offset}")
    assert answer.data == LOG[offset:]
    assert answer.headers["X-Log-Offset"] == str(max(offset, len(LOG)))


def test_a_long_log_comes_in_parts_but_is_saved_whole(app: Flask, viewer: FlaskClient, job_id: int) -> None:
    with app.app_context():
        journal = Journal(job_id, 10**7)
        journal.write(b"x" * (LOG_READ_LIMIT + 5))
        journal.flush()
    part = viewer.get(f"{PATH}/{job_id}/log")
    assert (len(part.data), part.headers["X-Log-Offset"]) == (LOG_READ_LIMIT, str(LOG_READ_LIMIT))
    assert viewer.get(f"{PATH}/{job_id}/log?offset={LOG_READ_LIMIT}").data == b"x" * 5
    assert len(viewer.get(f"{PATH}/{job_id}/log?download=true").data) == LOG_READ_LIMIT + 5


def test_a_log_may_be_saved_as_a_file(viewer: FlaskClient, logged: int) -> None:
    answer = viewer.get(f"{PATH}/{logged}/log?download=true")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="job-{logged}.log"'


def test_a_log_shows_when_each_line_came(app: Flask, viewer: FlaskClient, job_id: int) -> None:
    at = utcnow().replace(microsecond=250_000)
    pieces = [b"one\ntw", b"o\n", b"\xff\r", b"\nlast"]
    with app.app_context(), unit_of_work() as session:
        for number, piece in enumerate(pieces):
            start, came = len(b"".join(pieces[:number])), at + timedelta(seconds=number)
            session.add(JobLogChunk(job_id=job_id, start_offset=start, data=piece, created_at=came))
    times = [(at + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S.250Z ").encode() for number in range(4)]
    answer = viewer.get(f"{PATH}/{job_id}/log?timestamps=true")
    assert answer.data == b"%sone\n%stwo\n%s\xff\r\n%slast" % (times[0], times[0], times[2], times[3])
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


WRONG = ["offset=-1", f"offset={2**63}", "download=yes", "offset=x", "limit=1", "timestamps=true&offset=1"]


@pytest.mark.parametrize("query", WRONG)
def test_a_wrong_offset_is_422(viewer: FlaskClient, job_id: int, query: str) -> None:
    assert viewer.get(f"{PATH}/{job_id}/log?{query}").status_code == 422


def test_a_queued_job_is_cancelled_at_once(operator: FlaskClient, job_id: int) -> None:
    answer = operator.post(f"{PATH}/{job_id}/cancel")
    assert (answer.status_code, answer.json["state"]) == (202, "CANCELLED")
    assert answer.headers["Location"] == f"{PATH}/{job_id}"


def test_what_has_ended_is_not_cancelled(operator: FlaskClient, job_id: int) -> None:
    operator.post(f"{PATH}/{job_id}/cancel")
    answer = operator.post(f"{PATH}/{job_id}/cancel")
    assert (answer.status_code, answer.json["error"]) == (409, "wrong_state")


def test_a_cancelled_job_is_tried_again_as_a_new_one(operator: FlaskClient, job_id: int) -> None:
    operator.post(f"{PATH}/{job_id}/cancel")
    answer = operator.post(f"{PATH}/{job_id}/retry")
    assert (answer.status_code, answer.json["state"], answer.json["kind"]) == (202, "QUEUED", "project.clone")
    assert answer.json["id"] != job_id
    assert answer.headers["Location"] == f"{PATH}/{answer.json['id']}"


def test_a_job_under_way_is_not_tried_again(operator: FlaskClient, job_id: int) -> None:
    assert operator.post(f"{PATH}/{job_id}/retry").status_code == 409


@pytest.mark.parametrize("act", ["", "/log"])
def test_no_job_is_404(viewer: FlaskClient, act: str) -> None:
    assert viewer.get(f"{PATH}/77{act}").status_code == 404


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3),
        ("state=QUEUED", 3),
        ("state=RUNNING", 0),
        ("kind=project.clone", 3),
        ("kind=nix", 0),
        ("project_id=2", 1),
        ("node_id=1", 3),
        (f"node_id={10**9}", 0),
    ],
)
def test_jobs_are_filtered(
    viewer: FlaskClient, make_node: Callable[..., int], request_clone: Any, query: str, count: int
) -> None:
    node_id = make_node()
    for name in ("a", "b", "c"):
        request_clone(name, node_id=node_id)
    answer = viewer.get(f"{PATH}?{query}")
    assert (len(answer.json), json.loads(answer.headers["X-Pagination"])["total"]) == (count, count)


def test_pages_tell_the_total_and_their_neighbours(
    viewer: FlaskClient, make_node: Callable[..., int], request_clone: Any
) -> None:
    node_id = make_node()
    for name in ("a", "b", "c", "d", "e"):
        request_clone(name, node_id=node_id)
    answer = viewer.get(f"{PATH}?page=2&page_size=2")
    assert [job["id"] for job in answer.json] == [3, 2]
    assert json.loads(answer.headers["X-Pagination"]) == {
        "total": 5,
        "total_pages": 3,
        "page": 2,
        "first_page": 1,
        "last_page": 3,
        "previous_page": 1,
        "next_page": 3,
    }


def test_an_empty_list_has_no_pages(viewer: FlaskClient) -> None:
    answer = viewer.get(PATH)
    assert answer.json == []
    assert json.loads(answer.headers["X-Pagination"]) == {"total": 0, "total_pages": 0, "page": 1}


@pytest.mark.parametrize("sort", ["id", "-id", "kind", "created_at", "-finished_at"])
def test_jobs_are_sorted_by_what_is_documented(viewer: FlaskClient, sort: str) -> None:
    assert viewer.get(f"{PATH}?sort={sort}").status_code == 200


@pytest.mark.parametrize("sort", ["params", "owner", "id;drop table job", "--id", "id,kind"])
def test_jobs_are_sorted_by_nothing_else(viewer: FlaskClient, sort: str) -> None:
    answer = viewer.get(PATH, query_string={"sort": sort})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["sort"])
