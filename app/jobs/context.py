"""JobContext: what a job's work may do: tell its progress, write its log, ask whether it is cancelled."""

import time
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select, update

from app.commands.notes import node_note
from app.db import db, release, unit_of_work, utcnow
from app.errors import LeaseLost
from app.jobs.journal import Journal
from app.models import Job, JobState

PROGRESS_SECONDS: Final = 0.1
CANCEL_CHECK_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class JobOrder:
    """What was asked for, without the row: ids cross threads, rows do not."""

    job_id: int
    key: str
    kind: str
    project_id: int | None
    project_name: str | None
    node_id: int | None
    params: dict[str, Any]
    requested_by: str
    attempt: int
    max_attempts: int
    is_attached: bool
    log_offset: int


class JobContext:
    """Used by the job's own thread only. Progress is written at most ten times a second, a new phase at once."""

    def __init__(self, order: JobOrder, owner: str, log_limit_bytes: int) -> None:
        self.order = order
        self._owner = owner
        self._journal = Journal(order.job_id, log_limit_bytes, owner)
        self._phase = ""
        self._progress_at = 0.0
        self._cancel_checked_at = 0.0
        self._cancelled = False
        self.has_process = order.is_attached
        self.was_refused = False  # the node let nobody in: nothing of this attempt is there, and nobody knocks again

    @property
    def key(self) -> str:
        """Names what this attempt makes on the node: whoever takes the job up finds it by this."""
        return self.order.key

    @property
    def note(self) -> str:
        order = self.order
        return node_note(utcnow(), order.key, order.kind, order.project_name, order.requested_by)

    @property
    def is_attached(self) -> bool:
        """Whether the process of this attempt is known to have been started on the node."""
        return self.order.is_attached

    @property
    def log_offset(self) -> int:
        """How much of the process's output an earlier runner of this attempt has put into the log."""
        return self.order.log_offset

    def progress(self, phase: str, percent: int | None = None, detail: str = "") -> None:
        """`phase` is a stable word, `percent` of the whole act, `detail` a few words for people."""
        now = time.monotonic()
        if phase == self._phase and now - self._progress_at < PROGRESS_SECONDS:
            return
        self._phase, self._progress_at = phase, now
        values = {"phase": phase, "percent": percent, "detail": detail[:255]}
        with unit_of_work() as session:
            session.execute(update(Job).where(*self._is_mine()).values(values))

    def log(self, data: bytes) -> None:
        self._journal.write(data)

    def attached(self) -> None:
        """The process is on the node: from now on its absence means that it was lost."""
        self.has_process = True
        with unit_of_work() as session:
            session.execute(update(Job).where(*self._is_mine()).values(is_attached=True))

    def taken(self, offset: int) -> None:
        """What the process wrote before this offset is in the log, as far as it belongs there."""
        self._journal.take(offset)

    def say(self, line: str) -> None:
        """A line of our own in the log."""
        self._journal.write(line.encode(errors="backslashreplace") + b"\n")

    def is_cancelled(self) -> bool:
        """Cheap enough to be asked in a loop; it also gets waiting log bytes written."""
        self._journal.flush_if_due()
        now = time.monotonic()
        if not self._cancelled and now - self._cancel_checked_at >= CANCEL_CHECK_SECONDS:
            self._cancel_checked_at = now
            row = db.session.execute(
                select(Job.cancel_requested_at, Job.owner).where(Job.id == self.order.job_id)
            ).one()
            release()
            if row.owner != self._owner:
                raise LeaseLost()
            self._cancelled = row.cancel_requested_at is not None
        return self._cancelled

    def came_to(self, result: dict[str, Any]) -> None:
        """What the job has come to beyond its state. What is stored stays, should the job be taken up again."""
        with unit_of_work() as session:
            self.add_result(session, result)

    def add_result(self, session: Any, result: dict[str, Any]) -> None:
        """The same, within the caller's transaction."""
        stored = session.scalar(select(Job.result).where(*self._is_mine())) or {}
        session.execute(update(Job).where(*self._is_mine()).values(result=result | stored))

    def settle_params(self, params: dict[str, Any]) -> None:
        """What was left open when the job was asked for, from now on for whoever takes it up."""
        with unit_of_work() as session:
            session.execute(update(Job).where(*self._is_mine()).values(params=params))

    def flush(self) -> None:
        self._journal.flush()

    def _is_mine(self) -> tuple[Any, ...]:
        return Job.id == self.order.job_id, Job.state == JobState.RUNNING, Job.owner == self._owner
