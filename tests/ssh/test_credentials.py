"""Git credentials with real nodes and real private git servers: they work, and leave nothing on the node."""

import os
from pathlib import Path

import pytest

from app.models import GitCredential, JobState
from app.secrets import Secret
from app.services import credentials, githosts, projects
from app.services.events import SYSTEM
from tests.support.live import Live
from tests.support.private_git import TOKEN, USER, PrivateGit, SshGit, add_commit
from tests.support.sshd import KeyPair, SshdServer

pytestmark = pytest.mark.ssh
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives a node a CA store of its own, which only root may")


def add_key(ssh_git: SshGit, key: KeyPair | None = None) -> GitCredential:
    values = {"name": "shop key", "kind": "ssh", "host": "127.0.0.1", "port": ssh_git.server.port}
    return credentials.create_credential(values | {"private_key": (key or ssh_git.key).private}, SYSTEM)


def add_token(private_git: PrivateGit, token: str = TOKEN) -> GitCredential:
    values = {"name": "shop token", "kind": "https", "host": private_git.address, "port": private_git.server_port}
    return credentials.create_credential(values | {"username": USER, "token": Secret(token)}, SYSTEM)


def pin(server: SshdServer) -> None:
    host = githosts.create_host("127.0.0.1", server.port, SYSTEM)
    githosts.pin(host.id, {"public_key": str(server.host_keys()[0])}, SYSTEM)


def test_a_clone_and_a_pull_with_a_deploy_key(live: Live, node_id: int, ssh_git: SshGit, tmp_path: Path) -> None:
    pin(ssh_git.server)
    job = live.clone(node_id, ssh_git.url, git_credential_id=add_key(ssh_git).id)
    assert job.state is JobState.SUCCEEDED, (job.error_message, live.log(job))
    sha = add_commit(ssh_git.base, tmp_path)
    pulled = live.finish(projects.request_pull(live.project(job).id, "ff-only", SYSTEM))
    assert (pulled.state, live.project(pulled).head) == (JobState.SUCCEEDED, sha)
    assert live.left_behind()[0] == "shop"


@needs_root
def test_a_clone_and_a_pull_with_a_token(
    live: Live, trusting_sshd: SshdServer, ssh_keypair: KeyPair, private_git: PrivateGit, tmp_path: Path
) -> None:
    node_id = live.add_node(trusting_sshd, ssh_keypair)
    job = live.clone(node_id, private_git.url, git_credential_id=add_token(private_git).id)
    assert job.state is JobState.SUCCEEDED, (job.error_message, live.log(job))
    sha = add_commit(private_git.base, tmp_path)
    pulled = live.finish(projects.request_pull(live.project(job).id, "ff-only", SYSTEM))
    assert (pulled.state, live.project(pulled).head) == (JobState.SUCCEEDED, sha)
