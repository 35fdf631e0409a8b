"""kill -9 of the controller, and cancels, at moments that nobody chose; what was drawn stands in the failure's output.

`RANDOM_SEED=… pytest …` tries the same again; `RANDOM_SECONDS=12` spreads the ten kills over two minutes.
"""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.db import release
from app.models import Job, JobState
from app.services import jobs, project_commands, projects
from app.services.events import SYSTEM
from tests.support.controller_process import Controller, fresh, wait_until
from tests.support.forge import Forge, commit, git
from tests.support.live import Live
from tests.support.moments import MOMENTS, SECONDS, Moments
from tests.support.processes import survivors_with
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.ssh, pytest.mark.slow]

COUNTING = r"""
printf 'x\n' >>count
i=0
until [ -e enough ]; do
  i=$((i + 1))
  printf '%s \377\033[31m\r\n' "$i"
  sleep 0.02
done
printf 'no newline at the end'
printf '%s' "$i" >lines
exit 7
"""
WAYS = (
    "exec sleep 600",
    "trap '' TERM; while :; do sleep 1; done",
    "sleep 600 & sleep 600 & sh -c 'sleep 600 & wait'; wait",
    "setsid sh -c 'sleep 600 & wait' </dev/null >/dev/null 2>&1 & sleep 600",
    "setsid sleep 600 & exit 0",
)


@pytest.fixture
def slow_url(forge: Forge, make_proxy: Callable[..., Proxy]) -> tuple[str, Proxy]:
    """An address whose clone takes about as long as the moments do."""
    for number in range(4):
        commit(forge.work, f"big{number}", os.urandom(120_000).hex(), f"big {number}")
    git("push", "-q", "origin", "main", cwd=forge.work)
    proxy = make_proxy(forge.port, pace=MOMENTS * (1.0 + SECONDS / 2) / 140)
    return forge.url.replace(f":{forge.port}/", f":{proxy.port}/"), proxy


def ask(project_id: int, text: str) -> int:
    job_id = project_commands.request_command(project_id, {"argv": ["sh", "-c", text]}, SYSTEM).id
    release()
    return job_id


def test_a_clone_and_a_command_survive_kills_at_random_moments(
    live: Live,
    node_id: int,
    forge: Forge,
    slow_url: tuple[str, Proxy],
    controller: Controller,
    moments: Moments,
) -> None:
    url, proxy = slow_url
    project_id = live.clone(node_id, forge.url).project_id
    command_id = ask(project_id or 0, COUNTING)
    clone_id = projects.request_clone({"name": "slow", "git_url": url, "node_id": node_id}, SYSTEM).id
    release()
    controller.start()
    for number in moments:
        is_cloning = fresh(clone_id).state
        controller.end(signal.SIGKILL)
        print(f"kill {number + 1}: clone {is_cloning.value} {fresh(clone_id).percent} %, command {seen(command_id)}")
        controller.start()
    (live.root / "shop" / "enough").touch()
    wait_until(lambda: fresh(command_id).is_finished and fresh(clone_id).is_finished, 120)
    assert_counted_once(live, command_id)
    assert_cloned_once(live, clone_id, proxy)


def seen(job_id: int) -> str:
    job = fresh(job_id)
    return f"{job.state.value}, {job.log_offset} bytes"


def assert_counted_once(live: Live, job_id: int) -> None:
    job, tree = fresh(job_id), live.root / "shop"
    assert (job.state, job.error_code, job.exit_status) == (JobState.FAILED, "command_failed", 7), live.log(job)
    lines = int((tree / "lines").read_text())
    expected = b"".join(b"%d \xff\x1b[31m\r\n" % number for number in range(1, lines + 1)) + b"no newline at the end"
    assert output(job) == expected
    assert (tree / "count").read_text() == "x\n", "it ran once"


def output(job: Job) -> bytes:
    pieces: list[bytes] = []
    while piece := project_commands.read_output(job, sum(map(len, pieces))):
        pieces.append(piece)
    return b"".join(pieces)


def assert_cloned_once(live: Live, job_id: int, proxy: Proxy) -> None:
    job = fresh(job_id)
    log = jobs.read_job_log(job_id, 0)[0].decode()
    assert (job.state, job.attempt, job.error_code) == (JobState.SUCCEEDED, 1, None), log
    assert [log.count(line) for line in ("Cloning into", "Receiving objects: 100%")] == [1, 1], log
    assert proxy.connections == 1, "git ran once"
    assert git("status", "--porcelain", cwd=live.root / "slow") == ""


# --- cancels


@pytest.fixture
def eager(live: Live, tmp_path: Path) -> Iterator[Controller]:
    """A controller that runs all of the commands at once."""
    made = Controller(live, tmp_path, JOB_THREADS=MOMENTS, MAX_JOBS_PER_NODE=MOMENTS)
    made.start()
    yield made
    made.stop()


def test_after_cancels_at_random_moments_nothing_is_left_and_the_projects_are_usable(
    live: Live, node_id: int, forge: Forge, moments: Moments, eager: Controller
) -> None:
    same = {"git_url": forge.url, "node_id": node_id}
    clones = [projects.request_clone({"name": f"p{number}"} | same, SYSTEM) for number in range(MOMENTS)]
    asked = [(job.id, job.project_id or 0) for job in clones]
    wait_until(lambda: all(fresh(job_id).is_finished for job_id, _ in asked), 120)
    cancelled = []
    for number, (_, project_id) in enumerate(asked):
        job_id = ask(project_id, WAYS[number % len(WAYS)])
        moments.wait(1.5)  # some still wait then, some are starting, some run
        print(f"cancel {number + 1}: {fresh(job_id).state.value}, attached: {fresh(job_id).is_attached}")
        jobs.request_cancel(job_id, SYSTEM)
        release()
        cancelled.append(job_id)
    wait_until(lambda: all(fresh(job_id).is_finished for job_id in cancelled), 120)
    ends = {(fresh(job_id).state, fresh(job_id).error_code) for job_id in cancelled}
    assert ends == {(JobState.CANCELLED, "cancelled")}
    assert [pid for job_id in cancelled for pid in survivors_with(fresh(job_id).process_key)] == []
    again = [ask(project_id, "true") for _, project_id in asked]
    wait_until(lambda: all(fresh(job_id).is_finished for job_id in again), 120)
    assert {fresh(job_id).state for job_id in again} == {JobState.SUCCEEDED}
