"""Notifications: where they go, what is the matter with whom, and what is still to be delivered."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, UtcDateTime
from app.models.columns import CreatedAt, Id, Name, Time, Uid, Words, state_column


class ChannelKind(StrEnum):
    JSON = "json"
    SLACK = "slack"
    EMAIL = "email"


class DeliveryState(StrEnum):
    """`PENDING` until it is one of the others."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class NotificationChannel(Base):
    """`address_sealed` is a URL, which may itself be a secret, or addresses of e-mail; `place` is what of it may be
    shown. `secret_sealed` signs what is sent as JSON. `uid` binds both to this row."""

    __tablename__ = "notification_channel"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[Id]
    uid: Mapped[Uid]
    name: Mapped[str] = mapped_column(String(63), unique=True)
    kind: Mapped[ChannelKind] = mapped_column(state_column(ChannelKind))
    events: Mapped[list[str]] = mapped_column(JSON, default=list)
    address_sealed: Mapped[Words]
    place: Mapped[Words]
    secret_sealed: Mapped[Words | None]
    enabled: Mapped[bool] = mapped_column(default=True)
    last_state: Mapped[DeliveryState | None] = mapped_column(state_column(DeliveryState))
    last_delivery_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_by: Mapped[Name]
    created_at: Mapped[CreatedAt]

    @property
    def seal_purpose(self) -> str:
        """Of both: exchanged with each other they are of no use, since a secret is no address."""
        return f"notification_channel:{self.uid}"


class Alert(Base):
    """The state of a subject, such as a node, of which a change is told once. `told_state` is what was told last
    (empty: nothing yet), `told_times` when each was, in seconds since 1970; `due_at`: `state` is still to be told."""

    __tablename__ = "alert"
    __table_args__ = (Index("ix_alert_due_at", "due_at"),)

    id: Mapped[Id]
    key: Mapped[Name] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(String(32))
    event: Mapped[str] = mapped_column(String(32))
    subject: Mapped[Name]
    text: Mapped[Words]
    data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    told_state: Mapped[str | None] = mapped_column(String(32))
    told_times: Mapped[dict[str, float]] = mapped_column(JSON, default=dict)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    changed_at: Mapped[Time]


class NotificationDelivery(Base):
    """One notification for one channel, stored with the change that it tells of, and kept until it is delivered.

    `uid` lets a receiver know a second delivery of the same. `next_try_at` is a lease too while somebody is at it.
    """

    __tablename__ = "notification_delivery"
    __table_args__ = (
        Index("ix_notification_delivery_channel_id_id", "channel_id", "id"),
        Index("ix_notification_delivery_state_next_try_at", "state", "next_try_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    uid: Mapped[Uid]
    channel_id: Mapped[int] = mapped_column(ForeignKey("notification_channel.id", ondelete="CASCADE"))
    event: Mapped[str] = mapped_column(String(32))
    subject: Mapped[Name]
    text: Mapped[Words]
    data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    state: Mapped[DeliveryState] = mapped_column(state_column(DeliveryState), default=DeliveryState.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_code: Mapped[int | None]
    last_error: Mapped[str | None] = mapped_column(String(512))
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    channel: Mapped[NotificationChannel] = relationship()
