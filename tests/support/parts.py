"""Parts of Bareboat as processes of their own, as an admin starts them: `flask --app wsgi runner` and `… scheduler`,
and all of it in one, `gunicorn wsgi:app`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from app.config import CHECKOUT


class Part:
    """`name` is the command of flask, or `gunicorn`. What it says goes to a file; `output` reads it."""

    def __init__(self, name: str, settings: Mapping[str, object], folder: Path) -> None:
        flask, gunicorn = ["flask", "--app", "wsgi", name], ["gunicorn", "--bind", "127.0.0.1:0", "wsgi:app"]
        self._argv = [sys.executable, "-m", *(gunicorn if name == "gunicorn" else flask)]
        self._environment = {key: value for key, value in os.environ.items() if not key.startswith("BAREBOAT_")}
        self._environment |= {f"BAREBOAT_{key}": json.dumps(value) for key, value in settings.items()}
        self._environment["BAREBOAT_INSTANCE_PATH"] = str(folder)
        self._log = folder / "log"
        folder.mkdir()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(self._argv, cwd=CHECKOUT, env=self._environment, stdout=log, stderr=log)

    @property
    def output(self) -> str:
        return self._log.read_text()

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.output
        return "is up" in self.output

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def start_part(tmp_path: Path) -> Iterator[Callable[..., Part]]:
    """`start_part("runner", settings)`; what still runs at the end of the test is killed."""
    started: list[Part] = []

    def start(name: str, settings: Mapping[str, object]) -> Part:
        started.append(Part(name, settings, tmp_path / f"part-{len(started)}"))
        return started[-1]

    yield start
    for part in started:
        if part.process.poll() is None:
            part.end(signal.SIGKILL)
