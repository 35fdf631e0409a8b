"""Schedule: APScheduler ticks. It only ticks: rows in the database are the queue, so a missed tick loses nothing."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

from app.db import utcnow
from app.jobs.runner import Runner
from app.jobs.thread import EXECUTOR, ThreadQueue

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tick:
    """A function without arguments, called in an application context every so many seconds, never twice at once."""

    name: str
    seconds: float
    call: Callable[[], object]


class Schedule:
    """The scheduler of one process. `start` returns at once; `stop` waits for nothing."""

    def __init__(self, app: Flask, ticks: list[Tick]) -> None:
        self._app = app
        threads = ThreadPoolExecutor(app.config["JOB_THREADS"])
        self._scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(8), EXECUTOR: threads})
        self._runner: Runner | None = None
        self._queue: ThreadQueue | None = None
        for tick in ticks:
            self._add(tick)

    @property
    def is_running(self) -> bool:
        return bool(self._scheduler.running)

    def run_jobs(self, runner: Runner) -> ThreadQueue:
        """Run jobs in this process, too; before `start`. The answer is where its threads are woken."""
        config = self._app.config
        self._runner = runner
        self._queue = queue = ThreadQueue(self._scheduler, runner.run_next, config["JOB_THREADS"])
        self._add(Tick("leases", config["JOB_LEASE_SECONDS"] / 4, runner.renew_leases))
        self._add(Tick("sweep", config["JOB_SWEEP_SECONDS"], partial(_sweep, runner, queue)))
        return queue

    def start(self) -> None:
        if self._runner is not None:
            self._runner.abandon_dead()
        self._scheduler.start()

    def stop(self) -> None:
        if self._queue is not None:
            self._queue.close()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _add(self, tick: Tick) -> None:
        self._scheduler.add_job(
            self._call,
            "interval",
            args=[tick],
            id=tick.name,
            seconds=tick.seconds,
            next_run_time=utcnow(),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )

    def _call(self, tick: Tick) -> None:
        with self._app.app_context():
            try:
                tick.call()
            except Exception:
                logger.exception("tick %s failed; it is tried again in %s s", tick.name, tick.seconds)


def _sweep(runner: Runner, queue: ThreadQueue) -> None:
    """Wakes threads for what no nudge has reached: abandoned jobs, retries, jobs queued by other processes."""
    runner.fail_held()
    for _ in range(runner.count_claimable()):
        queue.nudge(0)
