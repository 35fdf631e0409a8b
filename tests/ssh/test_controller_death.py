"""SIGTERM and a lost network in the middle of a job: it goes on, is taken up, and ends right.

kill -9: test_random_moments.py."""

import os
import signal
from collections.abc import Callable

import pytest

from app.models import JobState
from app.services import jobs, projects
from app.services.events import SYSTEM
from tests.support.controller_process import Controller, fresh, wait_until
from tests.support.forge import Forge, commit, git
from tests.support.live import Live
from tests.support.processes import survivors_with
from tests.support.proxy import Proxy
from tests.support.sshd import KeyPair, SshdServer

pytestmark = [pytest.mark.ssh, pytest.mark.slow]


@pytest.fixture
def slow_forge(forge: Forge, make_proxy: Callable[..., Proxy]) -> tuple[str, Proxy]:
    """An address whose clone takes some seconds, and the proxy that makes it so."""
    for number in range(4):
        commit(forge.work, f"big{number}", os.urandom(120_000).hex(), f"big {number}")
    git("push", "-q", "origin", "main", cwd=forge.work)
    proxy = make_proxy(forge.port, pace=0.02)
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
    assert fresh_sshd.session_daemons()
    fresh_sshd.signal_daemons(signal.SIGKILL)
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
