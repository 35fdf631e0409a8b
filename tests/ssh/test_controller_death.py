"""SIGTERM and a lost network in the middle of a job: it goes on, is taken up, and ends right.

kill -9: test_random_moments.py."""

import os
import signal
import time
from collections.abc import Callable

import pytest
from flask_migrate import stamp

from app.models import JobState
from app.services import jobs, projects
from app.services.events import SYSTEM
from tests.support.controller_process import Controller, fresh, wait_until
from tests.support.forge import Forge, commit, git
from tests.support.live import Live
from tests.support.parts import Part
from tests.support.processes import survivors_with
from tests.support.proxy import Proxy
from tests.support.sshd import KeyPair, SshdServer

pytestmark = [pytest.mark.ssh, pytest.mark.slow]


@pytest.fixture
def slow_forge(forge: Forge, make_proxy: Callable[..., Proxy]) -> tuple[str, Proxy]:
    """An address whose clone comes to stand in the middle, and the proxy that makes it so until it is released."""
    for number in range(4):
        commit(forge.work, f"big{number}", os.urandom(120_000).hex(), f"big {number}")
    git("push", "-q", "origin", "main", cwd=forge.work)
    proxy = make_proxy(forge.port, hold_at=250_000)
    return forge.url.replace(f":{forge.port}/", f":{proxy.port}/"), proxy


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


def test_sigterm_ends_the_server_and_leaves_the_job_running_until_it_is_back(
    live: Live, node_id: int, slow_forge: tuple[str, Proxy], start_part: Callable[..., Part]
) -> None:
    """The clone goes on only when the server has ended; how long that took is printed."""
    url, proxy = slow_forge
    settings = server_settings(live)
    job_id = ask_for_clone(node_id, url)
    server = start_part("gunicorn", settings)
    wait_until(lambda: (fresh(job_id).percent or 0) >= 12 or server.process.poll() is not None)
    started = time.monotonic()
    assert server.end(signal.SIGTERM) == 0, server.output
    print(f"gunicorn ended in {time.monotonic() - started:.1f} s")
    assert fresh(job_id).state is JobState.RUNNING, live.log(fresh(job_id))
    proxy.release()
    start_part("gunicorn", settings)
    wait_until(lambda: fresh(job_id).is_finished)
    assert_cloned_once(live, job_id, proxy)


def server_settings(live: Live) -> dict[str, object]:
    """For a server on the same database; that refuses tables that no migration has made."""
    stamp()
    names = ("SQLALCHEMY_DATABASE_URI", "KEYS_DIR", "ALLOWED_GIT_SCHEMES", "DENIED_NETWORKS")
    return {name: live.app.config[name] for name in names} | {"PROBE_INTERVAL_SECONDS": 3600, "JOB_MAX_ATTEMPTS": 1}


def test_a_job_goes_on_when_the_sessions_of_its_node_are_killed(
    live: Live, fresh_sshd: SshdServer, ssh_keypair: KeyPair, slow_forge: tuple[str, Proxy], controller: Controller
) -> None:
    url, proxy = slow_forge
    job_id = ask_for_clone(live.add_node(fresh_sshd, ssh_keypair), url)
    controller.start()
    wait_until(lambda: (fresh(job_id).percent or 0) >= 12)
    assert fresh_sshd.session_daemons()
    fresh_sshd.signal_daemons(signal.SIGKILL)
    proxy.release()
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
    assert survivors_with(job.process_key) == []
    wait_until(lambda: live.left_behind() == [])  # remains are cleared when the outcome is stored
