"""Running commands on a real sshd: bytes, ends, limits, and what is left on the node afterwards."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.commands.base import Command, Place, argv
from app.errors import ConnectionLost, ShellUnusable
from app.ssh.pool import ConnectionPool
from app.ssh.watch import Stream, Watch
from tests.support.sshd import DropbearServer, KeyPair, SshdServer

pytestmark = pytest.mark.ssh

PRINT_ARGUMENTS = "printf '%s\\0' \"$@\""
SLEEPER = "echo $$; exec sleep 300"

HOSTILE = (
    "",
    " ",
    "'",
    '"',
    "''",
    "\\",
    "\\'",
    "\\'$(touch x)\\'\\'",
    "$HOME",
    "${HOME}",
    "$(id)",
    "`id`",
    "; touch x",
    "& touch x",
    "| cat",
    "> x",
    "*",
    "?",
    "[a-z]",
    "~",
    "!",
    "!!",
    "#",
    "-n",
    "--",
    "a\nb",
    "\n",
    "a\tb\rc",
    "END 0 exit 0",
    "é ü 日本 \U0001f600",
    "\x1b[31m\x07\x7f",
    "a" * 100_000,
)


class Listener:
    """Collects output; `first` is set when the first bytes of stdout have come."""

    def __init__(self) -> None:
        self.stdout, self.stderr = b"", b""
        self.first = threading.Event()

    def __call__(self, stream: Stream, data: bytes) -> None:
        if stream == "stderr":
            self.stderr += data
            return
        self.stdout += data
        self.first.set()

    @property
    def pid(self) -> int:
        return int(self.stdout)


def is_alive(pid: int) -> bool:
    """A zombie is not: its parent just has not looked yet."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_gone(pid: int, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.02)  # a process that is not our child announces its end to nobody
    return not is_alive(pid)


def test_status_and_both_streams_come_back(pool: ConnectionPool, sshd: SshdServer) -> None:
    result = pool.run(sshd.target(), Command("echo out; echo err >&2; exit 7"))
    assert (result.reason, result.exit_status, result.stdout, result.stderr) == ("exit", 7, b"out\n", b"err\n")


def test_output_without_a_last_newline_gets_none(pool: ConnectionPool, sshd: SshdServer) -> None:
    assert pool.run(sshd.target(), Command("printf x")).stdout == b"x"
    assert pool.run(sshd.target(), Command("printf 'x\\n\\n'")).stdout == b"x\n\n"
    assert pool.run(sshd.target(), Command(":")).stdout == b""


def test_hostile_strings_arrive_byte_for_byte(pool: ConnectionPool, sshd: SshdServer) -> None:
    result = pool.run(sshd.target(), Command(PRINT_ARGUMENTS, HOSTILE))
    assert result.stdout == b"".join(text.encode() + b"\0" for text in HOSTILE)


def test_hostile_values_of_variables_arrive_byte_for_byte(pool: ConnectionPool, sshd: SshdServer) -> None:
    environment = {f"V{index}": text for index, text in enumerate(HOSTILE[:-1])}
    program = "printf '%s\\0' " + " ".join(f'"$V{index}"' for index in range(len(environment)))
    result = pool.run(sshd.target(), Command(program, environment=environment))
    assert result.stdout == b"".join(text.encode() + b"\0" for text in environment.values())


def test_any_bytes_come_back(pool: ConnectionPool, sshd: SshdServer, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(300_000) + bytes(range(256))
    (tmp_path / "bytes").write_bytes(content)
    assert pool.run(sshd.target(), Command(*argv("cat", str(tmp_path / "bytes")))).stdout == content


def test_five_megabytes_on_stderr_block_nothing(pool: ConnectionPool, sshd: SshdServer) -> None:
    listener = Listener()
    result = pool.run(sshd.target(), Command("head -c 5000000 /dev/zero >&2; echo done"), Watch(on_output=listener))
    assert result.stdout == b"done\n"
    assert len(listener.stderr) == 5_000_000
    assert 2 * 1024 * 1024 < len(result.stderr) < 2 * 1024 * 1024 + 100


def test_output_comes_while_the_program_runs_and_never_the_end_line(pool: ConnectionPool, sshd: SshdServer) -> None:
    listener = Listener()
    fifo = "printf 'first\\n'; read -r word <\"$1\"; printf '%s' \"$word\""
    path = sshd.home / f"fifo-{os.getpid()}"
    os.mkfifo(path)

    def answer() -> None:
        assert listener.first.wait(90)
        path.write_text("second\n")

    thread = threading.Thread(target=answer)
    thread.start()
    result = pool.run(sshd.target(), Command(fifo, (str(path),)), Watch(on_output=listener))
    thread.join()
    assert listener.stdout == result.stdout == b"first\nsecond"


def test_what_a_login_prints_is_dropped(pool: ConnectionPool, make_sshd: Callable[..., SshdServer]) -> None:
    greeting = "echo hi; echo BEGIN; printf %s no-newline; echo noise >&2"
    server = make_sshd(extra=(f"ForceCommand /bin/sh -c '{greeting}; eval \"$SSH_ORIGINAL_COMMAND\"'",))
    result = pool.run(server.target(), Command("echo out; echo err >&2"))
    assert (result.stdout, result.stderr) == (b"out\n", b"err\n")


def test_a_start_file_that_prints_is_dropped(pool: ConnectionPool, fresh_sshd: SshdServer) -> None:
    (fresh_sshd.home / ".bashrc").write_text("echo hello from bashrc; echo oops >&2\n")
    result = pool.run(fresh_sshd.target(), Command("echo out; echo err >&2"))
    assert (result.stdout, result.stderr) == (b"out\n", b"err\n")


@pytest.mark.parametrize("command", ["/usr/sbin/nologin", "/bin/true", "/bin/cat", "/bin/echo BEGIN"])
def test_a_forced_command_is_no_shell(
    pool: ConnectionPool, make_sshd: Callable[..., SshdServer], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("app.ssh.process._LOGIN_SECONDS", 1)  # cat keeps the channel open, and says nothing
    server = make_sshd(extra=(f"ForceCommand {command}",))
    with pytest.raises(ShellUnusable):
        pool.run(server.target(), Command(":"))


def test_a_forced_command_that_imitates_an_end_is_not_believed(
    pool: ConnectionPool, make_sshd: Callable[..., SshdServer]
) -> None:
    server = make_sshd(extra=("ForceCommand printf 'BEGIN 0\\n\\nEND 0 exit 0\\n'",))
    with pytest.raises(ShellUnusable):
        pool.run(server.target(), Command(":"))


def test_an_endless_greeting_is_left(pool: ConnectionPool, make_sshd: Callable[..., SshdServer]) -> None:
    server = make_sshd(extra=("ForceCommand yes",))
    with pytest.raises(ShellUnusable):
        pool.run(server.target(), Command(":"))


def test_a_cancelled_program_is_gone(pool: ConnectionPool, sshd: SshdServer) -> None:
    listener = Listener()
    result = pool.run(sshd.target(), Command(SLEEPER), Watch(listener, listener.first.is_set))
    assert result.reason == "cancelled"
    assert wait_until_gone(listener.pid)


def test_a_program_cancelled_in_its_first_moment_is_gone(pool: ConnectionPool, sshd: SshdServer) -> None:
    for _ in range(10):
        listener = Listener()
        pool.run(sshd.target(), Command("sleep 300 & echo $!; wait"), Watch(listener, listener.first.is_set))
        assert wait_until_gone(listener.pid)


def test_a_cancelled_program_takes_its_children_along(pool: ConnectionPool, sshd: SshdServer) -> None:
    listener = Listener()
    command = Command("sleep 300 & echo $!; wait")
    assert pool.run(sshd.target(), command, Watch(listener, listener.first.is_set)).reason == "cancelled"
    assert wait_until_gone(listener.pid)


def test_a_time_limit_ends_the_program(pool: ConnectionPool, sshd: SshdServer) -> None:
    listener = Listener()
    result = pool.run(sshd.target(), Command(SLEEPER, timeout_seconds=1), Watch(listener))
    assert result.reason == "timeout"
    assert wait_until_gone(listener.pid)


@pytest.mark.parametrize("status", [124, 137, 143])
def test_a_status_that_looks_like_a_time_limit_is_the_programs_own(
    pool: ConnectionPool, sshd: SshdServer, status: int
) -> None:
    result = pool.run(sshd.target(), Command(f"exit {status}"))
    assert (result.reason, result.exit_status) == ("exit", status)


def test_a_flood_is_stopped(pool: ConnectionPool, sshd: SshdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ssh.process.OUTPUT_LIMIT_BYTES", 5_000_000)
    result = pool.run(sshd.target(), Command("echo $$ >&2; exec yes"))
    assert result.reason == "output_limit"
    assert len(result.stdout) < 2 * 1024 * 1024 + 100
    assert wait_until_gone(int(result.stderr.split()[0]))


def test_a_daemon_that_keeps_the_output_open_does_not_keep_us(pool: ConnectionPool, sshd: SshdServer) -> None:
    result = pool.run(sshd.target(), Command("setsid sleep 300 & echo $!"))
    assert result.reason == "exit"
    os.kill(int(result.stdout), signal.SIGKILL)


def test_a_lost_connection_is_told_and_ends_the_program(pool: ConnectionPool, fresh_sshd: SshdServer) -> None:
    listener = Listener()

    def hang_up() -> None:
        assert listener.first.wait(90)
        fresh_sshd.signal_daemons(signal.SIGKILL)

    thread = threading.Thread(target=hang_up)
    thread.start()
    with pytest.raises(ConnectionLost):
        pool.run(fresh_sshd.target(), Command(SLEEPER), Watch(listener))
    thread.join()
    assert wait_until_gone(listener.pid)


def test_a_shell_that_is_killed_is_lost_and_not_a_success(pool: ConnectionPool, sshd: SshdServer) -> None:
    # $PPID of the program is `timeout`; the envelope's shell is one above.
    kill_the_shell = 'kill -9 "$(ps -o ppid= -p "$PPID" | tr -d " ")"; sleep 1'
    with pytest.raises(ConnectionLost):
        pool.run(sshd.target(), Command(kill_the_shell))


def test_the_place_is_checked(pool: ConnectionPool, sshd: SshdServer, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert pool.run(sshd.target(), Command("pwd", place=Place(str(tmp_path)))).stdout == f"{tmp_path}\n".encode()
    assert pool.run(sshd.target(), Command("pwd", place=Place(str(tmp_path / "none")))).reason == "root_missing"
    assert pool.run(sshd.target(), Command("pwd", place=Place(str(tmp_path / "link")))).reason == "root_unsafe"


def test_the_program_has_no_input(pool: ConnectionPool, sshd: SshdServer) -> None:
    assert pool.run(sshd.target(), Command("cat; echo end")).stdout == b"end\n"


def test_a_dropbear_node_does_the_same(pool: ConnectionPool, tmp_path: Path, ssh_keypair: KeyPair) -> None:
    with DropbearServer(tmp_path, ssh_keypair) as server:
        listener = Listener()
        assert pool.run(server.target(), Command(PRINT_ARGUMENTS, HOSTILE[:-1])).reason == "exit"
        result = pool.run(server.target(), Command(SLEEPER), Watch(listener, listener.first.is_set))
        assert result.reason == "cancelled"
        assert wait_until_gone(listener.pid)
        assert len(pool.run(server.target(), Command("head -c 3000000 /dev/zero >&2")).stderr) > 2_000_000
