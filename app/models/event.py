"""Events: who did what to which, from where, with what outcome. Rows are only ever added.

The two hashes are settled when the transaction commits: see `chain`."""

from typing import Final

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.columns import CreatedAt, Id, Name

START: Final = "0" * 64


class Event(Base):
    __tablename__ = "event"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[Id]
    at: Mapped[CreatedAt] = mapped_column(index=True)
    actor: Mapped[Name]
    address: Mapped[str | None] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64), index=True)
    subject: Mapped[Name]
    outcome: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str | None] = mapped_column(String(1024))
    previous_hash: Mapped[str] = mapped_column(String(64), server_default=START)
    hash: Mapped[str] = mapped_column(String(64), server_default=START)
