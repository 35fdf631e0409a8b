"""The queue on APScheduler's threads: nothing is lost, nothing waits for a thread that is free."""

import threading
from collections import deque

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from app.jobs.thread import EXECUTOR, ThreadQueue


class Table:
    """Stands for the rows: `run_next` takes one."""

    def __init__(self, work: int) -> None:
        self.rows = deque(range(work))
        self.done: list[int] = []
        self.all_done = threading.Event()
        self.expected = work

    def run_next(self) -> bool:
        try:
            row = self.rows.popleft()
        except IndexError:
            return False
        self.done.append(row)
        if len(self.done) == self.expected:
            self.all_done.set()
        return True


def scheduler(threads: int) -> BackgroundScheduler:
    made = BackgroundScheduler(executors={EXECUTOR: ThreadPoolExecutor(threads)})
    made.start()
    return made


def end(ticking: BackgroundScheduler) -> None:
    """APScheduler must have forgotten the jobs that it has just handed out, or its shutdown stumbles over them."""
    while ticking.get_jobs():
        threading.Event().wait(0.01)
    ticking.shutdown()


def test_one_nudge_gets_everything_done() -> None:
    table, ticking = Table(500), scheduler(2)
    ThreadQueue(ticking, table.run_next, 2).nudge(1)
    assert table.all_done.wait(90)
    end(ticking)
    assert sorted(table.done) == list(range(500))


def test_two_nudges_get_two_jobs_run_side_by_side() -> None:
    meeting, jobs = threading.Barrier(2), deque([1, 2])
    met = threading.Event()

    def run_next() -> bool:
        if not jobs:
            return False
        jobs.popleft()
        meeting.wait(90)
        met.set()
        return True

    ticking = scheduler(2)
    queue = ThreadQueue(ticking, run_next, 2)
    queue.nudge(1)
    queue.nudge(2)
    assert met.wait(90)
    end(ticking)


def test_a_nudge_while_all_threads_are_busy_is_not_forgotten() -> None:
    busy, go_on, late_done = threading.Event(), threading.Event(), threading.Event()
    jobs = deque(["long"])

    def run_next() -> bool:
        if not jobs:
            return False
        if jobs.popleft() == "long":
            busy.set()
            go_on.wait(90)
            return False  # as if it had looked just before the late one came
        late_done.set()
        return True

    ticking = scheduler(1)
    queue = ThreadQueue(ticking, run_next, 1)
    queue.nudge(1)
    assert busy.wait(90)
    jobs.append("late")
    queue.nudge(2)
    go_on.set()
    assert late_done.wait(90)
    end(ticking)


def test_a_stopped_queue_starts_nothing() -> None:
    table, ticking = Table(5), scheduler(1)
    queue = ThreadQueue(ticking, table.run_next, 1)
    queue.close()
    queue.nudge(1)
    ticking.shutdown()
    assert table.done == []
