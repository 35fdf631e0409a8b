"""Runs: one act on many projects or nodes; each member becomes a job when its turn comes."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, UtcDateTime
from app.models.columns import CreatedAt, Id, Name, Words, state_column
from app.models.job import Job


class RunState(StrEnum):
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class MemberState(StrEnum):
    """The last five are the columns of the recap."""

    WAITING = "waiting"
    RUNNING = "running"
    OK = "ok"
    CHANGED = "changed"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    SKIPPED = "skipped"


RECAP: Final = (
    MemberState.OK,
    MemberState.CHANGED,
    MemberState.FAILED,
    MemberState.UNREACHABLE,
    MemberState.SKIPPED,
)
FAILURES: Final = frozenset({MemberState.FAILED, MemberState.UNREACHABLE})


class Run(Base):
    """`kind` and `params` are those of the jobs. At most `concurrency` jobs are under way at a time; after
    `max_failures` members that failed or were unreachable no further one is begun (None: never). `moved_at` is written
    by whoever moves the run on, so that two who do it wait for each other."""

    __tablename__ = "run"
    __table_args__ = (
        Index("ix_run_state_id", "state", "id"),
        Index("ix_run_kind_id", "kind", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    kind: Mapped[str] = mapped_column(String(32))
    params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    state: Mapped[RunState] = mapped_column(state_column(RunState), default=RunState.RUNNING)
    concurrency: Mapped[int]
    max_failures: Mapped[int | None]
    size: Mapped[int]
    retry_of_id: Mapped[int | None] = mapped_column(ForeignKey("run.id", ondelete="SET NULL"), index=True)
    requested_by: Mapped[Name]
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    moved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)

    @property
    def recap(self) -> dict[str, int]:
        """Members by state, as far as somebody has counted them (services.runs does, many runs at once)."""
        counted: dict[str, int] = getattr(self, "_recap", {})
        return counted

    @recap.setter
    def recap(self, counted: dict[str, int]) -> None:
        self._recap = counted

    @property
    def is_finished(self) -> bool:
        return self.state is not RunState.RUNNING


class RunMember(Base):
    """A project or a node of a run. Its names outlive the rows that they name. `error_*` say why no job was made, or
    how its job failed."""

    __tablename__ = "run_member"
    __table_args__ = (Index("ix_run_member_run_id_state", "run_id", "state"),)

    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id", ondelete="SET NULL"), index=True)
    project_name: Mapped[str | None] = mapped_column(String(63))
    node_id: Mapped[int | None] = mapped_column(ForeignKey("node.id", ondelete="SET NULL"), index=True)
    node_name: Mapped[str | None] = mapped_column(String(255))
    state: Mapped[MemberState] = mapped_column(state_column(MemberState), default=MemberState.WAITING)
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id", ondelete="SET NULL"), index=True)
    error_code: Mapped[str | None] = mapped_column(String(32))
    error_message: Mapped[Words | None]

    run: Mapped[Run] = relationship()
    job: Mapped[Job | None] = relationship()

    @property
    def error(self) -> dict[str, str | None] | None:
        return {"code": self.error_code, "message": self.error_message} if self.error_code else None
