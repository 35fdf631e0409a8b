"""Durable processes, run for real by three shells without ssh."""

import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.commands import durable
from app.commands.base import NODE_PATH, Command, Place
from app.commands.durable import Limits, Offsets, Reader
from app.commands.paths import ProjectName, ProjectsRoot, RelativePath
from app.errors import UnsafePath
from app.secrets import Secret
from tests.commands.shells import NONCE, SHELLS, Node, Result, end, finish
from tests.support.processes import kill_all, survivors

KEY = "job-17-1"
MARK = "fedcba9876543210"
LIMITS = Limits()
_SECONDS = 90
_OPTIONS_OF_DD = ("bs", "skip", "count")


@dataclass(frozen=True)
class Followed:
    """What one follower said, taken apart."""

    word: str
    out: bytes
    err: bytes
    end: str


@dataclass(frozen=True)
class DurableNode(Node):
    """Every /bin/sh is the shell of the test, called by the name sh."""

    def start(self, command: Command) -> subprocess.Popen[bytes]:
        script = command.script(NONCE).replace("/bin/sh ", f"{self.shell[-1]} ").replace(NODE_PATH, self.path)
        process = subprocess.Popen(
            [*self.shell, "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/"
        )
        assert process.stdin is not None
        process.stdin.write(script.encode())
        process.stdin.flush()
        return process

    def follow(self, command: Command) -> Followed:
        return taken_apart(self.run(command))


def taken_apart(result: Result) -> Followed:
    assert (result.reason, result.status) == ("exit", 0), result.words
    head, _, said = result.stdout.partition(b"\n")
    assert head == f"BEGIN {MARK}".encode()
    word, _, body = said.partition(b";")
    out, _, end = body.rpartition(f"\nEND {MARK} ".encode())
    begin, _, errors = result.stderr.partition(b"\n")
    assert begin == f"BEGIN {MARK}".encode()
    err, _, last = errors.rpartition(f"\nEND {MARK} ".encode())
    assert last == b"end -\n"
    return Followed(word.decode(), out, err, end.decode().strip())


def durable_node(request: pytest.FixtureRequest, tmp_path: Path) -> DurableNode:
    """For a fixture over SHELLS."""
    (tmp_path / "bin").mkdir()
    shell = tmp_path / "bin/sh"
    shell.symlink_to(shutil.which(request.param) or "/bin/sh")
    path = request.getfixturevalue("busybox_path") if request.param == "busybox" else NODE_PATH
    return DurableNode((str(shell),), path)


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> DurableNode:
    return durable_node(request, tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A projects root; the test that leaves a process of its jobs behind fails, and it is ended."""
    folder = tmp_path / "projects"
    (folder / "app/sub").mkdir(parents=True, mode=0o755)
    yield folder
    left = survivors(folder)
    kill_all(left)
    assert left == []


def program(text: str, *arguments: str, seconds: int = 60, root: Path, **changes: object) -> Command:
    place = Place(ProjectsRoot(str(root)), ProjectName("app"))
    return replace(
        Command(text, arguments, place=place, timeout_seconds=seconds),
        **changes,  # type: ignore[arg-type]
    )


def run(command: Command, root: Path, *, key: str = KEY, limits: Limits = LIMITS, **reader: object) -> Command:
    return durable.start_and_follow(ProjectsRoot(str(root)), key, command, reading(**reader), limits)


def reading(**changes: object) -> Reader:
    return Reader(**{"nonce": MARK, "wait_seconds": _SECONDS, "patience_seconds": _SECONDS, **changes})  # type: ignore[arg-type]


def follow(root: Path, **reader: object) -> Command:
    return durable.follow(ProjectsRoot(str(root)), KEY, reading(**reader))


def folder_of(root: Path) -> Path:
    return root / ".bareboat/jobs" / KEY


def start(node: DurableNode, command: Command, root: Path, limits: Limits = LIMITS) -> str:
    result = node.run(durable.start(ProjectsRoot(str(root)), KEY, command, limits))
    assert (result.reason, result.status) == ("exit", 0), result.words
    return result.stdout.decode().strip()


def stop(node: DurableNode, root: Path, grace: int = 1) -> str:
    result = node.run(durable.stop(ProjectsRoot(str(root)), KEY, grace))
    assert (result.reason, result.status) == ("exit", 0), result.words
    return result.stdout.decode().strip()


def until(is_so: Callable[[], object]) -> None:
    patience = time.monotonic() + _SECONDS
    while not is_so():
        assert time.monotonic() < patience, "it does not become so"
        time.sleep(0.01)


# --- start and follow


def test_output_and_status_arrive_and_the_folder_is_private(node: DurableNode, root: Path) -> None:
    text = 'printf "%s|" "$PWD" "$@"; echo wrong >&2; exit 3'
    followed = node.follow(run(program(text, "a b", "$(touch x)", "", root=root), root))
    assert followed == Followed("started", f"{root}/app|a b|$(touch x)||".encode(), b"wrong\n", "exit 3")
    assert folder_of(root).stat().st_mode & 0o777 == 0o700


def test_a_folder_in_the_project_is_entered(node: DurableNode, root: Path) -> None:
    place = Place(ProjectsRoot(str(root)), ProjectName("app"), RelativePath("sub"))
    assert node.follow(run(program("pwd", root=root, place=place), root)).out == f"{root}/app/sub\n".encode()


@pytest.mark.parametrize(
    ("folder", "reason"), [("none", "folder_missing"), ("link", "path_escape"), ("sub/..x", "folder_missing")]
)
def test_a_place_that_is_not_there_is_the_outcome(node: DurableNode, root: Path, folder: str, reason: str) -> None:
    (root / "app/link").symlink_to("/tmp")
    place = Place(ProjectsRoot(str(root)), ProjectName("app"), RelativePath(folder))
    assert node.follow(run(program("echo ran", root=root, place=place), root)).end == f"{reason} -"


def test_without_merge_the_streams_are_apart_and_with_it_in_order(node: DurableNode, root: Path) -> None:
    text = "echo 1; echo 2 >&2; echo 3; echo 4 >&2"
    merged = run(program(text, root=root), root, key="job-2", limits=Limits(merge=True))
    assert node.follow(merged).out == b"1\n2\n3\n4\n"
    apart = node.follow(run(program(text, root=root), root))
    assert (apart.out, apart.err) == (b"1\n3\n", b"2\n4\n")


def test_every_byte_arrives_as_it_was(node: DurableNode, root: Path) -> None:
    every = bytes(range(256)) * 300 + b"\xff\xfe\0\r\n\x1b[31m no newline"
    (root / "app/bytes").write_bytes(every)
    followed = node.follow(run(program("cat bytes; cat bytes >&2", root=root), root))
    assert followed.out == followed.err == every


def test_any_offsets_give_the_rest(node: DurableNode, root: Path) -> None:
    whole = node.follow(run(program("seq 5000; seq 3000 >&2", root=root), root))
    rest = node.follow(follow(root, offsets=Offsets(12345, 1)))
    assert (rest.word, rest.end) == ("attached", "exit 0")
    assert (rest.out, rest.err) == (whole.out[12345:], whole.err[1:])


def test_offsets_at_the_end_give_nothing(node: DurableNode, root: Path) -> None:
    node.follow(run(program("printf abc", root=root), root))
    assert node.follow(follow(root, offsets=Offsets(3, 0))).out == b""


def test_a_second_start_attaches_and_nothing_runs_twice(node: DurableNode, root: Path) -> None:
    command = program("echo ran >>count; echo once", root=root)
    assert [node.follow(run(command, root)).word for _ in range(3)] == ["started", "attached", "attached"]
    assert (root / "app/count").read_text() == "ran\n"


def test_starts_at_the_same_time_run_once(node: DurableNode, root: Path) -> None:
    command = run(program("echo ran >>count; echo once", root=root), root)
    processes = [node.start(command) for _ in range(4)]
    followed = [taken_apart(finish(process)) for process in processes]
    for process in processes:
        end(process)
    assert sorted(each.word for each in followed) == ["attached"] * 3 + ["started"]
    assert {each.out for each in followed} == {b"once\n"}
    assert (root / "app/count").read_text() == "ran\n"


GUARD_COMES_JUST_NOW = """
runs() {
  [ -e pid ] && return
  printf 'x' >pid
  return 1
}
"""


def test_a_guard_that_says_who_it_is_just_while_a_follower_looks_is_not_lost(node: DurableNode, root: Path) -> None:
    """The look at `pid` finds none, and when its absence is judged it is there."""
    folder_of(root).mkdir(parents=True)
    for folder in (folder_of(root), folder_of(root).parent, root / ".bareboat"):
        folder.chmod(0o700)
    for name in ("status", "work", "out", "err"):
        (folder_of(root) / name).touch()
    command = follow(root, wait_seconds=1)
    raced = replace(command, program=command.program.replace("is_over() {", f"{GUARD_COMES_JUST_NOW}\nis_over() {{", 1))
    assert raced != command
    assert node.follow(raced).end == "running -"


def test_an_end_is_heard_of_although_the_timer_has_not_heard_term(node: DurableNode, root: Path) -> None:
    """A signal may come between its fork and its exec, when it is still the guard's copy, with the guard's traps."""
    command = run(program("echo ran", root=root), root)
    timer, deaf = 'sleep "$bb_seconds" &', '( trap "" TERM; exec sleep "$bb_seconds" ) &'
    raced = replace(command, arguments=tuple(each.replace(timer, deaf) for each in command.arguments))
    assert raced != command
    assert node.follow(raced).end == "exit 0"


def test_it_goes_on_when_its_follower_is_ended(node: DurableNode, root: Path) -> None:
    process = node.start(run(program("echo on; until [ -e go ]; do sleep 0.02; done; echo off", root=root), root))
    until(lambda: (folder_of(root) / "out").exists() and (folder_of(root) / "out").read_bytes())
    process.kill()
    process.communicate()
    (root / "app/go").touch()
    assert node.follow(follow(root)).out == b"on\noff\n"


def test_a_follower_says_running_when_its_time_is_over(node: DurableNode, root: Path) -> None:
    first = node.follow(run(program("echo on; until [ -e go ]; do sleep 0.02; done", root=root), root, wait_seconds=1))
    (root / "app/go").touch()
    assert (first.out, first.end) == (b"on\n", "running -")
    assert node.follow(follow(root)).end == "exit 0"


@pytest.mark.parametrize("status", [124, 137, 143])
def test_a_status_like_that_of_a_signal_is_the_programs_own(node: DurableNode, root: Path, status: int) -> None:
    assert node.follow(run(program(f"exit {status}", root=root), root)).end == f"exit {status}"


def test_closing_its_output_is_not_its_end(node: DurableNode, root: Path) -> None:
    text = "echo a; exec >&- 2>&-; sleep 0.3; echo done >file; exit 4"
    assert node.follow(run(program(text, root=root), root)).end == "exit 4"
    assert (root / "app/file").read_text() == "done\n"


def test_the_environment_arrives_and_is_in_no_file_and_no_argument(node: DurableNode, root: Path) -> None:
    secret = "s3cr3t-of-the-test"
    text = 'printf %s "$TOKEN"; until [ -e go ]; do sleep 0.02; done'
    environment = {"TOKEN": Secret(secret), "key": "x", "status": "y"}
    process = node.start(run(program(text, root=root, environment=environment), root))
    until(lambda: (folder_of(root) / "out").exists() and (folder_of(root) / "out").read_bytes() == secret.encode())
    arguments = [_arguments(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    files = [path for path in folder_of(root).iterdir() if path.name != "out" and secret.encode() in path.read_bytes()]
    (root / "app/go").touch()
    process.communicate()
    assert files == []
    assert [line for line in arguments if secret.encode() in line] == []


def _arguments(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def test_names_of_our_own_are_refused_in_the_environment(root: Path) -> None:
    with pytest.raises(ValueError, match="are ours"):
        run(program(":", root=root, environment={"bb_root": "x"}), root)


@pytest.mark.parametrize("key", ["", "../x", "a/b", "-x", "a" * 65, "a b", "a\n"])
def test_a_key_is_a_plain_name(key: str) -> None:
    with pytest.raises(UnsafePath):
        durable.collect(ProjectsRoot("/data"), key)


def test_the_work_holds_no_descriptor_of_ours(node: DurableNode, root: Path) -> None:
    followed = node.follow(run(program("ls /proc/$$/fd", root=root), root))
    # bash holds its script at 255; 3 is the folder that ls reads, where the shell becomes it.
    assert set(followed.out.split()) <= {b"0", b"1", b"2", b"3", b"255"}


# --- limits


def test_what_takes_too_long_is_stopped_with_all_that_it_started(node: DurableNode, root: Path) -> None:
    text = 'echo on; sleep 600 & (trap "" TERM; sleep 600) & setsid sleep 600 & sleep 600'
    command = program(text, root=root, seconds=1)
    followed = node.follow(run(command, root, limits=Limits(grace_seconds=1)))
    assert (followed.out, followed.end) == (b"on\n", "timeout -")
    assert survivors(root) == []


def test_what_keeps_the_output_open_ends_at_the_limit_with_the_status(node: DurableNode, root: Path) -> None:
    followed = node.follow(run(program("setsid sleep 600 & echo a; exit 5", root=root, seconds=1), root))
    assert (followed.out, followed.end) == (b"a\n", "timeout 5")


def test_a_daemon_that_lets_go_of_the_output_lives_on(node: DurableNode, root: Path) -> None:
    text = "sleep 600 </dev/null >/dev/null 2>&1 & echo $!"
    followed = node.follow(run(program(text, root=root), root))
    os.kill(int(followed.out), 0)
    assert followed.end == "exit 0"
    assert stop(node, root) == "gone"


def test_endless_output_is_cut_at_the_limit_and_its_source_ended(node: DurableNode, root: Path) -> None:
    limits = Limits(output_bytes=1024 * 1024, grace_seconds=1)
    text = 'trap "" PIPE; while :; do yes; done 2>/dev/null'
    followed = node.follow(run(program(text, root=root), root, limits=limits))
    assert followed.end == "output_limit -"
    assert followed.out == b"y\n" * (512 * 1024)
    assert survivors(root) == []


def test_exactly_the_limit_is_no_limit(node: DurableNode, root: Path) -> None:
    command = run(program("head -c 4096 /dev/zero", root=root), root, limits=Limits(output_bytes=4096))
    followed = node.follow(command)
    assert (len(followed.out), followed.end) == (4096, "exit 0")


BOMBS = (
    "echo on; while :; do sleep 600 & done",
    'echo on; bomb() { trap "" TERM; bomb & bomb & wait; sleep 600; }; bomb',
)
ACCOUNTS = itertools.count(300_000 + os.getpid() % 10_000 * 10)


@pytest.fixture
def account_root() -> Iterator[tuple[int, Path]]:
    """An account whose processes are counted apart from all others', and a projects root of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root may become another account")
    account = next(ACCOUNTS)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "projects"
        (root / "app").mkdir(parents=True, mode=0o755)
        for folder in (Path(name), root, root / "app"):
            os.chown(folder, account, account)
        yield account, root


@pytest.mark.parametrize(("shell", "bomb"), [("dash", BOMBS[0]), ("dash", BOMBS[1]), ("bash", BOMBS[0])])
def test_a_fork_bomb_is_ended_although_nothing_more_can_be_forked(
    account_root: tuple[int, Path], shell: str, bomb: str
) -> None:
    account, root = account_root
    limited = (
        "nice",
        "setpriv",
        f"--reuid={account}",
        f"--regid={account}",
        "--clear-groups",
        "prlimit",
        "--nproc=300",
    )
    node = DurableNode((*limited, shutil.which(shell) or "/bin/sh"), NODE_PATH)
    command = program(f"exec 2>/dev/null; {bomb}", root=root, seconds=2)
    assert start(node, command, root, Limits(grace_seconds=1)) == "started"
    until((folder_of(root) / "exit").exists)
    assert (folder_of(root) / "exit").read_text().startswith("timeout ")
    assert survivors(root) == []


# --- stop


def test_stop_ends_what_ignores_term_what_was_forked_and_what_has_left_the_session(
    node: DurableNode, root: Path
) -> None:
    text = """trap "" TERM; sleep 600 & setsid sh -c "sleep 600; :" & (env -i sleep 600; :) &
        echo on; while :; do sleep 1; done"""
    process = node.start(run(program(text, root=root), root))
    until(lambda: (folder_of(root) / "out").exists() and (folder_of(root) / "out").read_bytes())
    assert stop(node, root) == "gone"
    assert survivors(root) == []
    assert taken_apart(finish(process)).end == "cancelled 137"
    end(process)


def test_stop_lets_a_program_clean_up(node: DurableNode, root: Path) -> None:
    text = 'trap "echo bye; exit 0" TERM; echo on; while :; do sleep 0.05; done'
    process = node.start(run(program(text, root=root), root))
    until(lambda: (folder_of(root) / "out").exists() and (folder_of(root) / "out").read_bytes())
    assert stop(node, root, grace=10) == "gone"
    process.communicate()
    followed = node.follow(follow(root))
    assert (followed.out, followed.end) == (b"on\nbye\n", "cancelled 0")


def test_stop_of_what_never_was_is_gone(node: DurableNode, root: Path) -> None:
    assert stop(node, root) == "gone"
    assert not (root / ".bareboat").exists()


def test_stop_after_the_end_leaves_the_outcome(node: DurableNode, root: Path) -> None:
    node.follow(run(program("exit 9", root=root), root))
    assert stop(node, root) == "gone"
    assert node.follow(follow(root)).end == "exit 9"


def test_a_job_with_a_longer_key_is_another_job(node: DurableNode, root: Path) -> None:
    assert start(node, program("until [ -e go ]; do sleep 0.02; done", root=root), root) == "started"
    result = node.run(durable.stop(ProjectsRoot(str(root)), KEY[:-1], 1))
    other = node.run(durable.stop(ProjectsRoot(str(root)), KEY + "1", 1))
    (root / "app/go").touch()
    assert result.stdout == other.stdout == b"gone\n"
    assert node.follow(follow(root)).end == "exit 0"


# --- lost


def test_a_folder_without_identity_is_lost_and_never_runs(node: DurableNode, root: Path) -> None:
    folder_of(root).mkdir(parents=True, mode=0o700)
    assert node.follow(follow(root, patience_seconds=1)).end == "process_lost -"
    assert node.follow(run(program("echo ran", root=root), root, patience_seconds=1)).end == "process_lost -"


def test_no_folder_is_lost(node: DurableNode, root: Path) -> None:
    assert node.follow(follow(root)) == Followed("absent", b"", b"", "process_lost -")


def _identity(root: Path) -> list[str]:
    return (folder_of(root) / "pid").read_text().split()


def test_a_killed_guard_is_lost_and_what_it_watched_can_be_stopped(node: DurableNode, root: Path) -> None:
    start(node, program("echo on; sleep 600", root=root), root)
    until((folder_of(root) / "out").read_bytes)
    os.kill(int(_identity(root)[0]), signal.SIGKILL)
    assert node.follow(follow(root)) == Followed("attached", b"on\n", b"", "process_lost -")
    assert stop(node, root) == "gone"
    assert survivors(root) == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda pid, start, boot: f"{os.getpid()} {start} {boot}", id="reused pid"),
        pytest.param(lambda pid, start, boot: f"{pid} {int(start) - 1} {boot}", id="other start"),
        pytest.param(lambda pid, start, boot: f"{pid} {start} {boot[::-1]}", id="other boot"),
        pytest.param(lambda pid, start, boot: "", id="nothing"),
        pytest.param(lambda pid, start, boot: "x y z", id="nonsense"),
        pytest.param(lambda pid, start, boot: f"4194303 {start} {boot}", id="no such process"),
    ],
)
def test_another_process_with_the_number_is_not_mistaken(
    node: DurableNode, root: Path, change: Callable[[str, str, str], str]
) -> None:
    node.follow(run(program("echo a", root=root), root))
    (folder_of(root) / "exit").unlink()
    changed = change(*_identity(root)) + "\n"
    for name in ("pid", "work"):
        (folder_of(root) / name).write_text(changed)
    assert node.follow(follow(root)).end == "process_lost -"
    assert stop(node, root) == "gone"


# --- refused


def test_a_link_in_the_way_is_refused(node: DurableNode, root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere/jobs").mkdir(parents=True)
    (root / ".bareboat").symlink_to(tmp_path / "elsewhere")
    result = node.run(run(program("echo ran", root=root), root))
    assert (result.reason, result.status) == ("exit", 75)
    assert list((tmp_path / "elsewhere/jobs").iterdir()) == []


def test_a_missing_root_is_not_made(node: DurableNode, root: Path) -> None:
    command = replace(run(program("echo ran", root=root), root), place=Place(f"{root}/none"))
    assert node.run(command).reason == "root_missing"


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a tmpfs with these options."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    folder = tmp_path / "mounted"
    folder.mkdir()

    def mount(options: str) -> Path:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)
        (folder / "app").mkdir()
        return folder

    yield mount
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_is_refused_and_leaves_nothing(node: DurableNode, mounted: Callable[[str], Path]) -> None:
    root = mounted("size=256k,mode=755")
    fill(root)
    result = node.run(run(program("echo ran", root=root), root))
    assert (result.reason, result.status) == ("exit", 72), result.words
    assert list(root.glob(".bareboat/jobs/*")) == []


def test_no_inodes_are_refused(node: DurableNode, mounted: Callable[[str], Path]) -> None:
    root = mounted("nr_inodes=8,mode=755")
    result = node.run(run(program("echo ran", root=root), root))
    assert (result.reason, result.status) == ("exit", 72), result.words


def fill(root: Path) -> None:
    filled = subprocess.run(["dd", "if=/dev/zero", f"of={root}/filler", "bs=4096"], capture_output=True)
    assert filled.returncode == 1


def test_a_disk_that_fills_while_it_runs_is_the_outcome(node: DurableNode, mounted: Callable[[str], Path]) -> None:
    root = mounted("size=512k,mode=755")
    followed = node.follow(run(program("yes", root=root), root, limits=Limits(grace_seconds=1)))
    assert followed.end == "disk_full -"
    assert set(followed.out) <= set(b"y\n")


def test_the_end_is_told_on_a_full_disk(node: DurableNode, mounted: Callable[[str], Path]) -> None:
    root = mounted("size=512k,mode=755")
    text = "cat /dev/zero >filler 2>/dev/null; exit 6"
    assert node.follow(run(program(text, root=root), root)).end == "exit 6"


def test_a_read_only_root_is_refused(node: DurableNode, mounted: Callable[[str], Path]) -> None:
    root = mounted("size=512k,mode=755")
    subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
    result = node.run(run(program("echo ran", root=root), root))
    assert (result.reason, result.status) == ("exit", 71), result.words


def test_a_node_without_setsid_is_refused(node: DurableNode, root: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("timeout", "env", "pwd", "mkdir", "kill", "sleep", "printf", "cat", "ln", "mv"):
        (tools / name).symlink_to(shutil.which(name) or "/bin/true")
    result = DurableNode(node.shell, str(tools)).run(run(program("echo ran", root=root), root))
    assert (result.reason, result.status) == ("exit", 86)
    assert not (root / ".bareboat").exists()


# --- collect, orphans


def test_collect_removes_the_folder_of_what_has_ended_only(node: DurableNode, root: Path) -> None:
    start(node, program("until [ -e go ]; do sleep 0.02; done", root=root), root)
    until((folder_of(root) / "pid").exists)
    collect = durable.collect(ProjectsRoot(str(root)), KEY)
    assert node.run(collect).stdout == b"running\n"
    (root / "app/go").touch()
    node.follow(follow(root))
    assert [node.run(collect).stdout for _ in range(2)] == [b"removed\n", b"missing\n"]
    assert list((root / ".bareboat/jobs").iterdir()) == []


def test_collect_removes_what_a_killed_process_left_in_the_folder_for_temporary_things(
    node: DurableNode, root: Path
) -> None:
    start(node, program("exit 0", root=root), root)
    remains = root / ".bareboat" / "tmp" / KEY
    remains.mkdir(parents=True)
    other = root / ".bareboat" / "tmp" / "other"
    other.mkdir()
    node.follow(follow(root))
    assert node.run(durable.collect(ProjectsRoot(str(root)), KEY)).stdout == b"removed\n"
    assert (remains.exists(), other.exists()) == (False, True)


def test_collect_does_not_follow_links(node: DurableNode, root: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    folder_of(root).parent.mkdir(parents=True)
    folder_of(root).symlink_to(tmp_path / "precious")
    assert node.run(durable.collect(ProjectsRoot(str(root)), KEY)).status == 75
    assert (tmp_path / "precious/file").exists()


def test_orphans_are_listed_with_age_and_state(node: DurableNode, root: Path) -> None:
    node.follow(run(program(":", root=root), root))
    (folder_of(root).parent / "job-2").mkdir()
    os.utime(folder_of(root).parent / "job-2", (time.time() - 7200, time.time() - 7200))
    found = durable.parse_orphans(node.run(durable.orphans(ProjectsRoot(str(root)))).stdout)
    assert [(orphan.key, orphan.age_seconds // 3600, orphan.state) for orphan in found] == [
        (KEY, 0, "ended"),
        ("job-2", 2, "lost"),
    ]


def test_a_listing_that_lies_is_read_without_harm() -> None:
    lines = b"job-1 -5 running\n../x 1 lost\njob-2 1 dead\n\xff\n" + b"j" * 65 + b" 1 lost\n"
    assert durable.parse_orphans(lines) == (durable.Orphan(durable.JobKey("job-1"), 0, "running"),)


def test_no_program_uses_a_variable_that_a_command_could_have_exported() -> None:
    texts = (durable._START, durable._RUN, durable._FOLLOW, durable._STOP, durable._GUARD, durable._LAUNCH)
    assigned = {name for text in texts for name in re.findall(r"(?:^|[\s;({])([A-Za-z_]\w*)=", text)}
    assert {name for name in assigned if not name.startswith("bb_")} <= {"status", "BAREBOAT_JOB", *_OPTIONS_OF_DD}
