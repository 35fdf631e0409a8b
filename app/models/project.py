"""Projects: a git working tree in a node's projects root."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, UtcDateTime
from app.models.columns import CreatedAt, Id, Words, state_column
from app.models.credential import GitCredential
from app.models.node import Node
from app.models.project_set import ProjectSet


class ProjectStatus(StrEnum):
    PENDING = "PENDING"
    SYNCING = "SYNCING"
    ACTIVE = "ACTIVE"
    ERROR = "ERROR"
    DELETING = "DELETING"


class Project(Base):
    """`name_folded` makes names unique per node, upper and lower case alike. `cloned_at` is empty until the files are
    on the node: an ERROR without it is a failed clone, which may be tried again. `branch` empty means the default.
    `allow_own_playbooks`: those in its `.bareboat` may be run. `set_id`: the project set that it is a member of.
    `ahead`: commits that its upstream has not, as of the last pull; empty: nobody has looked since it moved."""

    __tablename__ = "project"
    __table_args__ = (
        Index("uq_project_node_id_name_folded", "node_id", "name_folded", unique=True),
        Index("ix_project_name_folded", "name_folded"),
        Index("ix_project_status_name_folded", "status", "name_folded"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(63))
    name_folded: Mapped[str] = mapped_column(String(63))
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id", ondelete="RESTRICT"))
    git_url: Mapped[str] = mapped_column(String(2048))
    branch: Mapped[str | None] = mapped_column(String(255))
    depth: Mapped[int | None]
    submodules: Mapped[bool] = mapped_column(default=False)
    git_credential_id: Mapped[int | None] = mapped_column(
        ForeignKey("git_credential.id", ondelete="RESTRICT"), index=True
    )
    allow_own_playbooks: Mapped[bool] = mapped_column(default=False, server_default=false())
    set_id: Mapped[int | None] = mapped_column(ForeignKey("project_set.id", ondelete="SET NULL"), index=True)
    status: Mapped[ProjectStatus] = mapped_column(state_column(ProjectStatus), default=ProjectStatus.PENDING)
    error_code: Mapped[str | None] = mapped_column(String(32))
    error_message: Mapped[Words | None]
    head: Mapped[str | None] = mapped_column(String(64))
    head_subject: Mapped[str | None] = mapped_column(String(512))
    ahead: Mapped[int | None]
    cloned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_synced_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    created_at: Mapped[CreatedAt] = mapped_column(index=True)

    node: Mapped[Node] = relationship(lazy="joined")
    git_credential: Mapped[GitCredential | None] = relationship()
    project_set: Mapped[ProjectSet | None] = relationship()

    @property
    def path(self) -> str:
        return f"{self.node.projects_root}/{self.name}"

    @property
    def error(self) -> dict[str, str | None] | None:
        return {"code": self.error_code, "message": self.error_message} if self.error_code else None
