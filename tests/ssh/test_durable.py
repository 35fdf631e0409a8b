"""Durable processes over a real sshd: what breaks is the connection, the controller, the node."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from app.commands import durable
from app.commands.base import Command, Place
from app.commands.durable import Limits, Offsets
from app.commands.paths import ProjectName, ProjectsRoot
from app.errors import AuthFailed, ConnectionLost, ConnectionRefused, OutputLimitExceeded, StopUnconfirmed
from app.ssh.durable import run_durable, stop_durable
from app.ssh.pool import ConnectionPool
from app.ssh.recording import RecordingNodes
from app.ssh.target import Target
from app.ssh.watch import QUIET, Result, Stream, Watch
from tests.support.processes import kill_all, survivors
from tests.support.sshd import SshdServer

KEY = "job-17-1"
QUICK = Limits(grace_seconds=1)
_SECONDS = 90
pytestmark = pytest.mark.ssh


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A projects root; the test that leaves a process of its jobs behind fails, and it is ended."""
    folder = tmp_path / "projects"
    (folder / "app").mkdir(parents=True, mode=0o755)
    yield folder
    left = survivors(folder)
    kill_all(left)
    assert left == []


@dataclass
class Ears:
    """A watch that keeps what it hears, and can be told to cancel."""

    out: bytes = b""
    err: bytes = b""
    offsets: Offsets = field(default_factory=Offsets)
    attached: int = 0
    heard: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def watch(self) -> Watch:
        return Watch(self._hear, self.cancelled.is_set)

    def _hear(self, stream: Stream, data: bytes) -> None:
        if stream == "stdout":
            self.out += data
        else:
            self.err += data
        self.heard.set()

    def attach(self) -> None:
        self.attached += 1

    def store(self, offsets: Offsets) -> None:
        self.offsets = offsets


@dataclass
class Job:
    """One durable process, run in a thread of its own."""

    nodes: ConnectionPool
    target: Target
    root: Path
    ears: Ears = field(default_factory=Ears)
    result: Result | None = None
    error: Exception | None = None
    thread: threading.Thread | None = None

    def run(self, command: Command, limits: Limits = QUICK, **options: object) -> Result:
        return run_durable(
            self.nodes,
            self.target,
            ProjectsRoot(str(self.root)),
            KEY,
            command,
            self.ears.watch,
            limits=limits,
            on_attached=self.ears.attach,
            on_offsets=self.ears.store,
            **options,  # type: ignore[arg-type]
        )

    def start(self, command: Command, **options: object) -> "Job":
        self.thread = threading.Thread(target=self._run, args=(command,), kwargs=options)
        self.thread.start()
        return self

    def _run(self, command: Command, **options: object) -> None:
        try:
            self.result = self.run(command, **options)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - handed to the test
            self.error = error

    def end(self) -> Result:
        assert self.thread is not None
        self.thread.join(_SECONDS)
        assert not self.thread.is_alive()
        if self.error is not None:
            raise self.error
        assert self.result is not None
        return self.result


@pytest.fixture
def job(pool: ConnectionPool, fresh_sshd: SshdServer, root: Path) -> Job:
    return Job(pool, fresh_sshd.target(), root)


def program(root: Path, text: str, *arguments: str, seconds: int = 60) -> Command:
    return Command(text, arguments, place=Place(ProjectsRoot(str(root)), ProjectName("app")), timeout_seconds=seconds)


def until(is_so: Callable[[], object]) -> None:
    patience = time.monotonic() + _SECONDS
    while not is_so():
        assert time.monotonic() < patience, "it does not become so"
        time.sleep(0.01)


def folder_of(root: Path) -> Path:
    return root / ".bareboat/jobs" / KEY


WAITING = "echo on; until [ -e go ]; do sleep 0.02; done; echo off; exit 3"
COUNTING = (
    'echo ran >>../ran; i=0; while [ $i -lt "$1" ]; do i=$((i + 1)); echo "line $i"; echo "e $i" >&2; sleep 0.01; done'
)


def counted(lines: int) -> tuple[bytes, bytes]:
    out = "".join(f"line {number}\n" for number in range(1, lines + 1))
    err = "".join(f"e {number}\n" for number in range(1, lines + 1))
    return out.encode(), err.encode()


# --- the happy path


def test_a_durable_command_has_output_status_and_offsets(job: Job, root: Path) -> None:
    result = job.run(program(root, 'printf "%s" "$1"; echo wrong >&2; exit 3', "a b"))
    assert result == Result("exit", 3, b"a b", b"wrong\n")
    assert (job.ears.out, job.ears.err, job.ears.offsets, job.ears.attached) == (b"a b", b"wrong\n", Offsets(3, 6), 1)


def test_it_takes_one_connection_and_one_channel(job: Job, root: Path, fresh_sshd: SshdServer) -> None:
    job.run(program(root, "echo a"))
    assert fresh_sshd.connections() == 1
    assert fresh_sshd.log().count("Starting session: command") == 1


def test_a_place_that_is_missing_is_the_reason(job: Job, root: Path) -> None:
    place = Place(ProjectsRoot(str(root)), ProjectName("none"))
    assert job.run(replace(program(root, "echo ran"), place=place)).reason == "project_missing"


def test_a_root_that_is_missing_is_the_reason(job: Job, root: Path) -> None:
    job.root = root / "none"
    assert job.run(program(root, "echo ran")).reason == "root_missing"
    assert job.ears.attached == 0


def test_a_refusal_is_told_by_its_word(job: Job, root: Path, tmp_path: Path) -> None:
    (root / ".bareboat").symlink_to(tmp_path)
    assert job.run(program(root, "echo ran")).reason == "path_escape"


def test_invalid_utf8_and_our_own_marks_arrive_as_they_were(job: Job, root: Path) -> None:
    every = bytes(range(256)) * 100 + b"\nEND 0123 exit 0\nBEGIN x\n\xff"
    (root / "app/bytes").write_bytes(every)
    job.run(program(root, "cat bytes; cat bytes >&2"))
    assert job.ears.out == job.ears.err == every


def test_progress_is_heard_while_it_runs(job: Job, root: Path) -> None:
    job.start(program(root, f"printf '10%%\\r' >&2; {WAITING}"))
    until(lambda: job.ears.err and job.ears.out)
    assert (job.ears.err, job.result) == (b"10%\r", None)
    (root / "app/go").touch()
    assert job.end().exit_status == 3


@pytest.mark.parametrize("status", [124, 137, 143])
def test_a_status_like_that_of_a_signal_is_no_timeout(job: Job, root: Path, status: int) -> None:
    assert job.run(program(root, f"exit {status}")) == Result("exit", status)


def test_what_closed_its_output_is_followed_to_its_end(job: Job, root: Path) -> None:
    assert job.run(program(root, "exec >&- 2>&-; sleep 0.5; exit 4")) == Result("exit", 4)


def test_much_output_is_capped_and_says_so(job: Job, root: Path) -> None:
    result = job.run(program(root, "head -c 104857600 /dev/zero"), limits=Limits(output_bytes=8 << 20, grace_seconds=1))
    assert (result.reason, len(job.ears.out)) == ("output_limit", 8 << 20)
    assert b"bytes left out" in result.stdout


def test_a_timeout_is_told_and_nothing_is_left(job: Job, root: Path) -> None:
    result = job.run(program(root, "echo on; setsid sleep 600 & sleep 600", seconds=1))
    assert (result.reason, result.exit_status, result.stdout) == ("timeout", None, b"on\n")
    assert survivors(root) == []


# --- connections break


def test_killed_sessions_cost_no_byte_and_no_second_run(job: Job, root: Path, fresh_sshd: SshdServer) -> None:
    job.start(program(root, COUNTING, "200"))
    for part in (10, 60, 120):
        until(lambda part=part: job.ears.out.count(b"\n") > part)
        kill_sessions(fresh_sshd)
    result = job.end()
    assert (result.reason, result.exit_status) == ("exit", 0)
    assert (result.stdout, result.stderr) == (job.ears.out, job.ears.err) == counted(200)
    assert (root / "ran").read_text() == "ran\n"
    assert job.ears.attached == 1


def kill_sessions(server: SshdServer) -> None:
    for pid in sshd_of(server):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def sshd_of(server: SshdServer) -> list[int]:
    """The sshd processes below the listener, not what they have started."""
    return [pid for pid in server.sessions() if _name_of(pid).startswith("sshd")]


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


def test_an_sshd_that_is_away_for_a_while_is_waited_for(job: Job, root: Path, fresh_sshd: SshdServer) -> None:
    job.start(program(root, WAITING))
    job.ears.heard.wait(_SECONDS)
    away(fresh_sshd)
    (root / "app/go").touch()
    until((folder_of(root) / "exit").exists)
    fresh_sshd.start()
    assert (job.end(), job.ears.out) == (Result("exit", 3, b"on\noff\n"), b"on\noff\n")


def away(server: SshdServer) -> None:
    """The listener and the sshd processes of its sessions; what they have started goes on."""
    assert server._process is not None
    for pid in [server._process.pid, *sshd_of(server)]:  # the listener first, or somebody comes in meanwhile
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server._process.wait(10)
    server._process = None


def test_a_node_that_stays_away_is_given_up_and_attached_later(job: Job, root: Path, fresh_sshd: SshdServer) -> None:
    job.start(program(root, WAITING), reconnect_seconds=0.5)
    job.ears.heard.wait(_SECONDS)
    away(fresh_sshd)
    with pytest.raises(ConnectionRefused):
        job.end()
    fresh_sshd.start()
    (root / "app/go").touch()
    later = Job(job.nodes, job.target, root)
    result = later.run(program(root, WAITING), offsets=job.ears.offsets, is_attached=True)
    assert (result.exit_status, job.ears.out + later.ears.out) == (3, b"on\noff\n")


def test_a_node_that_was_never_reached_is_told_at_once(job: Job, root: Path, fresh_sshd: SshdServer) -> None:
    fresh_sshd.stop()
    with pytest.raises(ConnectionRefused):
        job.run(program(root, "echo ran"))


def test_a_login_that_is_refused_on_the_way_is_not_tried_again(job: Job, root: Path, fresh_sshd: SshdServer) -> None:
    job.start(program(root, WAITING))
    job.ears.heard.wait(_SECONDS)
    (fresh_sshd.folder / "authorized_keys").write_text("")
    before = fresh_sshd.login_attempts()
    kill_sessions(fresh_sshd)
    with pytest.raises(AuthFailed):
        job.end()
    assert fresh_sshd.login_attempts() <= before + 2  # "none", and one key
    fresh_sshd.authorize(fresh_sshd.keypair)
    stop_durable(job.nodes, job.target, ProjectsRoot(str(root)), KEY, grace_seconds=1)


# --- the controller breaks


def test_another_controller_attaches_and_gets_everything(job: Job, root: Path) -> None:
    command = program(root, f"echo ran >>../ran; {WAITING}")
    job.start(command)
    job.ears.heard.wait(_SECONDS)
    with ConnectionPool() as nodes:
        other = Job(nodes, job.target, root).start(command)
        other.ears.heard.wait(_SECONDS)
        (root / "app/go").touch()
        assert other.end() == job.end() == Result("exit", 3, b"on\noff\n")
    assert (root / "ran").read_text() == "ran\n"


def test_controllers_that_start_at_once_run_it_once(job: Job, root: Path) -> None:
    command = program(root, "echo ran >>../ran; echo a")
    jobs = [Job(job.nodes, job.target, root).start(command) for _ in range(4)]
    assert [each.end() for each in jobs] == [Result("exit", 0, b"a\n")] * 4
    assert (root / "ran").read_text() == "ran\n"


def test_it_goes_on_when_the_controller_closes(job: Job, root: Path) -> None:
    job.start(program(root, WAITING), reconnect_seconds=0)
    job.ears.heard.wait(_SECONDS)
    job.nodes.close()
    with pytest.raises(ConnectionLost):
        job.end()
    (root / "app/go").touch()
    with ConnectionPool() as nodes:
        assert Job(nodes, job.target, root).run(program(root, WAITING)) == Result("exit", 3, b"on\noff\n")


# --- the node breaks


def test_a_reboot_is_a_lost_process(job: Job, root: Path) -> None:
    job.run(program(root, "echo a"))
    (folder_of(root) / "exit").unlink()
    pid, start, boot = (folder_of(root) / "pid").read_text().split()
    (folder_of(root) / "pid").write_text(f"{pid} {start} {boot[::-1]}\n")
    later = Job(job.nodes, job.target, root)
    assert later.run(program(root, "echo a"), is_attached=True) == Result("process_lost", None, b"a\n")


def test_a_folder_that_has_vanished_is_lost_and_not_started_again(job: Job, root: Path) -> None:
    assert job.run(program(root, "echo ran >file"), is_attached=True).reason == "process_lost"
    assert not (root / "app/file").exists()


def test_a_killed_guard_is_lost_and_its_work_is_ended(job: Job, root: Path) -> None:
    job.start(program(root, "echo on; sleep 600"))
    job.ears.heard.wait(_SECONDS)
    os.kill(int((folder_of(root) / "pid").read_text().split()[0]), signal.SIGKILL)
    assert job.end() == Result("process_lost", None, b"on\n")
    assert survivors(root) == []


# --- cancel

STUBBORN = """trap "" TERM; sleep 600 & (sleep 600; sleep 600) & setsid sleep 600 & (setsid sh -c "sleep 600; :" &)
echo on; while :; do sleep 1; done"""


def test_cancelled_is_told_when_nothing_is_left_of_it(job: Job, root: Path) -> None:
    job.start(program(root, STUBBORN))
    job.ears.heard.wait(_SECONDS)
    job.ears.cancelled.set()
    result = job.end()
    assert (result.reason, result.exit_status, result.stdout) == ("cancelled", 137, b"on\n")
    assert survivors(root) == []


@pytest.mark.parametrize("delay", [0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1])
def test_cancel_at_any_moment_leaves_nothing(job: Job, root: Path, delay: float) -> None:
    job.start(program(root, STUBBORN))
    job.ears.cancelled.wait(delay)
    job.ears.cancelled.set()
    assert job.end().reason == "cancelled"
    assert survivors(root) == []


def test_cancel_during_an_outage_is_carried_out_when_it_is_over(job: Job, root: Path, fresh_sshd: SshdServer) -> None:
    job.start(program(root, STUBBORN))
    job.ears.heard.wait(_SECONDS)
    away(fresh_sshd)
    job.ears.cancelled.set()
    fresh_sshd.start()
    assert job.end().reason == "cancelled"
    assert survivors(root) == []


def test_cancel_after_the_end_tells_the_end(job: Job, root: Path) -> None:
    job.run(program(root, "exit 5"))
    job.ears.cancelled.set()
    assert job.run(program(root, "exit 5")) == Result("exit", 5)


def test_what_cannot_be_stopped_is_named(job: Job, root: Path) -> None:
    class Stuck:
        def run(self, target: Target, command: Command, watch: Watch = QUIET) -> Result:
            return Result("exit", 0, b"alive 12 34\n")

    with pytest.raises(StopUnconfirmed, match="-p 12,34") as caught:
        stop_durable(Stuck(), job.target, ProjectsRoot(str(root)), KEY)  # type: ignore[arg-type]
    assert caught.value.output == "12 34"


def test_only_numbers_are_process_ids_that_people_may_paste(job: Job, root: Path) -> None:
    class Liar:
        def run(self, target: Target, command: Command, watch: Watch = QUIET) -> Result:
            return Result("exit", 0, b"alive 12 ;reboot $(reboot) \x1b[2J " + b"34 " * 100_000)

    with pytest.raises(StopUnconfirmed) as caught:
        stop_durable(Liar(), job.target, ProjectsRoot(str(root)), KEY)  # type: ignore[arg-type]
    assert set(caught.value.output.split()) == {"12", "34"}
    assert len(caught.value.message) < 1000


@dataclass
class LyingNode:
    """Says of every process that it is gone when it is to be stopped, and that it goes on when it is followed."""

    output: bytes = b""

    def run(self, target: Target, command: Command, watch: Watch = QUIET) -> Result:
        assert isinstance(command, durable.DurableAct)
        if command.verb == "stop":
            return Result("exit", 0, b"gone\n")
        assert command.reader is not None
        nonce = command.reader.nonce.encode()
        watch.on_output("stdout", b"BEGIN %s\nattached;%s\nEND %s running -\n" % (nonce, self.output, nonce))
        watch.on_output("stderr", b"BEGIN %s\n\nEND %s end -\n" % (nonce, nonce))
        return Result("exit", 0)


def test_a_node_that_never_tells_the_end_of_what_is_gone_does_not_keep_us(
    job: Job, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.ssh.durable._LAST_WORDS_SECONDS", 0.2)
    job.ears.cancelled.set()
    liar = Job(LyingNode(), job.target, root, job.ears).start(program(root, "true"))  # type: ignore[arg-type]
    with pytest.raises(StopUnconfirmed, match="goes on"):
        liar.end()


def test_a_node_that_sends_for_ever_does_not_keep_us(job: Job, root: Path) -> None:
    liar = Job(LyingNode(b"x" * 60_000), job.target, root, job.ears)  # type: ignore[arg-type]
    with pytest.raises(OutputLimitExceeded):
        liar.run(program(root, "true"), Limits(output_bytes=100_000, grace_seconds=1))
    assert len(job.ears.out) < 1_000_000


# --- the double


def test_the_double_plays_a_durable_command(job: Job, root: Path) -> None:
    command = program(root, "echo ran")
    nodes = RecordingNodes().answer(Result("exit", 3, b"out", b"err"))
    result = Job(nodes, job.target, root, job.ears).run(command)  # type: ignore[arg-type]
    assert result == Result("exit", 3, b"out", b"err")
    assert (nodes.runs, job.ears.attached) == ([(job.target, command)], 1)


def test_the_double_plays_a_lost_connection_and_goes_on(job: Job, root: Path) -> None:
    nodes = RecordingNodes().answer(ConnectionLost(), once=True)
    assert Job(nodes, job.target, root).run(program(root, "echo ran")) == Result("exit", 0)  # type: ignore[arg-type]
    assert len(nodes.runs) == 2


# --- collect


def test_a_collected_job_leaves_nothing(job: Job, root: Path) -> None:
    job.run(program(root, "echo a"))
    assert job.nodes.run(job.target, durable.collect(ProjectsRoot(str(root)), KEY)).stdout == b"removed\n"
    assert list((root / ".bareboat/jobs").iterdir()) == []


def test_that_it_was_started_is_heard_before_it_prints_anything(
    pool: ConnectionPool, sshd: SshdServer, root: Path
) -> None:
    command = Command("until [ -e heard ]; do sleep 0.02; done", place=Place(str(root)), timeout_seconds=_SECONDS)
    result = run_durable(pool, sshd.target(), ProjectsRoot(str(root)), KEY, command, on_attached=(root / "heard").touch)
    assert (result.reason, result.exit_status) == ("exit", 0)
