"""Text from nodes and repositories is shown, and does nothing."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.db import unit_of_work
from app.models import Job, JobLogChunk, Node
from app.web.joblog import log_end, log_from
from app.web.projects import editor_link
from tests.web.conftest import Person

HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J\\u202e"


@pytest.fixture
def write_log(app: Flask, request_clone: Callable[..., tuple[int, int]]) -> Callable[[bytes], int]:
    """The id of a job with this log."""
    _, job_id = request_clone()

    def write(data: bytes) -> int:
        with app.app_context(), unit_of_work() as session:
            session.add(JobLogChunk(job_id=job_id, start_offset=0, data=data))
        return job_id

    return write


def test_what_a_repository_calls_itself_is_only_text(
    vera: Person, make_node: Callable[..., int], make_project: Callable[..., int]
) -> None:
    make_project(
        make_node(), head="0" * 40, head_subject=HOSTILE, branch=HOSTILE, error_code="x", error_message=HOSTILE
    )
    for path in ("/projects", "/projects/1"):
        page = vera.get(path).text
        assert page.count(SHOWN) >= 2
        assert "<script>alert" not in page
        assert "\x1b" not in page


def test_what_a_node_says_of_itself_is_only_text(app: Flask, vera: Person, make_node: Callable[..., int]) -> None:
    node_id = make_node()
    facts = {"os": HOSTILE, "git_version": HOSTILE, "arch": HOSTILE, "kernel": HOSTILE}
    _set(app, Node, node_id, facts=facts, status_detail=HOSTILE, status_reason="protocol_error", labels={"a": HOSTILE})
    page = vera.get(f"/nodes/{node_id}").text
    assert page.count(SHOWN) >= 5
    assert "<script>alert" not in page
    assert "\x1b" not in page


def test_a_log_is_only_text(vera: Person, write_log: Callable[[bytes], int]) -> None:
    job_id = write_log(HOSTILE.encode())
    assert SHOWN in vera.get(f"/jobs/{job_id}").text
    raw = vera.get(f"/jobs/{job_id}/log")
    assert raw.mimetype == "text/plain"
    assert "\x1b" not in raw.text


def test_a_failed_job_shows_its_reason_as_text(app: Flask, vera: Person, write_log: Callable[[bytes], int]) -> None:
    job_id = write_log(b"")
    _set(app, Job, job_id, state="FAILED", error_code="git_failed", error_message=HOSTILE, detail=HOSTILE)
    for path in (f"/jobs/{job_id}", "/jobs", "/"):
        assert SHOWN in vera.get(path).text


def test_a_log_is_cut_only_where_a_character_ends(app: Flask, write_log: Callable[[bytes], int]) -> None:
    job_id = write_log("größe\r".encode())
    with app.app_context():
        assert (log_from(job_id, 0).text, log_from(job_id, 0).next_offset) == ("größe", 7)
        assert log_from(job_id, 7).text == ""


def test_half_a_character_waits_for_its_other_half(app: Flask, write_log: Callable[[bytes], int]) -> None:
    job_id = write_log(b"a\xe2\x82")
    with app.app_context():
        assert (log_from(job_id, 0).text, log_from(job_id, 0).next_offset) == ("a", 1)


def test_of_a_long_log_the_end_is_shown(app: Flask, write_log: Callable[[bytes], int]) -> None:
    job_id = write_log(b"".join(b"line %d\n" % number for number in range(20_000)))
    with app.app_context():
        part = log_end(job_id)
    assert part.is_cut
    assert part.text.startswith("line ")
    assert part.text.endswith("line 19999\n")


def test_the_log_says_where_it_goes_on_and_when_it_ends(
    app: Flask, vera: Person, write_log: Callable[[bytes], int]
) -> None:
    job_id = write_log(b"hello\n")
    first = vera.get(f"/jobs/{job_id}/log?offset=0")
    assert (first.text, first.headers["X-Log-Offset"], first.headers["X-Job-Finished"]) == ("hello\n", "6", "no")
    _set(app, Job, job_id, state="SUCCEEDED")
    assert vera.get(f"/jobs/{job_id}/log?offset=6").headers["X-Job-Finished"] == "yes"


@pytest.mark.parametrize(
    ("editor_url", "link"),
    [
        (None, None),
        ("javascript:alert(1)", None),
        ("https://code.example.com/", "https://code.example.com/?folder=%2Fdata%2Fa+b"),
        ("https://code.example.com/?x=1", "https://code.example.com/?x=1&folder=%2Fdata%2Fa+b"),
    ],
)
def test_the_editor_opens_the_folder_and_nothing_else(editor_url: str | None, link: str | None) -> None:
    assert editor_link(editor_url, "/data/a b") == link


def _set(app: Flask, kind: type[Any], row_id: int, **values: Any) -> None:
    with app.app_context(), unit_of_work() as session:
        row = session.get_one(kind, row_id)
        for name, value in values.items():
            setattr(row, name, value)


OSC_8 = "\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07 \x1b[31m<b onmouseover=alert(1)>red</b>\x1b[0m \x1b[2J\x9b31m"


def test_links_and_colours_of_a_terminal_become_no_markup(vera: Person, write_log: Callable[[bytes], int]) -> None:
    """CVE-2021-3377: what turned colours into HTML turned links into script."""
    job_id = write_log(OSC_8.encode())
    page = vera.get(f"/jobs/{job_id}").text
    assert "\x1b" not in page
    assert "\x9b" not in page
    assert re.search(r"<a[^>]*javascript:|<b onmouseover", page) is None
    assert "&lt;b onmouseover" in page
