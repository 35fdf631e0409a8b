"""kill -9, SIGTERM and a lost network in the middle of a job: it goes on, is taken up, and ends right."""

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
from app.models import Job, JobState
from app.services import jobs, projects
from app.services.events import SYSTEM
from tests.support.forge import Forge, commit, git
from tests.support.live import Live
from tests.support.proxy import Proxy
from tests.support.sshd import KeyPair, SshdServer

pytestmark = [pytest.mark.ssh, pytest.mark.slow]
TREE = Path(__file__).parents[2]


class Controller:
    """Starts Bareboat's scheduler and runner as a process, as often as it is killed."""

    def __init__(self, live: Live, folder: Path) -> None:
        names = ("SQLALCHEMY_DATABASE_URI", "KEYS_DIR", "ALLOWED_GIT_SCHEMES", "DENIED_NETWORKS")
        settings = {name: live.app.config[name] for name in names}
        settings |= {"JOB_SWEEP_SECONDS": 0.3, "PROBE_INTERVAL_SECONDS": 3600, "JOB_MAX_ATTEMPTS": 1}
        self._settings = folder / "settings.json"
        self._settings.write_text(json.dumps(settings))
        self._log = folder / "controller.log"
        self._process: subprocess.Popen[bytes] | None = None

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
        self._process.wait(20)
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


@pytest.fixture
def slow_forge(forge: Forge, make_proxy: Callable[..., Proxy]) -> tuple[str, Proxy]:
    """An address whose clone takes some seconds, and the proxy that makes it so."""
    for number in range(4):
        commit(forge.work, f"big{number}", os.urandom(120_000).hex(), f"big {number}")
    git("push", "-q", "origin", "main", cwd=forge.work)
    proxy = make_proxy(forge.port, pace=0.02)
    return forge.url.replace(f":{forge.port}/", f":{proxy.port}/"), proxy


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


def ask_for_clone(node_id: int, url: str) -> int:
    return projects.request_clone({"name": "shop", "git_url": url, "node_id": node_id}, SYSTEM).id


def assert_cloned_once(live: Live, job_id: int, proxy: Proxy) -> None:
    job = fresh(job_id)
    assert (job.state, job.attempt, job.error_code) == (JobState.SUCCEEDED, 1, None), live.log(job)
    log = live.log(job)
    assert [log.count(line) for line in ("Cloning into", "Receiving objects: 100%", "Updating files: 100%")] == [
        1,
        1,
        1,
    ]
    assert proxy.connections == 1, "git ran once"
    assert git("status", "--porcelain", cwd=live.root / "shop") == ""


@pytest.mark.parametrize("percent", [0, 15, 40, 60])
def test_a_clone_survives_the_death_of_the_controller(
    live: Live, node_id: int, slow_forge: tuple[str, Proxy], controller: Controller, percent: int
) -> None:
    url, proxy = slow_forge
    job_id = ask_for_clone(node_id, url)
    controller.start()
    wait_until(lambda: fresh(job_id).state is JobState.RUNNING and (fresh(job_id).percent or 0) >= percent)
    controller.end(signal.SIGKILL)
    assert fresh(job_id).state is JobState.RUNNING
    controller.start()
    wait_until(lambda: fresh(job_id).is_finished)
    assert_cloned_once(live, job_id, proxy)


def test_a_controller_that_stops_politely_stops_at_once_and_leaves_the_job_running(
    live: Live, node_id: int, slow_forge: tuple[str, Proxy], controller: Controller
) -> None:
    url, proxy = slow_forge
    job_id = ask_for_clone(node_id, url)
    controller.start()
    wait_until(lambda: (fresh(job_id).percent or 0) >= 12)
    controller.end(signal.SIGTERM)
    assert fresh(job_id).state is JobState.RUNNING
    controller.start()
    wait_until(lambda: fresh(job_id).is_finished)
    assert_cloned_once(live, job_id, proxy)


def test_a_job_goes_on_when_the_sessions_of_its_node_are_killed(
    live: Live, fresh_sshd: SshdServer, ssh_keypair: KeyPair, slow_forge: tuple[str, Proxy], controller: Controller
) -> None:
    url, proxy = slow_forge
    job_id = ask_for_clone(live.add_node(fresh_sshd, ssh_keypair), url)
    controller.start()
    wait_until(lambda: (fresh(job_id).percent or 0) >= 12)
    sessions = [pid for pid in fresh_sshd.sessions() if Path(f"/proc/{pid}/comm").read_text().startswith("sshd")]
    assert sessions
    for pid in sessions:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: fresh(job_id).is_finished)
    assert_cloned_once(live, job_id, proxy)


def test_a_cancelled_clone_is_gone_from_the_node(
    live: Live, node_id: int, slow_forge: tuple[str, Proxy], controller: Controller
) -> None:
    url, _ = slow_forge
    job_id = ask_for_clone(node_id, url)
    controller.start()
    wait_until(lambda: (fresh(job_id).percent or 0) >= 12)
    jobs.request_cancel(job_id, SYSTEM)
    wait_until(lambda: fresh(job_id).is_finished)
    job = fresh(job_id)
    assert (job.state, job.error_code) == (JobState.CANCELLED, "cancelled"), live.log(job)
    assert processes_with(job.process_key) == []
    controller.end(signal.SIGTERM)
    assert live.left_behind() == []


def processes_with(key: str) -> list[str]:
    """Processes of this machine that have the key in their arguments or environment."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            text = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if key.encode() in text:
            found.append(folder.name)
    return found
