"""Web, scheduler and runners as processes of their own, over a real RabbitMQ and a real PostgreSQL."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade

from app.db import db
from app.models import Job, JobState, NodeStatus, ProjectStatus
from app.services import hostkeys, jobs, keys, nodes, project_commands, projects
from app.services.events import SYSTEM
from tests.support.controller_process import fresh, wait_until
from tests.support.forge import Forge
from tests.support.parts import Part
from tests.support.services import Broker
from tests.support.sshd import KeyPair, SshdServer

pytestmark = [pytest.mark.amqp, pytest.mark.ssh, pytest.mark.slow]

NEVER = 86_400


@pytest.fixture
def settings(postgres: Callable[[], str], shared_broker: Broker) -> dict[str, Any]:
    """What all parts of one installation share; nothing is found by sweeping."""
    return {
        "SQLALCHEMY_DATABASE_URI": postgres(),
        "JOB_TRANSPORT": "amqp",
        "BROKER_URL": shared_broker.url,
        "ALLOWED_GIT_SCHEMES": ["git", "https", "ssh"],
        "DENIED_NETWORKS": [],
        "JOB_SWEEP_SECONDS": NEVER,
        "PROBE_INTERVAL_SECONDS": 1,
    }


@pytest.fixture
def web(settings: dict[str, Any], bare_app: Callable[..., Flask]) -> Iterator[dict[str, Any]]:
    """The web's process is the test's own; its context is open. The answer are the settings for the other parts."""
    app = bare_app(**settings)
    with app.app_context():
        upgrade()
        yield settings | {"KEYS_DIR": app.config["KEYS_DIR"]}
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "projects"
    folder.mkdir(mode=0o755)
    return folder


def enrol(server: SshdServer, keypair: KeyPair, root: Path) -> int:
    target = server.target()
    key = keys.import_key("fleet", keypair.private, None, SYSTEM)
    values = {"name": "node", "hostname": target.hostname, "ssh_port": target.port, "ssh_user": target.user}
    node_id = nodes.create_node(values | {"ssh_key_id": key.id, "projects_root": str(root)}, SYSTEM).id
    for line in server.host_keys():
        hostkeys.pin_public_key(node_id, str(line), SYSTEM)
    return node_id


def is_online(node_id: int) -> bool:
    db.session.rollback()
    return nodes.get_node(node_id).status is NodeStatus.ONLINE


def clone(node_id: int, url: str) -> Job:
    """Asked for here, done by a runner somewhere else."""
    job_id = projects.request_clone({"name": "shop", "git_url": url, "node_id": node_id}, SYSTEM).id
    wait_until(lambda: fresh(job_id).is_finished)
    return fresh(job_id)


def test_a_clone_goes_through_all_parts_without_a_sweep(
    web: dict[str, Any],
    start_part: Callable[..., Part],
    sshd: SshdServer,
    ssh_keypair: KeyPair,
    root: Path,
    forge: Forge,
) -> None:
    parts = [start_part(name, web) for name in ("scheduler", "runner", "runner")]
    wait_until(lambda: all(part.is_up() for part in parts))
    node_id = enrol(sshd, ssh_keypair, root)
    wait_until(lambda: is_online(node_id))
    job = clone(node_id, forge.url)
    assert job.state is JobState.SUCCEEDED, jobs.read_job_log(job.id, 0)
    assert job.project_id is not None
    assert projects.get_project(job.project_id).status is ProjectStatus.ACTIVE
    assert (root / "shop" / "README").read_text() == "hello\n"
    assert [part.end() for part in parts] == [0, 0, 0]


def test_a_runner_that_is_killed_leaves_its_job_to_another(
    web: dict[str, Any],
    start_part: Callable[..., Part],
    sshd: SshdServer,
    ssh_keypair: KeyPair,
    root: Path,
    forge: Forge,
) -> None:
    swept = web | {"JOB_SWEEP_SECONDS": 0.5, "JOB_LEASE_SECONDS": 4}
    scheduler, first = start_part("scheduler", web), start_part("runner", swept)
    node_id = enrol(sshd, ssh_keypair, root)
    wait_until(lambda: scheduler.is_up() and is_online(node_id))
    project_id = clone(node_id, forge.url).project_id or 0
    command = ["sh", "-c", "echo x >>count; until [ -e go ]; do sleep 0.05; done; echo end"]
    job_id = project_commands.request_command(project_id, {"argv": command}, SYSTEM).id
    wait_until(lambda: (root / "shop" / "count").exists() and fresh(job_id).is_attached)
    first.end(signal.SIGKILL)
    start_part("runner", swept)
    (root / "shop" / "go").touch()
    wait_until(lambda: fresh(job_id).is_finished)
    assert fresh(job_id).state is JobState.SUCCEEDED, jobs.read_job_log(job_id, 0)
    assert (root / "shop" / "count").read_text() == "x\n"


def test_the_migrations_make_what_the_models_say_on_postgresql_too(web: dict[str, Any]) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []


def test_the_migrations_can_be_taken_back_on_postgresql(web: dict[str, Any]) -> None:
    downgrade(revision="base")
    upgrade()
