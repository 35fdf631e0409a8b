"""The pool: one connection for many runs, replaced when dead, closed when idle, never under a running command."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import pytest

from app.commands.base import Command
from app.errors import (
    AuthFailed,
    ConnectionLost,
    ConnectionRefused,
    ConnectTimeout,
    HostKeyMismatch,
    HostKeyUnknown,
    NodeBusy,
    ShuttingDown,
)
from app.ssh.pool import ConnectionPool
from app.ssh.target import Limits
from app.ssh.watch import Heard, Watch
from tests.support import fakes
from tests.support.proxy import Proxy
from tests.support.sshd import SshdServer, make_keypair

pytestmark = [pytest.mark.ssh, pytest.mark.usefixtures("no_leaked_threads")]

NOTHING = Command(":")


class Gate:
    """A command that runs until `open` is set, and says when it has begun."""

    def __init__(self, folder: Path) -> None:
        self.begun = threading.Event()
        self._fifo = folder / f"gate-{id(self)}"
        os.mkfifo(self._fifo)
        self.command = Command('echo begun; read -r word <"$1"', (str(self._fifo),))
        self.watch = Watch(on_output=lambda stream, data: self.begun.set())

    def open(self) -> None:
        self._fifo.write_text("go\n")


def test_many_runs_share_one_connection(pool: ConnectionPool, fresh_sshd: SshdServer) -> None:
    for _ in range(20):
        pool.run(fresh_sshd.target(), NOTHING)
    assert fresh_sshd.connections() == 1


def test_runs_at_the_same_time_share_connections(pool: ConnectionPool, fresh_sshd: SshdServer) -> None:
    with ThreadPoolExecutor(24) as threads:
        results = list(threads.map(lambda n: pool.run(fresh_sshd.target(), Command(f"echo {n}")), range(200)))
    assert [result.stdout for result in results] == [f"{n}\n".encode() for n in range(200)]
    assert fresh_sshd.connections() <= 4


def test_a_channel_hears_nothing_that_was_meant_for_an_earlier_one(pool: ConnectionPool, sshd: SshdServer) -> None:
    with pool.lease(sshd.target()) as connection:
        numbers = []
        for _ in range(3):
            channel = connection.transport.open_session(timeout=90)
            numbers.append(channel.chanid)
            channel.close()
            del channel
    assert len(set(numbers)) == 3


def test_more_than_a_connection_holds_go_on_a_second(
    pool: ConnectionPool, fresh_sshd: SshdServer, tmp_path: Path
) -> None:
    gates = [Gate(tmp_path) for _ in range(9)]
    with ThreadPoolExecutor(9) as threads:
        runs = [threads.submit(pool.run, fresh_sshd.target(), gate.command, gate.watch) for gate in gates]
        assert all(gate.begun.wait(90) for gate in gates)
        for gate in gates:
            gate.open()
    assert {run.result().reason for run in runs} == {"exit"}
    assert fresh_sshd.connections() == 2


def test_limits_do_not_part_the_pool(pool: ConnectionPool, fresh_sshd: SshdServer) -> None:
    pool.run(fresh_sshd.target(), NOTHING)
    pool.ping(fresh_sshd.target(limits=Limits(deadline=7)))
    assert fresh_sshd.connections() == 1


def test_another_key_is_another_connection(pool: ConnectionPool, fresh_sshd: SshdServer, tmp_path: Path) -> None:
    pool.run(fresh_sshd.target(), NOTHING)
    other = make_keypair(tmp_path)
    with pytest.raises(AuthFailed):
        pool.run(fresh_sshd.target(private_key=other.private, key_fingerprint=other.fingerprint), NOTHING)


def test_a_pin_that_is_taken_away_counts_at_once(pool: ConnectionPool, fresh_sshd: SshdServer) -> None:
    pool.run(fresh_sshd.target(), NOTHING)
    with pytest.raises(HostKeyUnknown):
        pool.run(fresh_sshd.target(host_keys=()), NOTHING)


def test_a_pin_that_is_replaced_counts_at_once(pool: ConnectionPool, sshd: SshdServer, fresh_sshd: SshdServer) -> None:
    pool.run(fresh_sshd.target(), NOTHING)
    with pytest.raises(HostKeyMismatch):
        pool.run(fresh_sshd.target(host_keys=sshd.target().host_keys), NOTHING)


def test_no_socket_is_opened_when_a_hop_is_not_pinned(
    pool: ConnectionPool, make_sshd: Callable[..., SshdServer]
) -> None:
    jump, node = make_sshd(), make_sshd()
    with pytest.raises(HostKeyUnknown, match="jump"):
        pool.run(node.target(jump=jump.target(name="jump", host_keys=())), NOTHING)
    assert (jump.connections(), node.connections()) == (0, 0)


def test_an_idle_connection_is_closed(no_leaked_threads: None, fresh_sshd: SshdServer) -> None:
    with ConnectionPool(idle_seconds=0) as pool:
        pool.run(fresh_sshd.target(), NOTHING)
        with pool.lease(fresh_sshd.target()) as connection:
            assert connection.is_connected
        pool.reap()
        assert not connection.is_connected


def test_a_connection_in_use_is_not_idle(fresh_sshd: SshdServer, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with ConnectionPool(idle_seconds=0) as pool, ThreadPoolExecutor(1) as threads:
        run = threads.submit(pool.run, fresh_sshd.target(), gate.command, gate.watch)
        assert gate.begun.wait(90)
        pool.reap()
        gate.open()
        assert run.result().reason == "exit"


def test_a_connection_that_died_is_replaced(pool: ConnectionPool, fresh_sshd: SshdServer) -> None:
    with pool.lease(fresh_sshd.target()) as connection:
        transport = connection.transport
    fresh_sshd.signal_daemons(signal.SIGKILL)
    assert pool.run(fresh_sshd.target(), NOTHING).reason == "exit"
    transport.join(90)
    assert fresh_sshd.connections() == 2


def test_a_node_that_was_restarted_is_spoken_to_again(pool: ConnectionPool, fresh_sshd: SshdServer) -> None:
    pool.run(fresh_sshd.target(), NOTHING)
    fresh_sshd.stop()
    fresh_sshd.start()
    assert pool.run(fresh_sshd.target(), NOTHING).reason == "exit"


def test_a_node_that_wants_new_keys_often_gets_them(pool: ConnectionPool, make_sshd: Callable[..., SshdServer]) -> None:
    server = make_sshd(extra=("RekeyLimit 1M",))
    results = [pool.run(server.target(), Command("head -c 2000000 /dev/zero")) for _ in range(5)]
    assert {len(result.stdout) for result in results} == {2_000_000}
    assert server.connections() == 1


def test_a_connection_that_brought_much_is_retired_when_idle(
    pool: ConnectionPool, fresh_sshd: SshdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.ssh.links.RETIRE_BYTES", 100_000)
    for _ in range(3):
        pool.run(fresh_sshd.target(), Command("head -c 200000 /dev/zero"))
    assert fresh_sshd.connections() == 3


def test_forget_closes_what_was_known_under_another_pin_or_address(
    pool: ConnectionPool, fresh_sshd: SshdServer
) -> None:
    with pool.lease(fresh_sshd.target()) as first:
        pass
    pool.forget(fresh_sshd.target(hostname="elsewhere", port=1, host_keys=("other",)))
    assert not first.is_connected

    with pool.lease(fresh_sshd.target()) as second:
        pass
    pool.forget(fresh_sshd.target(name="renamed"))
    assert not second.is_connected


def test_forget_leaves_other_nodes_alone(pool: ConnectionPool, sshd: SshdServer, fresh_sshd: SshdServer) -> None:
    with pool.lease(fresh_sshd.target(name="other")) as connection:
        pass
    pool.forget(sshd.target())
    assert connection.is_connected


def test_a_node_that_takes_no_session_is_busy(pool: ConnectionPool, make_sshd: Callable[..., SshdServer]) -> None:
    with pytest.raises(NodeBusy):
        pool.run(make_sshd(extra=("MaxSessions 0",)).target(), NOTHING)


def test_a_node_that_takes_one_session_gets_a_connection_for_each(
    pool: ConnectionPool, make_sshd: Callable[..., SshdServer], tmp_path: Path
) -> None:
    server = make_sshd(extra=("MaxSessions 1",))
    gate = Gate(tmp_path)
    with ThreadPoolExecutor(1) as threads:
        run = threads.submit(pool.run, server.target(), gate.command, gate.watch)
        assert gate.begun.wait(90)
        assert pool.run(server.target(), NOTHING).reason == "exit"
        gate.open()
        assert run.result().reason == "exit"
    assert server.connections() == 2


def test_when_all_connections_are_full_the_wait_is_bounded(
    pool: ConnectionPool, make_sshd: Callable[..., SshdServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.ssh.links.MAX_CONNECTIONS", 1)
    server = make_sshd(extra=("MaxSessions 1",))
    gate = Gate(tmp_path)
    with ThreadPoolExecutor(1) as threads:
        run = threads.submit(pool.run, server.target(), gate.command, gate.watch)
        assert gate.begun.wait(90)
        with pytest.raises(NodeBusy, match="are in use"):
            pool.run(server.target(limits=Limits(deadline=0.3)), NOTHING)
        gate.open()
        assert run.result().reason == "exit"


def test_those_who_wait_share_the_failure_of_one_handshake(
    pool: ConnectionPool, fresh_sshd: SshdServer, tmp_path: Path
) -> None:
    target = fresh_sshd.target(private_key=make_keypair(tmp_path).private)
    together = threading.Barrier(12)

    def run() -> None:
        together.wait(90)
        with pytest.raises(AuthFailed):
            pool.run(target, NOTHING)

    with ThreadPoolExecutor(12) as threads:
        for future in [threads.submit(run) for _ in range(12)]:
            future.result()
    assert fresh_sshd.connections() < 12


def test_ping_is_a_login_when_cold_and_a_round_trip_when_warm(pool: ConnectionPool, fresh_sshd: SshdServer) -> None:
    cold = pool.ping(fresh_sshd.target())
    warm = min(pool.ping(fresh_sshd.target()) for _ in range(5))
    assert 0 < warm < cold
    assert fresh_sshd.connections() == 1


def test_ping_of_a_frozen_node_ends_in_time(
    pool: ConnectionPool, fresh_sshd: SshdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.ssh.pool.PING_SECONDS", 0.3)
    pool.ping(fresh_sshd.target())
    fresh_sshd.signal_daemons(signal.SIGSTOP)
    with pytest.raises(ConnectTimeout):
        pool.ping(fresh_sshd.target())
    fresh_sshd.signal_daemons(signal.SIGCONT)
    assert pool.ping(fresh_sshd.target()) > 0


def test_a_jump_host_is_connected_to_once_for_many_nodes(
    pool: ConnectionPool, make_sshd: Callable[..., SshdServer]
) -> None:
    jump, first, second = make_sshd(), make_sshd(), make_sshd()
    hop = jump.target(name="jump")
    for node in (first, second, first):
        assert pool.run(node.target(name=f"node-{node.port}", jump=hop), NOTHING).reason == "exit"
    assert (jump.connections(), first.connections(), second.connections()) == (1, 1, 1)


def test_forgetting_a_jump_host_closes_what_goes_through_it(
    pool: ConnectionPool, make_sshd: Callable[..., SshdServer]
) -> None:
    jump, node = make_sshd(), make_sshd()
    hop = jump.target(name="jump")
    with pool.lease(node.target(jump=hop)) as connection:
        pass
    pool.forget(hop)
    assert not connection.is_connected


def test_close_ends_what_runs(fresh_sshd: SshdServer, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with ThreadPoolExecutor(1) as threads:
        pool = ConnectionPool()
        run = threads.submit(pool.run, fresh_sshd.target(), gate.command, gate.watch)
        assert gate.begun.wait(90)
        pool.close()
        with pytest.raises(ConnectionLost):
            run.result()
    with pytest.raises(ShuttingDown):
        pool.run(fresh_sshd.target(), NOTHING)


def test_close_ends_a_handshake_under_way(sshd: SshdServer) -> None:
    arrived = threading.Event()

    def behave(sock: socket.socket, stopping: threading.Event) -> None:
        sock.recv(1)
        arrived.set()
        stopping.wait(90)

    with fakes.FakeServer(behave) as server, ThreadPoolExecutor(1) as threads:
        pool = ConnectionPool()
        target = replace(sshd.target(), port=server.port, limits=Limits(banner=60, deadline=60))
        run = threads.submit(pool.run, target, NOTHING)
        assert arrived.wait(90)
        pool.close()
        assert run.exception(timeout=90) is not None


def test_a_fresh_connection_takes_the_place_of_the_old_one(pool: ConnectionPool, fresh_sshd: SshdServer) -> None:
    with pool.lease(fresh_sshd.target()) as old:
        pass
    assert pool.renew(fresh_sshd.target()) > 0
    assert not old.is_connected
    pool.ping(fresh_sshd.target())
    assert fresh_sshd.connections() == 2


def test_an_old_connection_is_not_closed_under_what_runs_on_it(
    pool: ConnectionPool, fresh_sshd: SshdServer, tmp_path: Path
) -> None:
    gate = Gate(tmp_path)
    with ThreadPoolExecutor(1) as threads:
        run = threads.submit(pool.run, fresh_sshd.target(), gate.command, gate.watch)
        assert gate.begun.wait(90)
        pool.renew(fresh_sshd.target())
        gate.open()
        assert run.result().reason == "exit"


def test_an_sshd_that_takes_no_new_connection_is_noticed_although_the_old_one_answers(
    pool: ConnectionPool, fresh_sshd: SshdServer
) -> None:
    pool.ping(fresh_sshd.target())
    listener = fresh_sshd._process
    assert listener is not None
    listener.kill()
    listener.wait(90)
    assert pool.ping(fresh_sshd.target()) > 0
    with pytest.raises(ConnectionRefused):
        pool.renew(fresh_sshd.target())
    assert pool.ping(fresh_sshd.target()) > 0


def test_a_beat_waits_for_nobody(
    pool: ConnectionPool, make_sshd: Callable[..., SshdServer], make_proxy: Callable[..., Proxy]
) -> None:
    well, hung = make_sshd(), make_sshd()
    proxy = make_proxy(hung.port)
    targets = {1: well.target(name="well"), 2: hung.target(name="hung", port=proxy.port), 3: well.target(name="cold")}
    for number in (1, 2):
        pool.ping(targets[number])
    proxy.hold()
    heard: Heard = SimpleQueue()
    assert pool.beat(targets, heard) == {3}
    number, seconds = heard.get(timeout=90)
    assert (number, seconds is not None) == (1, True)
    assert heard.empty()
    proxy.cut()
    assert heard.get(timeout=90) == (2, None)


def test_beats_at_the_same_time_are_all_answered(pool: ConnectionPool, sshd: SshdServer) -> None:
    pool.ping(sshd.target())
    heard: Heard = SimpleQueue()
    for number in range(200):
        assert pool.beat({number: sshd.target()}, heard) == set()
    answers = [heard.get(timeout=90) for _ in range(200)]
    assert [number for number, _ in answers] == list(range(200))
    assert None not in {seconds for _, seconds in answers}


def test_a_connection_that_is_beaten_is_not_idle(no_leaked_threads: None, fresh_sshd: SshdServer) -> None:
    with ConnectionPool(idle_seconds=30) as pool:
        pool.ping(fresh_sshd.target())
        (link,) = next(iter(pool._lines.values())).links
        link.idle_since -= 60
        heard: Heard = SimpleQueue()
        pool.beat({1: fresh_sshd.target()}, heard)
        pool.reap()
        assert heard.get(timeout=90)[1] is not None
        assert link.connection.is_connected
