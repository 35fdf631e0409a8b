"""Queue: how a job's id reaches a runner. It may be lost or delivered twice; the table decides."""

from collections.abc import Callable
from typing import Protocol


class Queue(Protocol):
    """`nudge` is called after the job's row is committed."""

    def nudge(self, job_id: int) -> None:
        """Somebody should run this job soon."""

    def close(self) -> None:
        """This process nudges no more; calling it again does nothing."""


class SweptQueue:
    """For processes that run no jobs (a command, an extra web process): a runner's sweep finds the row."""

    def nudge(self, job_id: int) -> None:
        """The row is enough."""

    def close(self) -> None:
        """There is nothing to close."""


class HeldQueue:
    """Keeps the ids until it is told to deliver them: for tests and dry runs."""

    def __init__(self) -> None:
        self.held: list[int] = []

    def nudge(self, job_id: int) -> None:
        self.held.append(job_id)

    def deliver(self, run: Callable[[int], object]) -> None:
        """Run all that is held, in order, in the caller's thread."""
        while self.held:
            run(self.held.pop(0))

    def close(self) -> None:
        """What is held stays."""
