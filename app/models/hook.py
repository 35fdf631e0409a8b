"""Hooks: how a forge says that something was pushed; what was heard, and what must not be heard twice."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, UtcDateTime
from app.models.columns import CreatedAt, Id, Name, Uid, Words, state_column
from app.models.project import Project
from app.models.project_set import ProjectSet


class ForgeKind(StrEnum):
    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"


class HookOutcome(StrEnum):
    """`queued` and `joined` have a job, or a run where the hook is a set's; `waiting` becomes one of them, or
    `refused`; the others ask for nothing."""

    QUEUED = "queued"
    JOINED = "joined"
    WAITING = "waiting"
    REFUSED = "refused"
    IGNORED = "ignored"
    UNSIGNED = "unsigned"
    REPLAYED = "replayed"
    UNREADABLE = "unreadable"


class Hook(Base):
    """Of a project, or of a whole project set: one of both. `token_hash` finds it by the token in the address; `uid`
    binds the sealed secret to this row. `branch` empty means the one that the project, or the set, is on.
    `pull_wanted_at`: a pull is asked for, and no job (or run) for it is stored yet. `concurrency` and `max_failures`
    are those of a set's runs, `run_id` is the last of them; all empty where it is a project's."""

    __tablename__ = "hook"
    __table_args__ = (
        CheckConstraint("(project_id IS NULL) <> (set_id IS NULL)", name="one_owner"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    uid: Mapped[Uid]
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), index=True)
    set_id: Mapped[int | None] = mapped_column(ForeignKey("project_set.id", ondelete="CASCADE"), index=True)
    forge: Mapped[ForgeKind] = mapped_column(state_column(ForgeKind))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    secret_sealed: Mapped[Words]
    branch: Mapped[str | None] = mapped_column(String(255))
    enabled: Mapped[bool] = mapped_column(default=True)
    concurrency: Mapped[int | None]
    max_failures: Mapped[int | None]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id", ondelete="SET NULL"), index=True)
    pull_wanted_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    last_delivery_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_outcome: Mapped[HookOutcome | None] = mapped_column(state_column(HookOutcome))
    created_by: Mapped[Name]
    created_at: Mapped[CreatedAt]

    project: Mapped[Project | None] = relationship(lazy="joined")
    project_set: Mapped[ProjectSet | None] = relationship(lazy="joined")

    @property
    def seal_purpose(self) -> str:
        return f"hook.secret:{self.uid}"


class HookSeen(Base):
    """A signed delivery, by its id or by its body's hash: the constraint is why a second one asks for nothing."""

    __tablename__ = "hook_seen"
    __table_args__ = (UniqueConstraint("hook_id", "key"), Index("ix_hook_seen_created_at", "created_at"))

    id: Mapped[Id]
    hook_id: Mapped[int] = mapped_column(ForeignKey("hook.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[CreatedAt]


class HookDelivery(Base):
    """One line of a hook's log; only the last ones are kept."""

    __tablename__ = "hook_delivery"
    __table_args__ = (Index("ix_hook_delivery_hook_id_id", "hook_id", "id"),)

    id: Mapped[Id]
    hook_id: Mapped[int] = mapped_column(ForeignKey("hook.id", ondelete="CASCADE"))
    address: Mapped[str | None] = mapped_column(String(64))
    event: Mapped[str | None] = mapped_column(String(64))
    branch: Mapped[str | None] = mapped_column(String(255))
    outcome: Mapped[HookOutcome] = mapped_column(state_column(HookOutcome))
    detail: Mapped[str | None] = mapped_column(String(512))
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id", ondelete="SET NULL"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[CreatedAt]
