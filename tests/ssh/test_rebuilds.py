"""A planned rebuild of a real node: its host key is swapped, inside the window and outside of it."""

import pytest

from app.models import Job, JobState, NodeStatus
from app.services import projects, rebuilds
from app.services.events import SYSTEM
from tests.support.controller_process import fresh
from tests.support.forge import Forge
from tests.support.live import Live
from tests.support.sshd import KeyPair, SshdServer

pytestmark = pytest.mark.ssh


@pytest.fixture
def node_id(live: Live, fresh_sshd: SshdServer, ssh_keypair: KeyPair) -> int:
    node_id = live.add_node(fresh_sshd, ssh_keypair)
    assert live.probe(node_id).ok
    return node_id


def pinned(live: Live, node_id: int) -> list[str]:
    return [key.public_key for key in live.node(node_id).host_keys]


def clones(forge: Forge, node_id: int, *names: str) -> list[Job]:
    return [projects.request_clone({"name": name, "git_url": forge.url, "node_id": node_id}, SYSTEM) for name in names]


def test_a_probe_in_the_window_pins_the_new_key_and_logs_in_over_a_verified_connection(
    live: Live, node_id: int, fresh_sshd: SshdServer
) -> None:
    rebuilds.expect_key(node_id, 1, SYSTEM)
    fresh_sshd.restart_with(["ed25519"])
    assert live.probe(node_id).ok
    assert pinned(live, node_id) == [str(key) for key in fresh_sshd.host_keys()]
    assert (fresh_sshd.connections(), fresh_sshd.login_attempts() > 0) == (2, True)


def test_the_second_new_key_is_quarantined_and_nobody_logs_in(live: Live, node_id: int, fresh_sshd: SshdServer) -> None:
    rebuilds.expect_key(node_id, 1, SYSTEM)
    fresh_sshd.restart_with(["ecdsa"])
    assert live.probe(node_id).ok
    before = pinned(live, node_id)
    fresh_sshd.restart_with(["ecdsa"])
    assert live.probe(node_id).status_reason == "host_key_mismatch"
    assert (pinned(live, node_id), fresh_sshd.login_attempts()) == (before, 0)


def test_without_a_window_a_new_key_is_not_pinned(live: Live, node_id: int, fresh_sshd: SshdServer) -> None:
    before = pinned(live, node_id)
    fresh_sshd.restart_with(["ed25519"])
    assert live.probe(node_id).status_reason == "host_key_mismatch"
    assert (pinned(live, node_id), fresh_sshd.login_attempts()) == (before, 0)


def test_the_job_that_meets_the_new_key_and_those_behind_it_are_done(
    live: Live, node_id: int, fresh_sshd: SshdServer, forge: Forge
) -> None:
    rebuilds.expect_key(node_id, 1, SYSTEM)
    asked = [job.id for job in clones(forge, node_id, "a", "b")]
    fresh_sshd.restart_with(["ed25519"])
    live.finish(fresh(asked[0]))
    assert (fresh(asked[0]).state, fresh(asked[1]).state) == (JobState.RUNNING, JobState.SUCCEEDED)
    live.runtime.queue.nudge(asked[0])  # as the sweep would
    assert live.finish(fresh(asked[0])).state is JobState.SUCCEEDED
    assert live.node(node_id).status is not NodeStatus.OFFLINE
