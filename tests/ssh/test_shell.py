"""The persistent shell: framed so that nothing is mistaken, replaced when it misbehaves, ended with its connection."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from app.commands.base import Command, Place
from app.commands.paths import ProjectName, RelativePath
from app.commands.shell import turn
from app.secrets import Secret
from app.ssh.pool import ConnectionPool
from app.ssh.shell import SETTLE_TURNS, Shell, ShellBroken
from app.ssh.watch import Watch
from tests.support.sshd import SshdServer

pytestmark = [pytest.mark.ssh, pytest.mark.usefixtures("no_leaked_threads")]

ECHO = Command('printf "%s" "$1"; printf "%s" "$1" >&2')
HOSTILE = (
    "",
    " ",
    "\n",
    "\n\n",
    "END",
    "\nEND ",
    "\nEND 0 exit 0\n",
    "BEGIN \n",
    "BEGIN 00000000000000000000000000000000\n",
    "\nEND 00000000000000000000000000000000 exit 0\n",
    "'",
    "\"'`$(touch /tmp/x)`",
    "$(exit)",
    "; exit 7",
    "} ; exit 7",
    ")",
    "EOF\n",
    "\\'\\''",
    "-n",
    "--",
    "%s%d%n",
    "\\0\\n\\c",
    "\x01\x02\x03\x04",
    "\x1b]0;x\x07",
    "\r\nEND x\r\n",
    "é\udcff\udcfe",
    "a" * 9000,
    "\nEND" * 5000,
    "$program $p_ $1 $$",
    "{ exit; }\n{ exit; }\n",
)


@pytest.fixture(params=["new", "settled"])
def open_shell(pool: ConnectionPool, sshd: SshdServer, request: pytest.FixtureRequest) -> Iterator[Shell]:
    with pool.lease(sshd.target()) as connection:
        shell = Shell.open(connection.transport, "node")
        for _ in range(SETTLE_TURNS + 1 if request.param == "settled" else 0):
            shell.run(Command(":"))
        yield shell
        shell.close()


@pytest.mark.parametrize("login_shell", ["sh", "bash", "busybox sh"])
def test_no_output_is_mistaken_for_a_frame(
    pool: ConnectionPool, make_sshd: Callable[..., SshdServer], login_shell: str
) -> None:
    server = make_sshd(extra=(f"ForceCommand exec {login_shell} -s",))
    with pool.lease(server.target()) as connection:
        shell = Shell.open(connection.transport, "node")
        results = [shell.run(replace(ECHO, arguments=(text,))) for text in HOSTILE]
    expected = [text.encode("utf-8", "surrogateescape") for text in HOSTILE]
    assert [result.stdout for result in results] == expected
    assert [result.stderr for result in results] == expected
    assert {result.exit_status for result in results} == {0}
    assert not shell.is_worn


def test_many_reads_cost_one_session(pool: ConnectionPool, sshd: SshdServer) -> None:
    with pool.lease(sshd.target()) as connection:
        before = connection.transport.opened_channels
        for number in range(50):
            assert pool.read(sshd.target(), Command(f"exit {number}")).exit_status == number
        assert connection.transport.opened_channels - before <= 6


def test_a_command_leaves_nothing_to_the_next(open_shell: Shell) -> None:
    open_shell.run(Command("cd /; umask 000; X=1; export X; enter() { :; }; trap 'echo late' EXIT; exit 3"))
    result = open_shell.run(Command('umask; printf "%s" "${X-none}"; pwd'))
    assert result.stdout.splitlines() == [b"0077", b"none/"]


def test_a_command_has_no_input(open_shell: Shell) -> None:
    assert open_shell.run(Command("cat; echo end")).stdout == b"end\n"


def test_environment_and_arguments_arrive(open_shell: Shell) -> None:
    command = Command('printf "%s|" "$#" "$A" "$@"', ("x y", ""), {"A": "it's"})
    assert open_shell.run(command).stdout == b"2|it's|x y||"
    assert open_shell.run(replace(command, arguments=())).stdout == b"0|it's|"


def test_a_command_that_kills_its_shell_ends_it(open_shell: Shell) -> None:
    started = time.monotonic()
    with pytest.raises(ShellBroken):
        open_shell.run(
            Command('read -r _ _ _ parent _ </proc/self/stat; kill -9 "$parent"; sleep 30', timeout_seconds=20)
        )
    assert time.monotonic() - started < 15
    assert open_shell.is_worn


def test_a_read_whose_shell_was_killed_is_read_in_another_way(
    pool: ConnectionPool, sshd: SshdServer, tmp_path: Path
) -> None:
    program = '[ -e "$1" ] && { echo well; exit; }; : >"$1"; kill -9 $$; sleep 30'
    result = pool.read(sshd.target(), Command(program, (str(tmp_path / "once"),), timeout_seconds=20))
    assert result.stdout == b"well\n"


def test_one_that_hangs_is_killed_with_all_that_it_started(open_shell: Shell, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = 'trap "" TERM HUP; sleep 60 & echo "$!" >"$1"; sh -c \'echo $$ >>"$1"; exec sleep 60\' sh "$1"'
    result = open_shell.run(Command(program, (str(pids),), timeout_seconds=1))
    assert (result.reason, result.exit_status) == ("timeout", None)
    _await_end([int(pid) for pid in pids.read_text().split()])
    assert open_shell.is_worn


def test_endless_output_is_stopped(open_shell: Shell) -> None:
    result = open_shell.run(Command("while :; do echo more; done", timeout_seconds=60))
    assert result.reason == "output_limit"
    assert len(result.stdout) < 4 * 1024 * 1024
    assert open_shell.is_worn


def test_a_read_can_be_cancelled(open_shell: Shell) -> None:
    assert open_shell.run(Command("sleep 60"), Watch(is_cancelled=lambda: True)).reason == "cancelled"


def test_what_is_said_between_two_commands_is_dropped_and_ends_the_shell(open_shell: Shell, tmp_path: Path) -> None:
    said = tmp_path / "said"
    os.mkfifo(said)
    open_shell.run(Command('( read -r _ <"$1"; echo late; : >"$1.done" ) & exit 0', (str(said),)))
    said.write_text("go\n")
    while not said.with_suffix(".done").exists():
        time.sleep(0.01)
    assert open_shell.run(Command("echo mine")).stdout == b"mine\n"
    assert open_shell.is_worn


def test_the_loss_of_the_connection_ends_what_runs(
    pool: ConnectionPool, fresh_sshd: SshdServer, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    os.mkfifo(pid_file)
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(
            pool.read, fresh_sshd.target(), Command('echo $$ >"$1"; exec sleep 60', (str(pid_file),))
        )
        pid_file.read_text()
        children = [pid for pid in fresh_sshd.sessions() if pid not in fresh_sshd.session_daemons()]
        pool.close()
        assert reading.exception(30) is not None
    _await_end(children)


def test_a_place_is_entered_and_checked(open_shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "root" / "shop" / "src"
    folder.mkdir(parents=True)
    place = Place(str(tmp_path / "root"), ProjectName("shop"), RelativePath("src"))
    assert open_shell.run(Command("pwd -P", place=place)).stdout == f"{folder}\n".encode()
    assert open_shell.run(Command("pwd -P")).stdout == b"/\n"


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (("missing", None, None), "root_missing"),
        (("link", None, None), "root_unsafe"),
        (("link", "shop", None), "root_unsafe"),
        (("root", "gone", None), "project_missing"),
        (("root", "away", None), "path_escape"),
        (("root", "newline", None), "path_escape"),
        (("root", "shop", "gone"), "folder_missing"),
        (("root", "shop", "away"), "path_escape"),
        (("root", "file", None), "project_missing"),
    ],
)
def test_a_place_that_is_not_where_it_should_be_is_refused(
    open_shell: Shell, tmp_path: Path, place: tuple[str, str | None, str | None], reason: str
) -> None:
    root = tmp_path / "root"
    (root / "shop").mkdir(parents=True)
    (root / "newline\n").mkdir()
    (tmp_path / "link").symlink_to(root)
    for link, to in (("away", tmp_path), ("newline", root / "newline\n"), ("shop/away", tmp_path)):
        (root / link).symlink_to(to)
    (root / "file").touch()
    name, project, below = place
    where = Place(
        str(tmp_path / name), ProjectName(project) if project else None, RelativePath(below) if below else None
    )
    result = open_shell.run(Command("echo ran", place=where))
    assert (result.reason, result.exit_status, result.stdout) == (reason, None, b"")


TELLS = Command('[ -n "${is_told-}" ] && said="$1|$PWD|${X-none}"; X=1; cd /tmp; [ "$1" != 3 ]', is_told=True)


@pytest.mark.parametrize("login_shell", ["sh", "bash", "busybox sh"])
def test_what_is_told_arrives_whole_and_leaves_nothing_to_the_next(
    pool: ConnectionPool, make_sshd: Callable[..., SshdServer], login_shell: str
) -> None:
    server = make_sshd(extra=(f"ForceCommand exec {login_shell} -s",))
    texts = [*HOSTILE, "3"]
    with pool.lease(server.target()) as connection:
        shell = Shell.open(connection.transport, "node")
        results = [shell.run(replace(TELLS, arguments=(text,))) for text in texts]
        between = shell.run(Command("echo other; echo error >&2"))
    expected = [f"{text}|/|none".encode("utf-8", "surrogateescape") for text in texts]
    assert [(result.stdout, result.stderr) for result in results] == [(line, b"") for line in expected]
    assert [result.exit_status for result in results] == [0] * len(HOSTILE) + [1]
    assert (between.stdout, between.stderr) == (b"other\n", b"error\n")
    assert not shell.is_worn


def test_telling_that_hangs_is_killed(open_shell: Shell, tmp_path: Path) -> None:
    fifo, pid_file = tmp_path / "fifo", tmp_path / "pid"
    os.mkfifo(fifo)
    program = 'read -r pid _ </proc/self/stat; echo "$pid" >"$2"; read -r _ <"$1"'
    result = open_shell.run(Command(program, (str(fifo), str(pid_file)), timeout_seconds=1, is_told=True))
    assert (result.reason, result.exit_status) == ("timeout", None)
    _await_end([int(pid_file.read_text())])
    assert open_shell.is_worn


def test_telling_that_computes_without_end_is_ended(open_shell: Shell) -> None:
    result = open_shell.run(Command("while :; do :; done", timeout_seconds=1, is_told=True))
    assert (result.reason, result.exit_status) == ("timeout", None)


def test_the_loss_of_the_connection_ends_what_would_be_told(
    pool: ConnectionPool, fresh_sshd: SshdServer, tmp_path: Path
) -> None:
    pid_file, fifo = tmp_path / "pid", tmp_path / "fifo"
    os.mkfifo(pid_file)
    os.mkfifo(fifo)
    program = 'read -r pid _ </proc/self/stat; echo "$pid" >"$2"; read -r _ <"$1"'
    with ThreadPoolExecutor(1) as threads:
        command = Command(program, (str(fifo), str(pid_file)), is_told=True)
        reading = threads.submit(pool.read, fresh_sshd.target(), command)
        pid = int(pid_file.read_text())
        fresh_sshd.signal_daemons(signal.SIGKILL)
        _await_end([pid])
        pool.close()
        assert reading.exception(90) is not None


def test_a_program_is_sent_once() -> None:
    known: set[str] = set()
    command = Command(": " + "x" * 5000, ("a",))
    first, second = (turn(command, nonce * 32, known) for nonce in "01")
    assert len(first) > 5000 > 200 > len(second)


def test_a_secret_is_not_kept_on_the_node() -> None:
    with pytest.raises(ValueError, match="secret"):
        turn(Command(":", environment={"TOKEN": Secret("x")}), "0" * 32, set())


def test_two_threads_read_at_once(pool: ConnectionPool, fresh_sshd: SshdServer) -> None:
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda n: pool.read(fresh_sshd.target(), Command(f"echo {n}")), range(100)))
    assert [result.stdout for result in results] == [f"{n}\n".encode() for n in range(100)]
    assert fresh_sshd.connections() <= 2


def test_a_node_that_takes_one_session_is_read_all_the_same(
    pool: ConnectionPool, make_sshd: Callable[..., SshdServer]
) -> None:
    server = make_sshd(extra=("MaxSessions 1",))
    for number in range(3):
        assert pool.read(server.target(), Command(f"exit {number}")).exit_status == number
        assert pool.run(server.target(), Command(f"exit {number}")).exit_status == number
    assert server.connections() == 1


def test_a_shell_is_replaced_after_so_many_turns(
    pool: ConnectionPool, sshd: SshdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.ssh.shell.MAX_TURNS", 2)
    with pool.lease(sshd.target()) as connection:
        before = connection.transport.opened_channels
        for _ in range(6):
            pool.read(sshd.target(), Command(":"))
        assert connection.transport.opened_channels - before >= 3


def test_an_account_that_greets_is_no_trouble(pool: ConnectionPool, make_sshd: Callable[..., SshdServer]) -> None:
    server = make_sshd(extra=("ForceCommand echo hello; echo hello >&2; exec /bin/sh -s",))
    assert pool.read(server.target(), Command("echo mine")).stdout == b"mine\n"


@pytest.mark.parametrize("is_told", [False, True])
def test_a_login_that_leads_no_group_is_read_in_another_way_and_asked_once(
    pool: ConnectionPool, make_sshd: Callable[..., SshdServer], is_told: bool
) -> None:
    """What ran in its shell could not be killed without killing others."""
    server = make_sshd(extra=("ForceCommand sh -s; :",))
    command = Command('said=mine; [ -n "${is_told-}" ] || echo "$said"', is_told=is_told)
    with pool.lease(server.target()) as connection:
        before = connection.transport.opened_channels
        assert [pool.read(server.target(), command).stdout for _ in range(3)] == [b"mine\n"] * 3
        assert connection.transport.opened_channels - before == 1 + 3


def test_a_session_that_dies_is_no_trouble(pool: ConnectionPool, fresh_sshd: SshdServer) -> None:
    pool.read(fresh_sshd.target(), Command(":"))
    fresh_sshd.signal_daemons(signal.SIGKILL)
    assert pool.read(fresh_sshd.target(), Command("echo again")).stdout == b"again\n"


def _await_end(pids: list[int]) -> None:
    """A process that was killed takes a moment to go, and nothing announces it."""
    end = time.monotonic() + 20
    while any(_is_alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    assert [pid for pid in pids if _is_alive(pid)] == []


def _is_alive(pid: int) -> bool:
    """A zombie is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False
