"""What was deleted, and is kept in its node's trash for a while."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, UtcDateTime
from app.models.columns import CreatedAt, Id, Name, Time
from app.models.credential import GitCredential
from app.models.job import Job
from app.models.node import Node


class TrashEntry(Base):
    """`key` is its folder in the node's trash; the other columns are the project's, for its row to be made again.
    `job` is the one that restores or removes it, or has tried to."""

    __tablename__ = "trash_entry"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[Id]
    key: Mapped[str] = mapped_column(String(64), unique=True)
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(63))
    git_url: Mapped[str] = mapped_column(String(2048))
    branch: Mapped[str | None] = mapped_column(String(255))
    depth: Mapped[int | None]
    submodules: Mapped[bool] = mapped_column(default=False)
    git_credential_id: Mapped[int | None] = mapped_column(
        ForeignKey("git_credential.id", ondelete="SET NULL"), index=True
    )
    head: Mapped[str | None] = mapped_column(String(64))
    head_subject: Mapped[str | None] = mapped_column(String(512))
    cloned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_synced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deleted_by: Mapped[Name]
    deleted_at: Mapped[CreatedAt]
    keep_until: Mapped[Time] = mapped_column(index=True)
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id", ondelete="SET NULL"), index=True)

    node: Mapped[Node] = relationship(lazy="joined")
    git_credential: Mapped[GitCredential | None] = relationship()
    job: Mapped[Job | None] = relationship()
