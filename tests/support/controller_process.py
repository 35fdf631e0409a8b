"""Bareboat's scheduler and runner in a process of their own, for tests that kill it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.db import db
from app.models import Job
from app.services import jobs
from tests.support.live import Live

TREE = Path(__file__).parents[2]


class Controller:
    """Starts Bareboat's scheduler and runner as a process, as often as it is killed."""

    def __init__(self, live: Live, folder: Path, **changes: object) -> None:
        names = ("SQLALCHEMY_DATABASE_URI", "KEYS_DIR", "ALLOWED_GIT_SCHEMES", "DENIED_NETWORKS")
        settings = {name: live.app.config[name] for name in names}
        settings |= {"JOB_SWEEP_SECONDS": 0.3, "PROBE_INTERVAL_SECONDS": 3600, "JOB_MAX_ATTEMPTS": 1}
        settings |= changes
        self._settings = folder / "settings.json"
        self._settings.write_text(json.dumps(settings))
        self._log = folder / "controller.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self._log.read_text()

    def start(self) -> None:
        words = [sys.executable, "-W", "ignore", "-m", "tests.support.controller", str(self._settings)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                words, cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", self._log.read_text()

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if number is signal.SIGTERM:
            self._process.stdin.close()
        else:
            os.kill(self._process.pid, number)
        self._process.wait(90)
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self.end()


@pytest.fixture
def controller(live: Live, tmp_path: Path) -> Iterator[Controller]:
    made = Controller(live, tmp_path)
    yield made
    made.stop()


def wait_until(is_true: Callable[[], bool], seconds: float = 60) -> None:
    waiting = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if is_true():
            return
        waiting.wait(0.05)
    raise AssertionError("it did not come true in time")


def fresh(job_id: int) -> Job:
    db.session.rollback()
    return jobs.get_job(job_id)
