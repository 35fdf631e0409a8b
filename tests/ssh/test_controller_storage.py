"""The database is locked, or the controller's disk is full, in the middle of a job: no job says what is not true.

`DATABASE_LOCK_SECONDS=10 pytest …` locks it for longer.
"""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from app.models import JobState
from app.services import project_commands, projects
from app.services.events import SYSTEM
from tests.support.controller_process import Controller, fresh, wait_until
from tests.support.databases import only_on_sqlite
from tests.support.forge import Forge
from tests.support.live import Live, living
from tests.support.moments import pause

pytestmark = [pytest.mark.ssh, pytest.mark.slow, only_on_sqlite]

LOCK_SECONDS = float(os.environ.get("DATABASE_LOCK_SECONDS", "3"))
PRINTING = r"""
printf 'x\n' >>count
i=0
until [ -e enough ] && [ $i -ge 100 ]; do
  i=$((i + 1))
  printf 'line %s of many, long enough to matter\n' "$i"
  sleep 0.02
done
printf '%s' "$i" >lines
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system for the database alone."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def live(make_app: Callable[..., Flask], tmp_path: Path, disk: Path) -> Iterator[Live]:
    yield from living(make_app(disk, **Live.SETTINGS), tmp_path)


@pytest.fixture
def controller(live: Live, tmp_path: Path) -> Iterator[Controller]:
    """Its leases are short, so that what it had to leave is taken up soon."""
    made = Controller(live, tmp_path, JOB_LEASE_SECONDS=4)
    yield made
    made.stop()


@pytest.fixture
def printing(live: Live, node_id: int, forge: Forge, controller: Controller) -> int:
    """The id of a job that prints, in the middle of it."""
    project_id = live.clone(node_id, forge.url).project_id
    job = project_commands.request_command(project_id or 0, {"argv": ["sh", "-c", PRINTING]}, SYSTEM)
    job_id = job.id
    controller.start()
    wait_until(lambda: fresh(job_id).log_offset > 100)
    return job_id


def assert_printed_once(live: Live, job_id: int) -> None:
    tree, job = live.root / "shop", fresh(job_id)
    assert (job.state, job.error_code) == (JobState.SUCCEEDED, None), live.log(job)
    numbers = range(1, int((tree / "lines").read_text()) + 1)
    expected = "".join(f"line {number} of many, long enough to matter\n" for number in numbers)
    assert project_commands.read_output(job, 0).decode() == expected
    assert (tree / "count").read_text() == "x\n", "it ran once"
    assert projects.get_project(job.project_id or 0).status == "ACTIVE"


def test_a_database_that_is_locked_while_a_job_runs_and_ends_costs_nothing(
    live: Live, disk: Path, printing: int
) -> None:
    with closing(sqlite3.connect(disk / "test.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        (live.root / "shop" / "enough").touch()
        wait_until((live.root / "shop" / "lines").exists)
        pause(LOCK_SECONDS)  # how long it is locked is what is tried
        assert fresh(printing).state is JobState.RUNNING
        other.execute("COMMIT")
    wait_until(lambda: fresh(printing).is_finished, 120)
    assert_printed_once(live, printing)


def test_a_full_disk_of_the_controller_keeps_the_outcome_on_the_node_until_there_is_room(
    live: Live, disk: Path, printing: int, controller: Controller
) -> None:
    fill(disk / "filler")
    (live.root / "shop" / "enough").touch()
    wait_until((live.root / "shop" / "lines").exists)
    wait_until(lambda: "is left for later" in controller.log)
    assert fresh(printing).state is JobState.RUNNING
    (disk / "filler").unlink()
    wait_until(lambda: fresh(printing).is_finished, 120)
    assert_printed_once(live, printing)


def fill(path: Path) -> None:
    """To the last byte."""
    with path.open("wb", buffering=0) as filler:
        for size in (65536, 4096, 1):
            try:
                while True:
                    filler.write(b"\0" * size)
            except OSError:
                continue
