"""Users, their logins, what they prove themselves with, and their API tokens."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, UtcDateTime
from app.models.columns import CreatedAt, Id, Name, Time, Uid, Words, state_column


class Role(StrEnum):
    """What somebody may do; each includes the one before."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)


class User(Base):
    """`session_epoch` is part of every session; raising it ends them all."""

    __tablename__ = "user_account"

    id: Mapped[Id]
    name: Mapped[Name] = mapped_column(unique=True)
    role: Mapped[Role] = mapped_column(state_column(Role))
    password_hash: Mapped[str] = mapped_column(String(255))  # empty: no password, see OidcIdentity
    is_active: Mapped[bool] = mapped_column(default=True)
    session_epoch: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[CreatedAt]

    tokens: Mapped[list["ApiToken"]] = relationship(back_populates="user", cascade="all, delete-orphan")

    @property
    def has_password(self) -> bool:
        return self.password_hash != ""


class OidcIdentity(Base):
    """Who a user is at the issuer where the user logs in. A name there proves nothing, and may change."""

    __tablename__ = "oidc_identity"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), unique=True)
    issuer: Mapped[str] = mapped_column(String(512))
    subject: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[CreatedAt]


class UserSession(Base):
    """A login in one browser, whose cookie holds 256 random bits; here is only their SHA-256.

    It counts only while `epoch` is its user's: a login that was under way when all were ended does not slip through.
    """

    __tablename__ = "user_session"

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    epoch: Mapped[int]
    address: Mapped[str | None] = mapped_column(String(64))
    browser: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[CreatedAt]
    last_seen_at: Mapped[Time]

    user: Mapped[User] = relationship(lazy="joined")


class SecondFactor(Base):
    """A TOTP secret (RFC 6238), sealed; `uid` binds it to this row. It counts from `confirmed_at` on.

    `last_step` is the 30-second step of the last code that was taken: none is taken twice.
    """

    __tablename__ = "second_factor"

    id: Mapped[Id]
    uid: Mapped[Uid]
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), unique=True)
    secret_sealed: Mapped[Words]
    last_step: Mapped[int] = mapped_column(default=0)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[CreatedAt]

    @property
    def seal_purpose(self) -> str:
        return f"second_factor.secret:{self.uid}"


class RecoveryCode(Base):
    """Stands in for a code of the second factor, once. 80 random bits; only their SHA-256 is here."""

    __tablename__ = "recovery_code"

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)


class ApiToken(Base):
    """Only a SHA-256 of the token is stored: it has 256 random bits, so nothing slower is needed.

    `role` is the most that it may do (empty: what its owner may); its owner's role of the moment is a limit too.
    """

    __tablename__ = "api_token"

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    name: Mapped[Name]
    role: Mapped[Role | None] = mapped_column(state_column(Role))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    user: Mapped[User] = relationship(back_populates="tokens", lazy="joined")

    @property
    def present_role(self) -> Role:
        own = self.role or self.user.role
        return own if self.user.role.includes(own) else self.user.role
