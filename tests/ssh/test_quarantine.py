"""A node that shows another key, or refuses the login: one job finds out, the others are held until an admin acts."""

import pytest

from app.models import Job, JobState, NodeStatus
from app.services import hostkeys, looks, projects, sightings
from app.services.events import SYSTEM
from tests.support.controller_process import fresh
from tests.support.forge import Forge
from tests.support.live import Live
from tests.support.sshd import KeyPair, SshdServer, make_keypair

pytestmark = pytest.mark.ssh

NAMES = ("a", "b", "c")


@pytest.fixture
def node_id(live: Live, fresh_sshd: SshdServer, ssh_keypair: KeyPair) -> int:
    live.app.config["JOB_MAX_ATTEMPTS"] = 3
    node_id = live.add_node(fresh_sshd, ssh_keypair)
    assert live.probe(node_id).ok
    live.runtime.nodes.forget(fresh_sshd.target())  # the next one has to log in anew
    return node_id


@pytest.fixture
def waiting(live: Live, node_id: int, forge: Forge) -> list[int]:
    """Clones that were asked for while all was well."""
    asked = [projects.request_clone({"name": name, "git_url": forge.url, "node_id": node_id}, SYSTEM) for name in NAMES]
    return [job.id for job in asked]


def seen(job: Job) -> tuple[JobState, int, str | None, str | None]:
    return job.state, job.attempt, job.error_code, job.waiting_for


def run(live: Live, job_id: int) -> Job:
    """As the sweep would."""
    live.runtime.queue.nudge(job_id)
    return live.finish(fresh(job_id))


def test_jobs_are_held_while_the_host_key_is_another_and_go_on_when_it_is_approved(
    live: Live, node_id: int, waiting: list[int], fresh_sshd: SshdServer
) -> None:
    fresh_sshd.restart_with(["ed25519"])
    first, *others = waiting
    live.finish(fresh(first))
    assert seen(fresh(first)) == (JobState.FAILED, 1, "host_key_mismatch", None)
    assert [seen(fresh(job_id)) for job_id in others] == [(JobState.QUEUED, 0, None, "host_key_mismatch")] * 2
    assert (live.node(node_id).status, fresh_sshd.login_attempts()) == (NodeStatus.OFFLINE, 0)
    (offered,) = hostkeys.offered_keys(live.node(node_id))
    hostkeys.pin_fingerprint(node_id, offered.fingerprint, SYSTEM)
    assert [seen(run(live, job_id))[0] for job_id in others] == [JobState.SUCCEEDED] * 2


def test_after_a_refused_login_no_other_job_tries_it_until_an_admin_has_acted(
    live: Live,
    node_id: int,
    waiting: list[int],
    fresh_sshd: SshdServer,
    ssh_keypair: KeyPair,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    fresh_sshd.authorize(make_keypair(tmp_path_factory.mktemp("other")))
    before = fresh_sshd.login_attempts()
    first, *others = waiting
    live.finish(fresh(first))
    assert seen(fresh(first)) == (JobState.FAILED, 1, "auth_failed", None)
    assert [seen(fresh(job_id)) for job_id in others] == [(JobState.QUEUED, 0, None, "auth_failed")] * 2
    assert fresh_sshd.login_attempts() == before + 1
    fresh_sshd.authorize(ssh_keypair)
    assert live.probe(node_id).ok
    assert [seen(run(live, job_id))[0] for job_id in others] == [JobState.SUCCEEDED] * 2


def test_a_connection_from_before_does_not_prove_that_a_refused_login_works_again(
    live: Live, node_id: int, fresh_sshd: SshdServer, ssh_keypair: KeyPair, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It is still there, and answers; what counts is whether the node lets us in now."""
    assert live.probe(node_id).ok
    fresh_sshd.authorize(make_keypair(tmp_path_factory.mktemp("other")))
    sightings.store({node_id: looks.look(node_id, is_fresh=True)})
    assert live.node(node_id).status_reason == "auth_failed"
    assert not live.probe(node_id).ok
    assert live.node(node_id).status_reason == "auth_failed"
    fresh_sshd.authorize(ssh_keypair)
    assert live.probe(node_id).ok
