"""The installation itself: one row, which says under which master key this database's secrets are sealed."""

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.columns import CreatedAt, Words

THE_ONE = 1


class Installation(Base):
    """`canary` opens under the right master key, and under no other."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint(f"id = {THE_ONE}", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=THE_ONE)
    canary: Mapped[Words]
    created_at: Mapped[CreatedAt]
