"""`scheduler` and `runner`: parts of Bareboat as processes of their own, beside a web that runs neither."""

import resource
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import click
from flask import Flask

from app.cli.act import Act
from app.redaction import log_to_stderr
from app.services.runtime import this_app
from app.services.startup import ensure_servable

MIB: Final = 1024 * 1024
HELP: Final = {
    "scheduler": "Probe nodes, let schedules come due, clear away what is old. Runs no jobs. SIGTERM ends it.",
    "runner": "Run jobs, as many at a time as JOB_THREADS. SIGTERM ends it; what runs on nodes goes on.",
}


def process(name: str, start: Callable[[Flask], Any], stop: Callable[[Flask], None]) -> click.Command:
    """A command that starts this part, waits for SIGTERM or Ctrl-C, and stops it."""

    def serve() -> None:
        ensure_servable()
        app = this_app()
        log_to_stderr()
        if name == "runner":
            _limit_memory(app.config["RUNNER_MEMORY_MIB"])
        ended = _signals()
        start(app)
        click.echo(f"{name} is up", err=True)
        ended.wait()
        click.echo(f"{name} is stopping", err=True)
        stop(app)

    return Act(name, callback=serve, help=HELP[name])


def _signals() -> threading.Event:
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return ended


def _limit_memory(mib: int) -> None:
    """A node that finds a fault in the SSH library ends this process at the most; others take up its jobs."""
    if mib:
        limit = mib * MIB
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
