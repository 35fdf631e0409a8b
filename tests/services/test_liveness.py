"""Liveness: the least that each node needs, side by side, stored together."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event, select, update

from app.db import db, unit_of_work, utcnow
from app.errors import ConnectionRefused, ConnectTimeout
from app.models import HostKey as Pin
from app.models import Node, NodeStatus, Probe
from app.services import hostkeys, keys, liveness, looks, nodes, probes
from app.services.events import SYSTEM
from app.services.liveness import Sweep
from app.services.runtime import Runtime
from app.services.targets import build_target
from app.ssh.descriptors import descriptors_for, nodes_for
from app.ssh.pool import ConnectionPool
from app.ssh.recording import RecordingNodes
from app.ssh.target import Target
from app.ssh.watch import Heard, Result
from tests.support.application import host_key_line
from tests.support.fakes import FakeServer, silence
from tests.support.sshd import KeyPair, SshdServer

FACTS = b"git git version 2.39.5\nroot ok\nclock 0\n"


class Fleet:
    """Nodes on RecordingNodes, and a sweep whose looks can be awaited."""

    def __init__(self, runtime: Runtime, nodes: RecordingNodes) -> None:
        self.nodes = nodes
        self.sweep = Sweep(4)
        runtime.sweep = self.sweep
        nodes.answer(Result("exit", 0, FACTS), lambda target, command: "is_private" in command.program)

    def add(self, count: int, key_id: int) -> list[int]:
        with unit_of_work() as session:
            rows = [
                Node(
                    name=f"n{n}",
                    hostname=f"192.0.2.{n % 250}",
                    ssh_port=n + 1,
                    ssh_user="u",
                    ssh_key_id=key_id,
                    projects_root="/data/projects",
                    host_keys=[
                        Pin(type="ssh-ed25519", fingerprint="SHA256:x", public_key=host_key_line(), pinned_by="t")
                    ],
                )
                for n in range(count)
            ]
            session.add_all(rows)
            session.flush()
            return [row.id for row in rows]

    def tick(self) -> None:
        """One tick, and all looks that it sent out."""
        self.sweep.tick()
        self.settle()

    def settle(self) -> None:
        idle = threading.Event()
        while self.sweep.lookers.busy:
            idle.wait(0.005)
        db.session.rollback()

    def make_due(self) -> None:
        with unit_of_work() as session:
            session.execute(update(Node).values(next_probe_at=None))
        db.session.expire_all()

    def facts_runs(self) -> int:
        return len(self.nodes.runs)


@pytest.fixture
def fleet(app_context: None, runtime: Runtime, recording_nodes: RecordingNodes) -> Iterator[Fleet]:
    before = runtime.sweep
    fleet = Fleet(runtime, recording_nodes)
    yield fleet
    fleet.sweep.close()
    runtime.sweep = before


@pytest.fixture
def key_id(app: Flask, make_key: Callable[..., int]) -> int:
    return make_key()


def statuses() -> set[NodeStatus]:
    db.session.rollback()
    return set(db.session.scalars(select(Node.status)))


def test_a_new_node_is_looked_at_and_comes_online(fleet: Fleet, key_id: int) -> None:
    fleet.add(3, key_id)
    fleet.tick()
    assert statuses() == {NodeStatus.ONLINE}
    assert (len(fleet.nodes.pings), fleet.facts_runs(), len(fleet.nodes.beats)) == (3, 3, 0)


def test_a_warm_node_gets_a_keepalive_and_nothing_else(fleet: Fleet, key_id: int) -> None:
    fleet.add(2, key_id)
    fleet.tick()
    for _ in range(3):
        fleet.make_due()
        fleet.tick()
    assert (len(fleet.nodes.beats), len(fleet.nodes.pings), fleet.facts_runs()) == (6, 2, 2)


def test_facts_are_asked_for_when_they_are_due(fleet: Fleet, key_id: int, app: Flask) -> None:
    app.config["FACTS_INTERVAL_SECONDS"] = 0
    fleet.add(1, key_id)
    for _ in range(3):
        fleet.make_due()
        fleet.tick()
    assert (fleet.facts_runs(), len(fleet.nodes.beats)) == (3, 0)


def test_a_node_that_is_well_is_asked_for_what_changes_and_keeps_the_rest(
    fleet: Fleet, key_id: int, app: Flask
) -> None:
    app.config["FACTS_INTERVAL_SECONDS"] = 0
    node_id = fleet.add(1, key_id)[0]
    fleet.tick()
    fleet.nodes.answer(Result("exit", 0, b"root ok\nload1 7.5\n"), lambda _, command: "changing" in command.arguments)
    fleet.make_due()
    fleet.tick()
    node = db.session.get_one(Node, node_id, populate_existing=True)
    assert (node.facts or {}) | {"load1": 7.5, "git_version": "2.39.5"} == node.facts
    assert node.status_reason is None


def test_a_node_with_a_defect_is_asked_for_all_facts(fleet: Fleet, key_id: int, app: Flask) -> None:
    app.config["FACTS_INTERVAL_SECONDS"] = 0
    fleet.add(1, key_id)
    fleet.nodes.answer(Result("exit", 0, b"git git version 2.39.5\nroot missing\n"))
    for _ in range(2):
        fleet.make_due()
        fleet.tick()
    assert [command.arguments[-1] for _, command in fleet.nodes.runs] == ["all", "all"]


def test_an_old_connection_is_replaced_by_a_fresh_one(fleet: Fleet, key_id: int, app: Flask) -> None:
    fleet.add(1, key_id)
    fleet.tick()
    app.config["FRESH_CONNECTION_SECONDS"] = 0
    fleet.make_due()
    fleet.tick()
    assert len(fleet.nodes.renewals) == 1


def test_a_node_that_takes_no_new_connection_counts_as_missed_although_the_old_one_answers(
    fleet: Fleet, key_id: int, app: Flask
) -> None:
    app.config.update(FRESH_CONNECTION_SECONDS=0, PROBE_FAILURES_BEFORE_OFFLINE=1)
    fleet.add(1, key_id)
    fleet.tick()
    fleet.nodes.answer(ConnectionRefused())
    fleet.make_due()
    fleet.tick()
    assert statuses() == {NodeStatus.OFFLINE}


def test_a_silent_node_holds_nobody_up_and_is_looked_at_when_its_time_is_over(
    fleet: Fleet, key_id: int, app: Flask
) -> None:
    app.config["PROBE_TIMEOUT_SECONDS"] = 0.05
    ids = fleet.add(5, key_id)
    fleet.tick()
    fleet.nodes.answer(ConnectTimeout(), lambda target, command: target.name == "n0")
    fleet.make_due()
    fleet.tick()
    assert [node.failures for node in db.session.scalars(select(Node).order_by(Node.id))] == [0] * 5
    assert db.session.query(Probe).count() == 9  # all but the silent one's second
    threading.Event().wait(0.06)
    fleet.tick()
    assert fleet.nodes.renewals[0].name == "n0"
    assert db.session.get_one(Node, ids[0], populate_existing=True).failures == 1


def test_a_hung_up_connection_is_opened_again_and_not_a_miss(fleet: Fleet, key_id: int) -> None:
    fleet.add(1, key_id)
    fleet.tick()

    def hang_up(targets: dict[int, Target], heard: Heard) -> set[int]:
        for node_id in targets:
            heard.put((node_id, None))
        return set()

    fleet.nodes.beat = hang_up  # type: ignore[method-assign,assignment]
    fleet.make_due()
    fleet.tick()
    assert len(fleet.nodes.pings) == 2
    assert [probe.ok for probe in db.session.scalars(select(Probe))] == [True, True]


def test_a_slow_node_is_looked_at_again_with_patience(
    fleet: Fleet, key_id: int, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float] = []
    ping = fleet.nodes.ping

    def recorded(target: Target) -> float:
        limits.append(target.limits.deadline)
        return ping(target)

    monkeypatch.setattr(fleet.nodes, "ping", recorded)
    fleet.nodes.answer(ConnectTimeout(), once=True)
    fleet.add(1, key_id)
    fleet.tick()
    assert limits == [3.0, 10.0]
    assert [probe.ok for probe in db.session.scalars(select(Probe))] == [True]


def test_unpinned_nodes_are_told_of_and_nothing_is_said_to_them(fleet: Fleet, make_node: Callable[..., int]) -> None:
    node_id = make_node(pinned=False)
    fleet.tick()
    assert db.session.get_one(Node, node_id).status_reason == "host_key_unpinned"
    assert fleet.nodes.pings == []


def test_cordoned_nodes_are_left_alone(fleet: Fleet, key_id: int) -> None:
    fleet.add(1, key_id)
    with unit_of_work() as session:
        session.execute(update(Node).values(cordoned=True))
    fleet.tick()
    assert (fleet.nodes.pings, fleet.nodes.beats) == ([], [])


def test_three_hundred_warm_nodes_cost_a_few_statements_and_two_transactions(fleet: Fleet, key_id: int) -> None:
    fleet.add(300, key_id)
    fleet.tick()
    assert statuses() == {NodeStatus.ONLINE}
    fleet.make_due()
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    fleet.sweep.tick()
    event.remove(db.engine, "before_cursor_execute", note)
    db.session.rollback()
    assert len(fleet.nodes.beats) == 300
    assert len([each for each in statements if each.startswith("BEGIN IMMEDIATE")]) <= 2
    assert len(statements) <= 20
    assert db.session.query(Probe).count() == 600
    assert db.session.query(Node).filter(Node.next_probe_at > utcnow() + timedelta(seconds=20)).count() == 300


def test_a_node_deleted_while_it_was_asked_is_passed_over(fleet: Fleet, key_id: int) -> None:
    (node_id,) = fleet.add(1, key_id)
    with unit_of_work() as session:
        session.delete(session.get_one(Node, node_id))
    fleet.sweep.lookers.report(node_id, liveness.Sighting(utcnow()))
    fleet.sweep.lookers.write()
    assert db.session.query(Probe).count() == 0


def test_a_job_that_was_done_postpones_the_probe(fleet: Fleet, make_node: Callable[..., int]) -> None:
    node_id = make_node()
    probes.note_success(node_id)
    fleet.tick()
    assert (fleet.nodes.pings, fleet.nodes.beats) == ([], [])
    assert db.session.get_one(Node, node_id).last_seen_at is not None


def test_a_job_that_was_done_on_a_node_that_is_offline_has_it_probed(
    fleet: Fleet, make_node: Callable[..., int]
) -> None:
    node_id = make_node(status=NodeStatus.OFFLINE)
    with unit_of_work() as session:
        session.execute(update(Node).values(next_probe_at=utcnow() + timedelta(hours=1)))
    probes.note_success(node_id)
    fleet.tick()
    assert db.session.get_one(Node, node_id, populate_existing=True).status is NodeStatus.ONLINE


@pytest.mark.parametrize("reason", ["auth_failed", "host_key_mismatch"])
def test_a_job_that_was_done_over_an_old_connection_has_nobody_knock_where_we_are_refused(
    fleet: Fleet, make_node: Callable[..., int], reason: str
) -> None:
    make_node(status=NodeStatus.OFFLINE)
    with unit_of_work() as session:
        session.execute(update(Node).values(next_probe_at=utcnow() + timedelta(hours=1), status_reason=reason))
    probes.note_success(db.session.scalars(select(Node.id)).one())
    fleet.tick()
    assert (fleet.nodes.pings, statuses()) == ([], {NodeStatus.OFFLINE})


def test_each_key_is_opened_once_for_all_its_nodes(fleet: Fleet, key_id: int, mocker: object) -> None:
    fleet.add(20, key_id)
    spy = mocker.spy(liveness.runtime().vault, "open")  # type: ignore[attr-defined]
    watched, refused = liveness.watched_nodes(set(db.session.scalars(select(Node.id))))
    assert (len(watched), refused, spy.call_count) == (20, {}, 1)


def test_the_sweep_and_a_job_mean_the_same_connection(fleet: Fleet, make_node: Callable[..., int]) -> None:
    node_id = make_node()
    watched, _ = liveness.watched_nodes({node_id})
    assert watched[node_id].target == build_target(db.session.get_one(Node, node_id))


def test_the_limit_of_open_files_is_told_in_nodes() -> None:
    assert nodes_for(descriptors_for(2000)) == 2000
    assert nodes_for(1) == 0


def test_too_few_open_files_are_told_at_the_start(
    fleet: Fleet, key_id: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.add(2, key_id)
    monkeypatch.setattr(liveness, "raise_limit", lambda: 1)
    liveness.announce_limit()
    assert "ulimit -n" in caplog.text


@pytest.mark.ssh
def test_the_dead_do_not_hold_up_the_living(
    app_context: None,
    runtime: Runtime,
    app: Flask,
    sshd: SshdServer,
    ssh_keypair: KeyPair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two threads, and six nodes that accept and say nothing, asked before six that are well."""
    monkeypatch.setattr(looks, "QUICK_SECONDS", 1.0)
    app.config["PROBE_TIMEOUT_SECONDS"] = 20
    before, sweep = (runtime.nodes, runtime.sweep), Sweep(2)
    runtime.nodes, runtime.sweep = ConnectionPool(), sweep
    key_id = keys.import_key("k", ssh_keypair.private, None, SYSTEM).id
    with FakeServer(silence) as dead:
        for number, port in enumerate([dead.port] * 6 + [sshd.port] * 6):
            values = {"name": f"n{number}", "hostname": "127.0.0.1", "ssh_port": port, "ssh_user": sshd.target().user}
            node_id = nodes.create_node(values | {"ssh_key_id": key_id, "projects_root": "/data/projects"}, SYSTEM).id
            hostkeys.pin_public_key(node_id, str(sshd.host_keys()[0]), SYSTEM)
        sweep.tick()
        while _online() < 6 and sweep.lookers.busy:
            threading.Event().wait(0.02)
        waiting = len(sweep.lookers.busy)
        sweep.close()
        runtime.nodes.close()
        sweep.close(wait=True)
    runtime.nodes, runtime.sweep = before
    assert (_online(), waiting) == (6, 6)


def _online() -> int:
    db.session.rollback()
    return db.session.query(Node).filter_by(status=NodeStatus.ONLINE).count()
