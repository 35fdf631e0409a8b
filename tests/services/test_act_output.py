"""What git's output becomes: a log that shows where an attempt begins, and an error text without the noise."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.db import unit_of_work
from app.errors import ConnectionRefused
from app.jobs.journal import read_log
from app.jobs.runner import Runner
from app.models import Job
from app.services.act_output import TAKEN_UP, GitOutput
from app.services.runtime import Runtime
from app.ssh.recording import RecordingNodes
from tests.jobs.test_runner import make_due


class Attached:
    """An act whose process was on the node before."""

    key, is_attached, log_offset = "job-1-1-aaaaaaaa", True, 0

    def __init__(self) -> None:
        self.logged = b""
        self.was_attached = False

    def attached(self) -> None:
        self.was_attached = True

    def taken(self, offset: int) -> None: ...

    def progress(self, phase: str, percent: int | None = None, detail: str = "") -> None: ...

    def log(self, data: bytes) -> None:
        self.logged += data

    def is_cancelled(self) -> bool:
        return False


def test_a_process_that_is_found_again_is_said_in_the_log() -> None:
    act = Attached()
    GitOutput(act).begin()
    assert (act.logged, act.was_attached) == (TAKEN_UP, True)


def test_what_git_says_first_is_in_the_log_and_not_in_the_error() -> None:
    act = Attached()
    output = GitOutput(act)
    output.read("stderr", b"Cloning into 'shop'...\nfatal: no way\n")
    output.finish()
    assert b"Cloning into" in act.logged
    assert list(output.tail) == ["fatal: no way"]


@pytest.fixture
def runner(app: Flask, runtime: Runtime) -> Runner:
    return Runner(app, runtime.registry)


def test_attempts_are_told_apart_in_the_log(
    app: Flask, runner: Runner, request_clone: Callable[..., tuple[int, int]], recording_nodes: RecordingNodes
) -> None:
    _, job_id = request_clone()
    recording_nodes.answer(ConnectionRefused())
    with app.app_context(), unit_of_work() as session:
        session.get_one(Job, job_id).max_attempts = 2
    runner.run(job_id)
    make_due(app, job_id)
    runner.run(job_id)
    with app.app_context():
        lines = read_log(job_id, 0, 10_000).decode().splitlines()
    assert lines[0].startswith("project.clone shop on node web-1")
    assert "— attempt 2 of 2 —" in lines
