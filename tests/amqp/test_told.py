"""On a real PostgreSQL, with many at once: a delivery counts once, no push is lost, a change is told once."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.db import db, unit_of_work, utcnow
from app.errors import ConnectionRefused
from app.models import ForgeKind, Hook, HookDelivery, Job, JobState, Node, NodeStatus, NotificationDelivery, Project
from app.secrets import Secret
from app.services import channels, hook_pulls, hooks, hostkeys, keys, nodes, sightings
from app.services.courier import Courier
from app.services.events import SYSTEM
from tests.support.application import GIT_URL, host_key_line, upgraded
from tests.support.controller_process import wait_until
from tests.support.pushes import Delivery, github
from tests.support.receivers import Receiver

pytestmark = [pytest.mark.amqp, pytest.mark.slow]

AT_ONCE = 8


@pytest.fixture
def web(postgres: Callable[[], str], bare_app: Callable[..., Flask]) -> Iterator[Flask]:
    with upgraded(bare_app(SQLALCHEMY_DATABASE_URI=postgres(), NOTIFY_ALLOW_HTTP=True, DENIED_NETWORKS=[])) as app:
        app.config["PROBE_FAILURES_BEFORE_OFFLINE"] = 1
        yield app


@pytest.fixture
def node_id(web: Flask) -> int:
    key = keys.generate_key("fleet", "ed25519", SYSTEM)
    values = {"name": "web-1", "hostname": "192.0.2.1", "ssh_user": "deploy", "projects_root": "/data/projects"}
    node_id = nodes.create_node(values | {"ssh_key_id": key.id}, SYSTEM).id
    hostkeys.pin_public_key(node_id, host_key_line(), SYSTEM)
    with unit_of_work() as session:
        session.get_one(Node, node_id).status = NodeStatus.ONLINE
    return node_id


@pytest.fixture
def hook(web: Flask, node_id: int) -> tuple[str, str]:
    """Path and secret."""
    with unit_of_work() as session:
        project = Project(name="shop", name_folded="shop", node_id=node_id, git_url=GIT_URL, cloned_at=utcnow())
        session.add(project)
        session.flush()
        project_id = project.id
    _, token, secret = hooks.create_hook(hooks.HookOwner(project_id), {"forge": ForgeKind.GITHUB}, SYSTEM)
    return hooks.path_of(token), secret.reveal()


def at_once(act: Callable[[int], Any]) -> list[Any]:
    """Each in a thread with a connection of its own, let loose at the same moment."""
    start = threading.Barrier(AT_ONCE)

    def run(number: int) -> Any:
        start.wait(30)
        return act(number)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(run, range(AT_ONCE)))


def send(app: Flask, path: str, delivery: Delivery) -> int:
    return app.test_client().post(path, data=delivery.body, headers=delivery.headers).status_code


def job_count() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Job)) or 0


def test_a_delivery_that_comes_many_times_at_once_counts_once(web: Flask, hook: tuple[str, str]) -> None:
    path, secret = hook
    delivery = github(secret)
    assert Counter(at_once(lambda number: send(web, path, delivery))) == {202: 1, 409: AT_ONCE - 1}
    assert job_count() == 1


def test_of_pushes_that_come_at_once_none_is_lost(web: Flask, hook: tuple[str, str]) -> None:
    path, secret = hook
    for _ in range(5):
        assert set(at_once(lambda number: send(web, path, github(secret)))) == {202}
        hook_pulls.start_wanted_pulls()
        with unit_of_work() as session:
            for job in session.scalars(select(Job)):
                job.state, job.finished_at = JobState.SUCCEEDED, utcnow()
    hook_pulls.start_wanted_pulls()
    outcomes = Counter(db.session.scalars(select(HookDelivery.outcome)))
    assert sum(outcomes.values()) == 5 * AT_ONCE
    assert set(outcomes) <= {"queued", "joined"}
    assert db.session.scalars(select(Hook)).one().pull_wanted_at is None


def test_a_change_that_many_see_at_once_is_told_once(web: Flask, node_id: int) -> None:
    with Receiver() as receiver:
        channels.create_channel({"name": "ops", "kind": "json", "url": Secret(receiver.url)}, SYSTEM)

        def see(number: int) -> None:
            with web.app_context():
                sightings.store({node_id: sightings.missed(utcnow(), ConnectionRefused())})

        at_once(see)
        db.session.rollback()
        assert db.session.scalar(select(func.count()).select_from(NotificationDelivery)) == 1
        couriers = [Courier() for _ in range(3)]
        for courier in couriers:
            courier.tick()
        wait_until(lambda: all(courier.is_idle for courier in couriers))
        assert [got.json["event"] for got in receiver.got] == ["node.offline"]
