"""Schedules: an act on a project that comes due again and again; and each time that it came due."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, UtcDateTime
from app.models.columns import CreatedAt, Id, Name, Time, Words, state_column
from app.models.job import Job
from app.models.project import Project


class Overlap(StrEnum):
    """What happens when the project is busy at the due time."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"


class CatchUp(StrEnum):
    """What happens after a downtime with due times that were missed, however many."""

    SKIP = "skip"
    ONCE = "once"


class RunOutcome(StrEnum):
    """`waiting` becomes one of the others; `queued` has a job, which says how it went on."""

    WAITING = "waiting"
    QUEUED = "queued"
    SKIPPED_OVERLAP = "skipped_overlap"
    SKIPPED_MISSED = "skipped_missed"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class Schedule(Base):
    """`kind` and `params` are those of the job. `next_run_at` is empty while it is off, or never due again.
    `last_*` tell of the last time that it came due or was run by hand."""

    __tablename__ = "schedule"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(63), unique=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    cron: Mapped[str] = mapped_column(String(255))
    timezone: Mapped[str] = mapped_column(String(64))
    enabled: Mapped[bool] = mapped_column(default=True)
    overlap: Mapped[Overlap] = mapped_column(state_column(Overlap), default=Overlap.SKIP)
    catch_up: Mapped[CatchUp] = mapped_column(state_column(CatchUp), default=CatchUp.ONCE)
    next_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    last_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id", ondelete="SET NULL"), index=True)
    last_outcome: Mapped[RunOutcome | None] = mapped_column(state_column(RunOutcome))
    last_error_code: Mapped[str | None] = mapped_column(String(32))
    last_error_message: Mapped[Words | None]
    created_by: Mapped[Name]
    created_at: Mapped[CreatedAt]

    project: Mapped[Project] = relationship(lazy="joined")
    last_job: Mapped[Job | None] = relationship(lazy="joined")

    @property
    def last_error(self) -> dict[str, str | None] | None:
        return {"code": self.last_error_code, "message": self.last_error_message} if self.last_error_code else None


class ScheduledRun(Base):
    """One due time of a schedule: the unique constraint is why it runs once, however many schedulers there are."""

    __tablename__ = "scheduled_run"
    __table_args__ = (
        UniqueConstraint("schedule_id", "due_at"),
        Index("ix_scheduled_run_outcome", "outcome"),
        Index("ix_scheduled_run_created_at", "created_at"),
    )

    id: Mapped[Id]
    schedule_id: Mapped[int] = mapped_column(ForeignKey("schedule.id", ondelete="CASCADE"))
    due_at: Mapped[Time]
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id", ondelete="SET NULL"), index=True)
    outcome: Mapped[RunOutcome] = mapped_column(state_column(RunOutcome), default=RunOutcome.WAITING)
    error_code: Mapped[str | None] = mapped_column(String(32))
    error_message: Mapped[Words | None]
    created_at: Mapped[CreatedAt]

    schedule: Mapped[Schedule] = relationship()

    @property
    def error(self) -> dict[str, str | None] | None:
        return {"code": self.error_code, "message": self.error_message} if self.error_code else None
