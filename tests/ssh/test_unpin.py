"""A host key that is unpinned while a job runs: the job's runner does not go back to the node."""

import threading

import pytest

from app.db import db
from app.jobs.runner import Runner
from app.models import JobState
from app.services import hostkeys, jobs, nodes, project_commands
from app.services.events import SYSTEM
from app.services.targets import build_worker_client
from tests.support.forge import Forge
from tests.support.live import Live
from tests.support.sshd import KeyPair, SshdServer

pytestmark = pytest.mark.ssh
_PATIENCE_SECONDS = 90


def logins(sshd: SshdServer) -> int:
    return sshd.log().count("Accepted publickey")


def test_nobody_logs_in_again_once_the_key_is_unpinned(
    live: Live, fresh_sshd: SshdServer, ssh_keypair: KeyPair, forge: Forge
) -> None:
    node_id = live.add_node(fresh_sshd, ssh_keypair)
    assert live.probe(node_id).ok
    project_id = live.clone(node_id, forge.url).project_id
    assert project_id is not None
    job_id = project_commands.request_command(project_id, {"argv": ["sleep", "60"]}, SYSTEM).id
    runner = Runner(live.app, live.runtime.registry)
    thread = threading.Thread(target=runner.run, args=(job_id,))
    thread.start()
    _await_start(job_id)
    before = logins(fresh_sshd)

    hostkeys.unpin(node_id, nodes.get_node(node_id).host_keys[0].id, SYSTEM)
    thread.join(_PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert runner.run(job_id)
    db.session.rollback()
    job = jobs.get_job(job_id)
    assert (job.state, job.error_code) == (JobState.FAILED, "host_key_unpinned")
    assert logins(fresh_sshd) == before
    _end_what_went_on(fresh_sshd, node_id, job.process_key)


def _await_start(job_id: int) -> None:
    for _ in range(_PATIENCE_SECONDS * 10):
        db.session.rollback()
        if jobs.get_job(job_id).is_attached:
            return
        threading.Event().wait(0.1)
    raise AssertionError("the command was not started")


def _end_what_went_on(sshd: SshdServer, node_id: int, key: str) -> None:
    for line in sshd.host_keys():
        hostkeys.pin_public_key(node_id, str(line), SYSTEM)
    client = build_worker_client(nodes.get_node(node_id))
    client.stop(key)
    client.collect(key)
