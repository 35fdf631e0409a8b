"""A node whose packets are dropped in the middle of a job, and one that is rebooted.

`BLACK_HOLE_SECONDS=5,30,120 make test TEST_ARGS=tests/ssh/test_black_hole.py` tries longer ones.
"""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.models import JobState, NodeStatus
from app.services import jobs, projects
from app.services.events import SYSTEM
from tests.support.controller_process import Controller, fresh, wait_until
from tests.support.forge import Forge, commit, git
from tests.support.live import Live
from tests.support.netns import NodeNetwork
from tests.support.processes import kill_all, processes_with
from tests.support.proxy import Proxy
from tests.support.sshd import KeyPair, SshdServer

pytestmark = [pytest.mark.ssh, pytest.mark.slow]
PROBES = {"PROBE_INTERVAL_SECONDS": 2, "PROBE_TIMEOUT_SECONDS": 2, "PROBE_MAX_BACKOFF_SECONDS": 3}
SECONDS = [float(word) for word in os.environ.get("BLACK_HOLE_SECONDS", "5").split(",")]


@pytest.fixture
def far_sshd(node_network: NodeNetwork, tmp_path: Path, ssh_keypair: KeyPair) -> Iterator[SshdServer]:
    server = SshdServer(tmp_path / "sshd", ssh_keypair)
    server.address, server.prefix = node_network.address, node_network.prefix
    with server:
        yield server


@pytest.fixture
def slow_clone(
    live: Live,
    far_sshd: SshdServer,
    ssh_keypair: KeyPair,
    forge: Forge,
    node_network: NodeNetwork,
    make_proxy: Callable[..., Proxy],
) -> tuple[int, int, Proxy]:
    """The ids of a node in its own network and of a clone queued for it, and the way to its git server, on which the
    clone comes to stand in the middle until it is released."""
    for number in range(4):
        commit(forge.work, f"big{number}", os.urandom(120_000).hex(), f"big {number}")
    git("push", "-q", "origin", "main", cwd=forge.work)
    proxy = make_proxy(forge.port, address=node_network.gateway, hold_at=250_000)
    url = forge.url.replace(f"127.0.0.1:{forge.port}/", f"{node_network.gateway}:{proxy.port}/")
    node_id = live.add_node(far_sshd, ssh_keypair)
    live.app.config.update(PROBES)  # the one from here says when the controller's first is due
    assert live.probe(node_id).ok
    job = projects.request_clone({"name": "shop", "git_url": url, "node_id": node_id}, SYSTEM)
    return node_id, job.id, proxy


@pytest.fixture
def controller(live: Live, tmp_path: Path) -> Iterator[Controller]:
    made = Controller(live, tmp_path, **PROBES)
    yield made
    made.stop()


@pytest.mark.parametrize("seconds", SECONDS)
def test_a_job_goes_on_through_a_black_hole(
    live: Live, slow_clone: tuple[int, int, Proxy], node_network: NodeNetwork, controller: Controller, seconds: float
) -> None:
    _, job_id, proxy = slow_clone
    controller.start()
    wait_until(lambda: (fresh(job_id).percent or 0) >= 12)
    node_network.drop()
    threading.Event().wait(seconds)  # the length of the outage is what is tried
    assert fresh(job_id).state is JobState.RUNNING
    node_network.heal()
    proxy.release()
    wait_until(lambda: fresh(job_id).is_finished, 120)
    job = fresh(job_id)
    assert (job.state, job.attempt, job.error_code) == (JobState.SUCCEEDED, 1, None), live.log(job)
    assert (live.log(job).count("Cloning into"), proxy.connections) == (1, 1)


def test_a_cancel_while_the_node_is_away_is_carried_out_when_it_is_back(
    live: Live, slow_clone: tuple[int, int, Proxy], node_network: NodeNetwork, controller: Controller
) -> None:
    _, job_id, _ = slow_clone
    controller.start()
    wait_until(lambda: (fresh(job_id).percent or 0) >= 12)
    node_network.drop()
    assert jobs.request_cancel(job_id, SYSTEM).state is JobState.RUNNING
    node_network.heal()
    wait_until(lambda: fresh(job_id).is_finished, 120)
    job = fresh(job_id)
    assert (job.state, job.error_code) == (JobState.CANCELLED, "cancelled"), live.log(job)


def test_a_job_of_a_rebooted_node_is_lost_and_says_so(
    live: Live, slow_clone: tuple[int, int, Proxy], far_sshd: SshdServer, controller: Controller
) -> None:
    """Every process of the node is killed, and its sshd started again."""
    node_id, job_id, _ = slow_clone
    controller.start()
    wait_until(lambda: (fresh(job_id).percent or 0) >= 12)
    key = fresh(job_id).process_key
    far_sshd.stop()
    kill_all(processes_with(key))
    wait_until(lambda: live.node(node_id).status is NodeStatus.OFFLINE)
    assert fresh(job_id).state is JobState.RUNNING, (fresh(job_id).error_message, live.log(fresh(job_id)))
    far_sshd.start()
    wait_until(lambda: fresh(job_id).is_finished, 120)
    job = fresh(job_id)
    assert (job.state, job.error_code) == (JobState.FAILED, "process_lost"), live.log(job)
    wait_until(lambda: live.left_behind() == [])  # remains are cleared when the outcome is stored
