"""Project sets: one repository on many nodes as one object. Its members are ordinary projects, one on each node."""

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.columns import CreatedAt, Id
from app.models.credential import GitCredential


class ProjectSet(Base):
    """Its members are called as it is. `branch` empty means the repository's default."""

    __tablename__ = "project_set"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(63))
    name_folded: Mapped[str] = mapped_column(String(63), unique=True)
    git_url: Mapped[str] = mapped_column(String(2048))
    branch: Mapped[str | None] = mapped_column(String(255))
    git_credential_id: Mapped[int | None] = mapped_column(
        ForeignKey("git_credential.id", ondelete="RESTRICT"), index=True
    )
    created_at: Mapped[CreatedAt]

    git_credential: Mapped[GitCredential | None] = relationship()

    @property
    def size(self) -> int:
        """How many members, as far as somebody has counted them (services.project_sets does, many sets at once)."""
        return int(getattr(self, "_size", 0))

    @size.setter
    def size(self, counted: int) -> None:
        self._size = counted
