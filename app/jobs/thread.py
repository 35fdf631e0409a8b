"""ThreadQueue: jobs run on APScheduler's thread pool in this process."""

import threading
from collections.abc import Callable
from typing import Final

from apscheduler.schedulers.background import BackgroundScheduler

EXECUTOR: Final = "jobs"


class ThreadQueue:
    """A nudge wakes a thread, if one is free, and that runs whatever may start until there is nothing more.

    So a queue of thousands costs no memory here, and the order is the table's. A nudge that comes while all threads are
    busy is remembered: none goes to sleep before it has looked once more.
    """

    def __init__(self, scheduler: BackgroundScheduler, run_next: Callable[[], bool], threads: int) -> None:
        self._scheduler = scheduler
        self._run_next = run_next
        self._threads = threads
        self._busy = 0
        self._is_nudged = False
        self._is_stopped = False
        self._lock = threading.Lock()

    def nudge(self, job_id: int) -> None:
        with self._lock:
            self._is_nudged = True
            if self._busy >= self._threads or self._is_stopped:
                return
            self._busy += 1
        # No misfire grace: a job that waits long for a thread is late, not missed.
        self._scheduler.add_job(self._drain, executor=EXECUTOR, misfire_grace_time=None)

    def close(self) -> None:
        """No further job is started."""
        self._is_stopped = True

    def _drain(self) -> None:
        try:
            self._run_until_none()
            while self._stays():
                self._run_until_none()
        except BaseException:
            with self._lock:
                self._busy -= 1
            raise

    def _run_until_none(self) -> None:
        while not self._is_stopped and self._run_next():
            pass

    def _stays(self) -> bool:
        """Whether somebody has nudged meanwhile; if not, this thread counts as free from the same moment on."""
        with self._lock:
            stays, self._is_nudged = self._is_nudged and not self._is_stopped, False
            self._busy -= not stays
            return stays
