"""The double and the pool keep the same promises."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.commands.base import Command, argv
from app.errors import HostKeyUnknown, NodeBusy
from app.ssh.pool import ConnectionPool
from app.ssh.recording import RecordingNodes
from app.ssh.target import Target
from app.ssh.watch import Nodes, Result, Stream, Watch
from tests.support.sshd import SshdServer

pytestmark = pytest.mark.ssh

GREETING = Command("echo out; echo err >&2; exit 3")


@pytest.fixture(params=["recording", "pool"])
def nodes(request: pytest.FixtureRequest, no_leaked_threads: None) -> Iterator[Nodes]:
    nodes: Nodes = ConnectionPool() if request.param == "pool" else _scripted()
    yield nodes
    nodes.close()


@pytest.fixture
def target(sshd: SshdServer) -> Target:
    return sshd.target()


def _scripted() -> RecordingNodes:
    return RecordingNodes().answer(Result("exit", 3, b"out\n", b"err\n"), lambda _, command: command == GREETING)


def test_a_run_answers_and_tells_its_output(nodes: Nodes, target: Target) -> None:
    heard: dict[Stream, bytes] = {"stdout": b"", "stderr": b""}

    def listen(stream: Stream, data: bytes) -> None:
        heard[stream] += data

    assert nodes.run(target, GREETING, Watch(on_output=listen)) == Result("exit", 3, b"out\n", b"err\n")
    assert heard == {"stdout": b"out\n", "stderr": b"err\n"}


def test_a_plain_run_ends_with_zero(nodes: Nodes, target: Target) -> None:
    assert nodes.run(target, Command(*argv("true"))) == Result("exit", 0)


def test_a_cancelled_run_says_so(nodes: Nodes, target: Target) -> None:
    assert nodes.run(target, Command("sleep 100"), Watch(is_cancelled=lambda: True)).reason == "cancelled"


def test_an_unpinned_target_is_refused(nodes: Nodes, target: Target) -> None:
    with pytest.raises(HostKeyUnknown):
        nodes.run(replace(target, host_keys=()), GREETING)
    with pytest.raises(HostKeyUnknown):
        nodes.ping(replace(target, host_keys=()))


def test_an_unpinned_jump_host_is_refused(nodes: Nodes, target: Target) -> None:
    with pytest.raises(HostKeyUnknown):
        nodes.run(replace(target, jump=replace(target, host_keys=())), GREETING)


def test_a_value_with_nul_is_refused(nodes: Nodes, target: Target) -> None:
    with pytest.raises(ValueError, match="NUL"):
        nodes.run(target, Command(*argv("echo", "a\0b")))


def test_a_ping_takes_time(nodes: Nodes, target: Target) -> None:
    assert 0 < nodes.ping(target) < 60


def test_forget_and_close_may_be_repeated(nodes: Nodes, target: Target) -> None:
    nodes.forget(target)
    nodes.forget(target)
    nodes.close()


def test_the_double_records_what_it_was_asked(target: Target) -> None:
    nodes = RecordingNodes()
    nodes.run(target, GREETING)
    nodes.ping(target)
    nodes.forget(target)
    assert (nodes.runs, nodes.pings, nodes.forgotten) == ([(target, GREETING)], [target], [target])


def test_the_double_raises_what_is_scripted_as_often_as_is_said(target: Target) -> None:
    nodes = RecordingNodes().answer(NodeBusy(), once=True)
    with pytest.raises(NodeBusy):
        nodes.run(target, GREETING)
    assert nodes.run(target, GREETING).reason == "exit"
