"""Commands of users, through services and a real sshd: literal arguments, inside the project, ended for good."""

import hashlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.commands import durable
from app.db import release
from app.errors import CommandNotAllowed, Invalid, UnsafePath
from app.models import Job, JobState, ProjectStatus
from app.services import jobs, project_commands, projects
from app.services.events import SYSTEM
from tests.support.controller_process import Controller, fresh, wait_until
from tests.support.forge import Forge, git
from tests.support.live import Live
from tests.support.processes import kill_all, processes_with, survivors_with

pytestmark = [pytest.mark.ssh]

PYTHON = Path(sys.executable).name
ECHO = "import json, sys; print(json.dumps(sys.argv[1:]))"


@dataclass
class Shop:
    """A project that is on its node."""

    live: Live
    project_id: int
    tree: Path

    def ask(self, *argv: str, **values: Any) -> Job:
        return project_commands.request_command(self.project_id, {"argv": argv, **values}, SYSTEM)

    def run(self, *argv: str, **values: Any) -> Job:
        return self.live.finish(self.ask(*argv, **values))

    def output(self, job: Job) -> bytes:
        """All of it, in the pieces in which it is read."""
        pieces: list[bytes] = []
        while piece := project_commands.read_output(job, sum(map(len, pieces))):
            pieces.append(piece)
        return b"".join(pieces)

    def log(self, job: Job) -> bytes:
        return jobs.read_job_log(job.id, 0, whole=True)[0]

    def script(self, name: str, text: str, mode: int = 0o755) -> str:
        (self.tree / name).write_text(text)
        (self.tree / name).chmod(mode)
        return f"./{name}"


@pytest.fixture
def shop(live: Live, node_id: int, forge: Forge) -> Shop:
    job = live.clone(node_id, forge.url)
    assert job.project_id is not None
    return Shop(live, job.project_id, live.root / "shop")


def outcome(job: Job) -> tuple[JobState, str | None, int | None]:
    return job.state, job.error_code, job.exit_status


def ended(status: int) -> tuple[JobState, str, int]:
    return JobState.FAILED, "command_failed", status


FINE = (JobState.SUCCEEDED, None, 0)
HOSTILE = [
    "$(reboot)",
    "`reboot`",
    "; rm -rf .",
    "a\nb\n",
    "\n",
    "\r\n",
    "-rf",
    "--",
    "-",
    "",
    " ",
    "\\'$(touch x)\\'",
    "!!",
    "%s%n",
    "*",
    "~",
    "&& reboot",
    "\u202eünïcödé 漢字 \U0001f6a2",
    "\x1b]0;title\x07\x01",
    "END 0123 exit 0",
    "A=b",
]


# --- words


def test_every_word_arrives_as_one_literal_argument(shop: Shop) -> None:
    job = shop.run("python3", "-c", ECHO, *HOSTILE)
    assert outcome(job) == FINE, shop.log(job)
    assert json.loads(shop.output(job)) == HOSTILE
    assert git("status", "--porcelain", cwd=shop.tree) == ""


@pytest.mark.parametrize("letter", ["x", "'", "\n", "漢"])
def test_a_word_of_a_hundred_kilobytes_arrives_whole(shop: Shop, letter: str) -> None:
    count = "import hashlib, sys; print(hashlib.sha256(sys.argv[1].encode()).hexdigest())"
    word = letter * ((100 * 1024 - len("python3" + "-c" + count)) // len(letter.encode()))
    job = shop.run("python3", "-c", count, word)
    assert shop.output(job).decode().strip() == hashlib.sha256(word.encode()).hexdigest(), shop.log(job)


def test_variables_arrive_whole_and_nothing_of_git_s_is_among_them(shop: Shop) -> None:
    given = {"A": "$(reboot)\n'\"", "_b1": "", "LONG": "y" * 32 * 1024, "status": "mine", "HOME": "/nowhere"}
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    job = shop.run("python3", "-c", show, env=given)
    seen = json.loads(shop.output(job))
    assert {name: seen[name] for name in given} == given
    assert [name for name in seen if name.startswith(("GIT_", "bb_", "BAREBOAT_CONFIG"))] == []


@pytest.mark.parametrize("status", [1, 2, 75, 124, 126, 127, 143, 255])
def test_an_exit_status_is_the_program_s_own_and_the_project_stays_active(shop: Shop, status: int) -> None:
    job = shop.run("sh", "-c", f"echo words; exit {status}")
    assert outcome(job) == ended(status)
    assert "words" in (job.error_message or "")
    assert projects.get_project(shop.project_id).status is ProjectStatus.ACTIVE


def test_a_program_that_is_not_there_ends_with_127_and_says_so(shop: Shop) -> None:
    job = shop.run("no-such-program")
    assert outcome(job) == ended(127)
    assert "no-such-program" in (job.error_message or "")


def test_a_program_inside_the_project_runs_from_its_folder(shop: Shop) -> None:
    (shop.tree / "sub").mkdir()
    shop.script("sub/-x y", "#!/bin/sh\npwd\n")
    assert shop.output(shop.run("sub/-x y")).decode() == f"{shop.tree}\n"
    assert shop.output(shop.run("./-x y", cwd="sub")).decode() == f"{shop.tree}/sub\n"
    assert shop.output(shop.run(f"{shop.tree}/sub/-x y")).decode() == f"{shop.tree}\n"


def test_a_program_may_be_a_link_as_in_a_virtual_environment(shop: Shop) -> None:
    (shop.tree / "python").symlink_to(sys.executable)
    assert shop.output(shop.run("./python", "-c", "print(1)")) == b"1\n"


def test_the_commit_and_the_command_are_recorded_before_the_output(shop: Shop) -> None:
    head = git("rev-parse", "HEAD", cwd=shop.tree)
    lines = shop.log(shop.run("echo", "a\nb", env={"X": "1"})).decode().splitlines()
    assert lines[0] == "project.command shop on node node, asked for by bareboat"
    assert lines[1].startswith(f"at {head} ")
    assert lines[2:] == ["$ echo 'a\\nb'", "a", "b"]


def test_a_tree_whose_configuration_is_foreign_still_runs_commands_without_asking_git(shop: Shop) -> None:
    git("config", "core.fsmonitor", "touch canary", cwd=shop.tree)
    job = shop.run("git", "config", "--unset", "core.fsmonitor")
    assert outcome(job) == FINE
    assert b"at no known commit: config_tampered\n" in shop.log(job)
    assert not (shop.tree / "canary").exists()


def test_a_command_for_a_commit_does_not_run_at_another(shop: Shop, forge: Forge) -> None:
    shown = project_commands.preview_command(shop.project_id, {"argv": ["touch", "ran"]})
    assert shown.head is not None
    assert (shown.path, shown.head.sha) == (str(shop.tree), git("rev-parse", "HEAD", cwd=shop.tree))
    git("checkout", "-q", "-b", "other", cwd=shop.tree)
    git("commit", "-q", "--allow-empty", "-m", "moved", cwd=shop.tree)
    moved = shop.run("touch", "ran", commit=shown.head.sha)
    assert outcome(moved) == (JobState.FAILED, "commit_moved", None)
    assert not (shop.tree / "ran").exists()
    assert outcome(shop.run("touch", "ran", commit=git("rev-parse", "HEAD", cwd=shop.tree))) == FINE


# --- places


@pytest.fixture
def outside(shop: Shop) -> Path:
    """A folder beside the projects root, with a canary, that a link in the project leads to."""
    folder = shop.live.root.parent / "outside"
    folder.mkdir()
    (folder / "canary").write_text("alive")
    (shop.tree / "out").symlink_to(folder)
    (shop.tree / "file").symlink_to(folder / "canary")
    (shop.tree / "dangling").symlink_to(folder / "new")
    return folder


def untouched(folder: Path) -> bool:
    return [(path.name, path.read_text()) for path in folder.iterdir()] == [("canary", "alive")]


def test_a_folder_that_a_link_leads_out_of_is_refused(shop: Shop, outside: Path) -> None:
    job = shop.run("rm", "-f", "canary", cwd="out")
    assert outcome(job)[:2] == (JobState.FAILED, "path_escape")
    assert untouched(outside)


def test_a_folder_that_is_not_there_is_refused(shop: Shop) -> None:
    assert outcome(shop.run("touch", "x", cwd="nowhere"))[:2] == (JobState.FAILED, "folder_missing")


@pytest.mark.parametrize(
    "word",
    ["{}/out", "{}/out/canary", "{}/out/new/deep", "{}/file", "{}/dangling", "--opt={}/out/canary", "if={}/file"],
)
def test_an_absolute_word_that_a_link_leads_out_of_is_refused_before_anything_runs(
    shop: Shop, outside: Path, word: str
) -> None:
    argv = ("sh", "-c", 'touch ran; : >"${1#*=}"', "sh", word.format(shop.tree))
    job = shop.run(*argv)
    assert outcome(job) == (JobState.FAILED, "path_escape", None), shop.log(job)
    assert "leads out of" in (job.error_message or "")
    assert not (shop.tree / "ran").exists()
    assert untouched(outside)


def test_a_program_in_a_folder_that_a_link_leads_out_of_is_refused(shop: Shop, outside: Path) -> None:
    (outside / "canary").chmod(0o755)
    for program in ("out/canary", f"{shop.tree}/out/canary"):
        assert outcome(shop.run(program))[:2] == (JobState.FAILED, "path_escape")


def test_absolute_words_inside_the_project_are_taken(shop: Shop) -> None:
    words = [str(shop.tree), f"{shop.tree}/README", f"{shop.tree}/new/deep", f"--file={shop.tree}/x", f"{shop.tree}/"]
    assert json.loads(shop.output(shop.run("python3", "-c", ECHO, *words))) == words


@pytest.mark.parametrize("word", ["/etc/passwd", "../x", "--opt=/etc/x", "a/../../x", "--o=../x", "{}-other/x", "//"])
def test_what_shows_itself_as_outside_is_refused_before_anything_is_stored(shop: Shop, word: str) -> None:
    with pytest.raises(UnsafePath) as caught:
        shop.ask("cat", word.format(shop.tree))
    assert list(caught.value.errors) == ["argv"]
    assert jobs.find_job_under_way(shop.project_id) is None


def test_only_allowed_programs_run_also_when_that_was_changed_since(shop: Shop) -> None:
    config = shop.live.app.config
    job = shop.ask("touch", "ran")
    config["ALLOWED_COMMANDS"] = ("git", "./bin/test")
    with pytest.raises(CommandNotAllowed, match=r"git, \./bin/test"):
        shop.ask("touch", "ran2")
    assert outcome(shop.live.finish(job)) == (JobState.FAILED, "command_not_allowed", None)
    assert outcome(shop.run("git", "--version")) == FINE
    assert not (shop.tree / "ran").exists()


def test_no_command_may_take_longer_than_the_installation_allows(shop: Shop) -> None:
    with pytest.raises(Invalid, match="1 to 3600 seconds"):
        shop.ask("true", timeout_seconds=3601)


# --- output


def test_bytes_that_are_no_text_are_stored_as_they_came(shop: Shop) -> None:
    data = bytes(range(256)) * 64
    (shop.tree / "data").write_bytes(data)
    job = shop.run("cat", "data")
    assert shop.output(job) == data
    assert outcome(job) == FINE


def test_both_streams_come_in_the_order_of_writing(shop: Shop) -> None:
    job = shop.run("sh", "-c", "for i in 1 2 3; do echo out $i; echo err $i >&2; done; printf end")
    assert shop.output(job) == b"out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\nend"


def test_of_a_program_that_a_signal_ends_only_its_own_words_are_kept(shop: Shop) -> None:
    job = shop.run("sh", "-c", "printf said; kill -SEGV $$")
    assert (outcome(job), shop.output(job)) == (ended(139), b"said")


def test_what_reads_its_input_finds_nothing(shop: Shop) -> None:
    assert shop.output(shop.run("wc", "-c")).strip() == b"0"


def test_a_command_that_closes_its_output_goes_on(shop: Shop) -> None:
    job = shop.run("sh", "-c", "echo said; exec >&- 2>&-; sleep 0.5; : >done; exit 3")
    assert outcome(job) == ended(3)
    assert (shop.output(job), (shop.tree / "done").exists()) == (b"said\n", True)


def test_a_command_that_is_silent_for_long_is_followed_to_its_end(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """For longer than one look of ours at it may take."""
    monkeypatch.setattr(durable, "WAIT_SECONDS", 1)
    job = shop.run("sh", "-c", "sleep 3.5; echo late")
    assert (outcome(job), shop.output(job)) == (FINE, b"late\n")


def test_a_hundred_megabytes_end_at_the_limit_with_bounded_memory(shop: Shop) -> None:
    shop.live.app.config["JOB_LOG_LIMIT_BYTES"] = 1024 * 1024
    before = rss()
    job = shop.run("sh", "-c", "head -c 104857600 /dev/zero; echo done >done")
    assert outcome(job)[:2] == (JobState.FAILED, "output_limit")
    assert len(shop.output(job)) == project_commands.output_limit()
    assert b"[the log ends here" not in shop.log(job)
    assert rss() - before < 60 * 1024 * 1024
    assert survivors_with(job.process_key) == []


def rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# --- ends


@pytest.fixture
def runs(shop: Shop) -> Iterator[Callable[[Job], threading.Thread]]:
    """Have a job run in a thread, as a server does."""
    started: list[threading.Thread] = []

    def start(job: Job) -> threading.Thread:
        release()
        started.append(threading.Thread(target=_deliver, args=(shop.live,)))
        started[-1].start()
        return started[-1]

    yield start
    for thread in started:
        thread.join(60)


def _deliver(live: Live) -> None:
    from app.jobs.runner import Runner

    live.runtime.queue.deliver(Runner(live.app, live.runtime.registry).run)  # type: ignore[attr-defined]


STUBBORN = {
    "ignores-term": "trap '' TERM; : >up; while :; do sleep 1; done",
    "has-forked": "sleep 600 & sleep 600 & sh -c 'sleep 600 & : >up; wait'; wait",
    "has-a-daemon": "setsid sh -c 'sleep 600 & : >up; wait' </dev/null >/dev/null 2>&1 & sleep 600",
    "daemon-holds-output": "setsid sleep 600 & : >up; exit 0",
}


@pytest.mark.parametrize("way", STUBBORN)
def test_after_a_cancel_nothing_of_it_is_left(
    shop: Shop, runs: Callable[[Job], threading.Thread], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = shop.ask("sh", "-c", STUBBORN[way])
    job_id = job.id
    thread = runs(job)
    wait_until((shop.tree / "up").exists)
    jobs.request_cancel(job_id, SYSTEM)
    release()
    thread.join(60)
    job = fresh(job_id)
    assert (job.state, job.error_code) == (JobState.CANCELLED, "cancelled"), shop.log(job)
    assert survivors_with(job.process_key) == []
    assert outcome(shop.run("true")) == FINE, "the project is usable"


@pytest.mark.parametrize("way", ["ignores-term", "daemon-holds-output"])
def test_a_command_that_takes_too_long_is_ended_for_good(shop: Shop, way: str) -> None:
    job = shop.run("sh", "-c", STUBBORN[way], timeout_seconds=2)
    assert (job.state, job.error_code) == (JobState.TIMED_OUT, "timed_out")
    assert survivors_with(job.process_key) == []
    assert projects.get_project(shop.project_id).status is ProjectStatus.ACTIVE


def test_a_process_that_is_gone_without_an_outcome_is_lost_and_not_run_again(
    shop: Shop, runs: Callable[[Job], threading.Thread]
) -> None:
    job = shop.ask("sh", "-c", "echo x >>count; : >up; sleep 600")
    job_id = job.id
    thread = runs(job)
    wait_until(lambda: fresh(job_id).is_finished or ((shop.tree / "up").exists() and fresh(job_id).is_attached))
    assert not fresh(job_id).is_finished, shop.log(fresh(job_id))
    kill_all(processes_with(fresh(job_id).process_key))
    thread.join(60)
    assert (fresh(job_id).state, fresh(job_id).error_code) == (JobState.FAILED, "process_lost")
    assert (shop.tree / "count").read_text() == "x\n"


# --- the controller's death

STAGES = 4
COUNTING = r"""
printf 'x\n' >>count
for stage in 1 2 3 4; do
  for i in 1 2 3 4 5 6 7 8; do printf '%s.%s \377\033[31m\r\n' "$stage" "$i"; done
  until [ -e "go$stage" ]; do sleep 0.05; done
done
printf 'no newline at the end'
exit 7
"""


def counted(stages: int) -> bytes:
    pairs = [(stage, number) for stage in range(1, stages + 1) for number in range(1, 9)]
    return b"".join(b"%d.%d \xff\x1b[31m\r\n" % pair for pair in pairs)


@pytest.mark.slow
def test_a_command_survives_the_death_of_the_controller_byte_for_byte(shop: Shop, controller: Controller) -> None:
    """Killed once, after a byte of each kind has been stored; at random moments: test_random_moments.py."""
    job_id = shop.ask("sh", "-c", COUNTING).id
    release()
    controller.start()
    size = len(counted(1)) - 1  # a last newline is held back: an END line may follow it
    wait_until(lambda: fresh(job_id).log_offset >= size)
    controller.end(signal.SIGKILL)
    for stage in range(1, STAGES + 1):
        (shop.tree / f"go{stage}").touch()
    controller.start()
    wait_until(lambda: fresh(job_id).is_finished)
    job = fresh(job_id)
    assert outcome(job) == ended(7), shop.log(job)
    assert shop.output(job) == counted(STAGES) + b"no newline at the end"
    assert shop.log(job).count(b"project.command shop") == 1
    assert (shop.tree / "count").read_text() == "x\n", "it ran once"
