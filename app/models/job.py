"""Jobs and their logs. The table is the queue; every transition is a guarded update."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, UtcDateTime, utcnow
from app.models.columns import CreatedAt, Id, Name, Uid, Words, state_column
from app.models.node import Node, NodeStatus
from app.models.project import Project


class JobState(StrEnum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


CHANGING_STATES: Final = frozenset({JobState.QUEUED, JobState.RUNNING})
FINAL_STATES: Final = frozenset(JobState) - CHANGING_STATES
# Reasons for which a node is not spoken to until an admin has acted: its jobs wait for that.
QUARANTINES: Final = frozenset({"host_key_mismatch", "host_key_unpinned", "auth_failed"})
# As words, not as values, so that SQLite sees that the partial index below answers it.
UNDER_WAY: Final = text("state IN ('QUEUED', 'RUNNING') AND project_id IS NOT NULL")


class Job(Base):
    """The partial unique index is the lock: one job under way per project.

    `project_name` and `node_name` outlive the rows they name. `owner` and `lease_expires_at` say which runner has it; a
    RUNNING job whose lease is over goes on on its node, and is taken up by the next runner. `run_after` is when a next
    attempt may start. `is_attached`: this attempt's process is known to be on the node; `log_offset`: how much of what
    it wrote is in our log already. `uid` keeps its process apart from those of other installations on the same node.
    `result` is what it came to beyond its state: `changed`, and of a playbook its `steps`.
    """

    __tablename__ = "job"
    __table_args__ = (
        Index(
            "uq_job_project_id_under_way",
            "project_id",
            unique=True,
            sqlite_where=UNDER_WAY,
            postgresql_where=UNDER_WAY,
        ),
        Index("ix_job_state_id", "state", "id"),
        Index("ix_job_project_id_id", "project_id", "id"),
        Index("ix_job_node_id_id", "node_id", "id"),
        Index("ix_job_kind_id", "kind", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    uid: Mapped[Uid]
    kind: Mapped[str] = mapped_column(String(32))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id", ondelete="SET NULL"))
    project_name: Mapped[str | None] = mapped_column(String(63))
    node_id: Mapped[int | None] = mapped_column(ForeignKey("node.id", ondelete="SET NULL"))
    node_name: Mapped[str | None] = mapped_column(String(255))
    params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    state: Mapped[JobState] = mapped_column(state_column(JobState), default=JobState.QUEUED)
    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=1)
    phase: Mapped[str | None] = mapped_column(String(32))
    percent: Mapped[int | None]
    detail: Mapped[str | None] = mapped_column(String(255))
    exit_status: Mapped[int | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    error_code: Mapped[str | None] = mapped_column(String(32))
    error_message: Mapped[Words | None]
    error_details: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    requested_by: Mapped[Name]
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    owner: Mapped[str | None] = mapped_column(String(64))
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    run_after: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_attached: Mapped[bool] = mapped_column(default=False)
    log_offset: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[CreatedAt] = mapped_column(index=True)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)

    project: Mapped[Project | None] = relationship()
    node: Mapped[Node | None] = relationship()

    @property
    def process_key(self) -> str:
        """Names what the present attempt makes on the node."""
        return f"job-{self.id}-{self.attempt}-{self.uid[:8]}"

    @property
    def progress(self) -> dict[str, Any]:
        return {"phase": self.phase, "percent": self.percent, "detail": self.detail}

    @property
    def error(self) -> dict[str, Any] | None:
        if not self.error_code:
            return None
        said = {"code": self.error_code, "message": self.error_message}
        return said | {"details": self.error_details} if self.error_details else said

    @property
    def waiting_for(self) -> str | None:
        """Why nobody works on it: its node is away (`node_offline`) or waits for an admin (one of QUARANTINES), `retry`
        (see `run_after`), or `runner`; None when somebody does, or nothing is left to do."""
        if self.is_finished or self.owner:
            return None
        if self.is_node_away and self.node is not None:
            reason = self.node.status_reason
            return reason if reason in QUARANTINES else "node_offline"
        return "retry" if self.run_after and self.run_after > utcnow() else "runner"

    @property
    def is_node_away(self) -> bool:
        """Its node cannot, or must not, be spoken to."""
        return self.node is not None and self.node.status is NodeStatus.OFFLINE

    @property
    def is_finished(self) -> bool:
        return self.state in FINAL_STATES


class JobLogChunk(Base):
    """A piece of a job's log: `data` stands at `start_offset` of the whole, in bytes."""

    __tablename__ = "job_log_chunk"
    __table_args__ = (UniqueConstraint("job_id", "start_offset"),)

    id: Mapped[Id]
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    start_offset: Mapped[int]
    data: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]
