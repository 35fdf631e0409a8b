"""A wired application whose one node is a real sshd and whose git server is real; jobs run in the test's thread."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask import Flask

from app.db import db
from app.jobs.queue import HeldQueue
from app.jobs.runner import Runner
from app.models import Job, Node, Probe, Project
from app.services import hostkeys, jobs, keys, nodes, probes, projects
from app.services.events import SYSTEM
from app.services.runtime import EXTENSION, Runtime
from app.ssh.pool import ConnectionPool
from tests.support.sshd import KeyPair, Server, SshdServer


@dataclass
class Live:
    """An application context is open: services may be called at once. `root` is the node's projects root."""

    SETTINGS: ClassVar = {
        "ALLOWED_GIT_SCHEMES": ["git", "http", "https", "ssh"],
        "DENIED_NETWORKS": [],
        "JOB_MAX_ATTEMPTS": 1,
    }
    app: Flask
    runtime: Runtime
    root: Path

    def add_node(self, server: Server, keypair: KeyPair, *, name: str = "node", pinned: bool = True) -> int:
        target = server.target()
        key = keys.import_key(f"key of {name}", keypair.private, None, SYSTEM)
        values = {"name": name, "hostname": target.hostname, "ssh_port": target.port, "ssh_user": target.user}
        node = nodes.create_node(values | {"ssh_key_id": key.id, "projects_root": str(self.root)}, SYSTEM)
        if pinned:
            for line in server.host_keys():
                hostkeys.pin_public_key(node.id, str(line), SYSTEM)
        return node.id

    def clone(self, node_id: int, url: str, name: str = "shop", **values: Any) -> Job:
        """The clone's job, run to its end."""
        return self.finish(projects.request_clone({"name": name, "git_url": url, "node_id": node_id} | values, SYSTEM))

    def finish(self, job: Job) -> Job:
        job_id = job.id
        assert isinstance(self.runtime.queue, HeldQueue)
        self.runtime.queue.deliver(Runner(self.app, self.runtime.registry).run)
        db.session.rollback()  # else the snapshot from before the job is read
        return jobs.get_job(job_id)

    def probe(self, node_id: int) -> Probe:
        return probes.probe_node(node_id)

    def node(self, node_id: int) -> Node:
        db.session.rollback()  # else the snapshot from before the job is read
        return nodes.get_node(node_id)

    def project(self, job: Job) -> Project:
        assert job.project_id is not None
        return projects.get_project(job.project_id)

    def log(self, job: Job) -> str:
        return jobs.read_job_log(job.id, 0)[0].decode()

    def left_behind(self) -> list[str]:
        """Every path below the projects root but Bareboat's own, empty working folders and log of acts. What is being
        removed at this moment is there or not; it is no error."""
        names = [os.path.join(place, name) for place, folders, files in os.walk(self.root) for name in folders + files]
        found = {os.path.relpath(name, self.root) for name in names}
        return sorted(found - {".bareboat", ".bareboat/root", ".bareboat/tmp", ".bareboat/jobs", ".bareboat/acts.log"})


@pytest.fixture
def live(make_app: Callable[..., Flask], tmp_path: Path) -> Iterator[Live]:
    """git:// and http:// on loopback are allowed here; a failure is final at once."""
    yield from living(make_app(**Live.SETTINGS), tmp_path)


def living(app: Flask, tmp_path: Path) -> Iterator[Live]:
    runtime: Runtime = app.extensions[EXTENSION]
    runtime.nodes = ConnectionPool()
    root = tmp_path / "projects"
    root.mkdir(mode=0o755)
    with app.app_context():
        yield Live(app, runtime, root)


@pytest.fixture
def node_id(live: Live, sshd: SshdServer, ssh_keypair: KeyPair) -> int:
    """A pinned node, probed ONLINE."""
    node_id = live.add_node(sshd, ssh_keypair)
    assert live.probe(node_id).ok
    return node_id
