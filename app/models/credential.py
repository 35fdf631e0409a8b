"""Git credentials, whose secret is sealed, and the pinned host keys of git servers."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, UtcDateTime
from app.models.columns import CreatedAt, Id, Name, Uid, Words, state_column


class CredentialKind(StrEnum):
    HTTPS = "https"
    SSH = "ssh"


class GitCredential(Base):
    """For one git server. `secret_sealed` is a token (https) or a private key (ssh); `uid` binds it to this row.

    `port` empty means the scheme's default. `username` of an ssh credential counts where the address names no user.
    """

    __tablename__ = "git_credential"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[Id]
    uid: Mapped[Uid]
    name: Mapped[Name] = mapped_column(unique=True)
    kind: Mapped[CredentialKind] = mapped_column(state_column(CredentialKind))
    host: Mapped[Name]
    port: Mapped[int | None]
    username: Mapped[Name]
    secret_sealed: Mapped[Words]
    public_key: Mapped[Words | None]
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def seal_purpose(self) -> str:
        return f"git_credential.secret:{self.uid}"


class GitHost(Base):
    """A git server that is spoken to over ssh. `offered_host_keys` are of the last scan; nothing trusts them."""

    __tablename__ = "git_host"
    __table_args__ = (UniqueConstraint("host", "port"), {"sqlite_autoincrement": True})

    id: Mapped[Id]
    host: Mapped[Name]
    port: Mapped[int] = mapped_column(default=22)
    offered_host_keys: Mapped[list[str]] = mapped_column(JSON, default=list)
    offered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[CreatedAt]

    host_keys: Mapped[list["GitHostKey"]] = relationship(
        back_populates="git_host", cascade="all, delete-orphan", lazy="selectin", order_by="GitHostKey.id"
    )


class GitHostKey(Base):
    """A pin: an admin, or the list that we ship, has said that this key is the server's."""

    __tablename__ = "git_host_key"
    __table_args__ = (UniqueConstraint("git_host_id", "public_key"),)

    id: Mapped[Id]
    git_host_id: Mapped[int] = mapped_column(ForeignKey("git_host.id", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64))
    public_key: Mapped[Words]
    pinned_by: Mapped[Name]
    pinned_at: Mapped[CreatedAt]

    git_host: Mapped[GitHost] = relationship(back_populates="host_keys")
