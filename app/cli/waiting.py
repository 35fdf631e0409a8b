"""Waiting for a job: it is run in this process when nobody has claimed it, else followed, to its end."""

import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Final, Protocol

import click
from flask import Flask, current_app

from app.cli.act import actor
from app.cli.show import cell_text, in_the_way, told
from app.db import release
from app.errors import WrongState
from app.jobs.runner import Runner
from app.models import Job, JobState
from app.redaction import printable
from app.services import jobs
from app.services.runtime import runtime, this_app

_LOOK_SECONDS: Final = 0.2
_TAIL_LINES: Final = 20
_TAIL_BYTES: Final = 64 * 1024
_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells say it
_CLEANING_SECONDS: Final = 15.0
_PERCENT_STEP: Final = 10


def finish(job_id: int) -> None:
    """Returns when the job has SUCCEEDED; ends the command with status 1 when it ended otherwise.

    Ctrl-C asks the job to stop and goes on waiting for the proof; a second one leaves it to others.
    """
    job = follow(job_id, in_background(job_id), _Line(sys.stderr.isatty()))
    if job.state is JobState.SUCCEEDED:
        click.echo(f"{job.kind} {cell_text(job.project_name)} on {cell_text(job.node_name)}: done (job {job.id})")
        return
    tail = _tail(job_id)
    sentence, *details = told(job.error_message, job.error_code)
    news = in_the_way(job.error_details) if job.error_details else [line for line in details if line not in tail]
    click.echo("\n".join([*tail, f"Error: job {job.id} {job.state.value}: {sentence}", *news]), err=True)
    click.get_current_context().exit(1)


@dataclass(frozen=True, slots=True)
class Here:
    """The job's runner in this process, and the thread that it runs in."""

    runner: Runner
    thread: threading.Thread

    def end(self) -> None:
        """The job has ended; its remains are being cleared from the node. They may stay: the server clears hourly."""
        self.thread.join(_CLEANING_SECONDS)


def in_background(job_id: int) -> Here:
    """Have the job run by this process when nobody else has it."""
    runner = Runner(this_app(), runtime().registry)
    here = Here(runner, threading.Thread(target=run_to_the_end, args=[this_app(), runner, job_id], daemon=True))
    here.thread.start()
    return here


class Shown(Protocol):
    """What a person sees while waiting."""

    def show(self, job: Job) -> None: ...

    def end(self) -> None: ...


def every(seconds: float, runner: Runner) -> "_Every":
    """Its `tick`, called often, keeps the leases of what this runner has."""
    return _Every(seconds, runner)


def run_to_the_end(app: Flask, runner: Runner, job_id: int) -> None:
    """A job is let go while its node is away, and taken up again: here, or by a server's runner."""
    is_finished = False
    while not is_finished:
        if not runner.run(job_id):
            time.sleep(_LOOK_SECONDS)  # it is another process's, or waits for its node: what tells is the database
        with app.app_context():
            is_finished = jobs.get_job(job_id).is_finished


def log_text(job_id: int, *, timestamps: bool = False) -> str:
    """The whole log, harmless for a terminal."""
    if timestamps:
        return printable(jobs.read_timed_job_log(job_id))
    pieces: list[bytes] = []
    offset = 0
    while True:
        data, following = jobs.read_job_log(job_id, offset)
        if not data:
            return printable(b"".join(pieces))
        pieces.append(data)
        offset = following


@dataclass(slots=True)
class _Line:
    """Progress on stderr: one line that is rewritten on a terminal, else a line for each step worth one."""

    is_terminal: bool
    _shown: tuple[str | None, int] = (None, -1)
    _text: str = ""

    def show(self, job: Job) -> None:
        phase = job.phase or job.state.value.lower()
        step = (job.percent or 0) // (1 if self.is_terminal else _PERCENT_STEP)
        text = " ".join(f"{phase} {'' if job.percent is None else f'{job.percent}%'} {job.detail or ''}".split())
        if text == self._text or ((phase, step) == self._shown and not self.is_terminal):
            return
        self._shown, self._text = (phase, step), text
        safe = cell_text(text)[:78]
        click.echo(f"\r\x1b[K{safe}" if self.is_terminal else safe, err=True, nl=not self.is_terminal)

    def end(self) -> None:
        if self.is_terminal and self._text:
            click.echo("\r\x1b[K", err=True, nl=False)


def follow(job_id: int, here: Here, shown: Shown) -> Job:
    """To the job's end. Ctrl-C asks it to stop; a second one ends the command with status 130."""
    asked_to_stop = False
    leases = _Every(current_app.config["JOB_LEASE_SECONDS"] / 4, here.runner)
    while True:
        try:
            job = jobs.get_job(job_id)
            is_finished = job.is_finished  # looked at first: what is written later is shown with it
            shown.show(job)
            if is_finished:
                shown.end()
                release()
                here.end()
                return job
            release()
            leases.tick()
            time.sleep(_LOOK_SECONDS)
        except KeyboardInterrupt:
            shown.end()
            if asked_to_stop:
                click.echo(f"Left; the job goes on or is found later: job show {job_id}", err=True)
                click.get_current_context().exit(_INTERRUPTED)
            asked_to_stop = True
            _ask_to_stop(job_id)


@dataclass(slots=True)
class _Every:
    """Keeps our lease, as the scheduler does in a server."""

    seconds: float
    runner: Runner
    _due: float = field(default_factory=time.monotonic)

    def tick(self) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + self.seconds
            self.runner.renew_leases()


def _ask_to_stop(job_id: int) -> None:
    release()
    try:
        jobs.request_cancel(job_id, actor())
    except WrongState:  # it has just ended
        return
    click.echo("Stopping; waiting until nothing of it runs on the node. Ctrl-C again leaves.", err=True)


def _tail(job_id: int) -> list[str]:
    return [f"  {line}" for line in log_text(job_id)[-_TAIL_BYTES:].splitlines()[-_TAIL_LINES:]]
