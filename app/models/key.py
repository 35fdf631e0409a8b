"""SSH keys with which Bareboat logs in to nodes; the private half is sealed."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcDateTime
from app.models.columns import CreatedAt, Id, Name, Uid, Words


class SSHKey(Base):
    """`uid` binds the sealed key to this row: copied to another row it does not open."""

    __tablename__ = "ssh_key"

    id: Mapped[Id]
    uid: Mapped[Uid]
    name: Mapped[Name] = mapped_column(unique=True)
    type: Mapped[str] = mapped_column(String(64))
    bits: Mapped[int]
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    public_key: Mapped[Words]
    private_key_sealed: Mapped[Words]
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def seal_purpose(self) -> str:
        return f"ssh_key.private_key:{self.uid}"
