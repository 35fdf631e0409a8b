"""A clone of a large repository can be watched: its progress moves all the time."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.db import db
from app.models import Job, JobState
from tests.support.forge import Forge
from tests.support.live import Live

pytestmark = [pytest.mark.ssh, pytest.mark.slow]

FILES = COMMITS = 10_000
FEWEST_MOVES = 5  # more than four a second, of a clone that takes about one


def test_the_progress_of_a_large_clone_moves_all_the_time(live: Live, node_id: int, forge: Forge) -> None:
    """Ten thousand commits, each with a file of its own. A fast machine needs less than a second for them, so moves are
    counted and not timed; a slow one makes more of them."""
    fill(forge.bare)
    with Watcher(live.app) as watcher:
        job = live.clone(node_id, forge.url)
    assert job.state is JobState.SUCCEEDED, live.log(job)
    assert len(list((live.root / "shop").glob("dir*/file*"))) == FILES
    assert len(watcher.moves) >= FEWEST_MOVES, watcher.moves
    percents = [percent for _, percent in watcher.moves if percent is not None]
    assert percents == sorted(percents), "it never goes back"


class Watcher:
    """Reads the job's row as pages do, again and again; `moves` are the different phases and percents it has seen."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.moves: list[tuple[str, int | None]] = []

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        with self._app.app_context():
            while not self._over.wait(0.01):
                db.session.rollback()
                row = db.session.query(Job.phase, Job.percent).filter(Job.state == JobState.RUNNING).first()
                if row is not None and row.phase and (not self.moves or self.moves[-1] != tuple(row)):
                    self.moves.append((row.phase, row.percent))


def fill(bare: Path) -> None:
    subprocess.run(["git", "fast-import", "--quiet", "--force"], cwd=bare, input=b"".join(history()), check=True)


def history() -> Iterator[bytes]:
    """As git-fast-import(1) reads it."""
    for number in range(1, COMMITS + 1):
        text = b"file %d\n" % number * 20
        yield b"blob\nmark :%d\ndata %d\n%s\n" % (number, len(text), text)
    for number in range(1, COMMITS + 1):
        yield b"commit refs/heads/main\nmark :%d\ncommitter dev <dev@example.org> %d +0000\ndata 0\n" % (
            COMMITS + number,
            1_700_000_000 + number,
        )
        yield b"from :%d\n" % (COMMITS + number - 1) if number > 1 else b""
        yield b"M 100644 :%d dir%d/file%d\n\n" % (number, number // 100, number)
