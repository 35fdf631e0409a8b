"""Recoveries: what a project was before an act changed it, kept on its node by a recovery ref."""

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.columns import CreatedAt, Id, Name, Time
from app.models.project import Project


class Recovery(Base):
    """`key` names the snapshot on the node; `act` is what came after it; `head` and `branch` are those of before."""

    __tablename__ = "recovery"
    __table_args__ = (UniqueConstraint("project_id", "key"), {"sqlite_autoincrement": True})

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(64))
    act: Mapped[str] = mapped_column(String(32))
    head: Mapped[str | None] = mapped_column(String(64))
    branch: Mapped[str | None] = mapped_column(String(255))
    requested_by: Mapped[Name]
    created_at: Mapped[CreatedAt]
    keep_until: Mapped[Time] = mapped_column(index=True)

    project: Mapped[Project] = relationship()

    @property
    def ref(self) -> str:
        return f"refs/bareboat/recovery/{self.key}"
