"""ThreadQueue: jobs run on APScheduler's thread pool in this process."""

import threading
from collections.abc import Callable

from apscheduler.schedulers.background import BackgroundScheduler

EXECUTOR = "jobs"


class ThreadQueue:
    """An id that is already waiting in the pool is not put there again, so a sweep may nudge freely."""

    def __init__(self, scheduler: BackgroundScheduler, run: Callable[[int], object]) -> None:
        self._scheduler = scheduler
        self._run = run
        self._waiting: set[int] = set()
        self._lock = threading.Lock()

    def nudge(self, job_id: int) -> None:
        with self._lock:
            if job_id in self._waiting:
                return
            self._waiting.add(job_id)
        # No misfire grace: a job that waits long for a thread is late, not missed.
        self._scheduler.add_job(self._deliver, args=[job_id], executor=EXECUTOR, misfire_grace_time=None)

    def _deliver(self, job_id: int) -> None:
        try:
            self._run(job_id)
        finally:
            with self._lock:
                self._waiting.discard(job_id)
