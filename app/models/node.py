"""Nodes and their pinned host keys."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, UtcDateTime, utcnow
from app.models.columns import CreatedAt, Id, Name, Words, state_column
from app.models.key import SSHKey


class NodeStatus(StrEnum):
    UNKNOWN = "UNKNOWN"
    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"


class Node(Base):
    """`status_reason` is a stable word, `status_detail` the sentence for people.

    `offered_host_keys` are the lines (`type base64`) seen at the last scan, or at a mismatch; they are not trusted,
    only offered for pinning. Until `key_window_until` one of them may replace the pins, as `key_window_by` has
    said; see `services.rebuilds`. From `root_marked_at` on, `.bareboat/root` is expected in the projects root.
    `failures` counts probes missed in a row; `next_probe_at` spreads and backs them off.
    """

    __tablename__ = "node"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[Id]
    name: Mapped[Name] = mapped_column(unique=True)
    hostname: Mapped[Name]
    ssh_port: Mapped[int] = mapped_column(default=22)
    ssh_user: Mapped[str] = mapped_column(String(32))
    ssh_key_id: Mapped[int | None] = mapped_column(ForeignKey("ssh_key.id", ondelete="RESTRICT"), index=True)
    jump_node_id: Mapped[int | None] = mapped_column(ForeignKey("node.id", ondelete="RESTRICT"), index=True)
    projects_root: Mapped[Words]
    root_marked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    labels: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    cordoned: Mapped[bool] = mapped_column(default=False)
    editor_url: Mapped[str | None] = mapped_column(String(2048))
    created_at: Mapped[CreatedAt]

    status: Mapped[NodeStatus] = mapped_column(state_column(NodeStatus), default=NodeStatus.UNKNOWN)
    status_reason: Mapped[str | None] = mapped_column(String(32))
    status_detail: Mapped[str | None] = mapped_column(String(1024))
    status_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    latency_ms: Mapped[float | None]
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    failures: Mapped[int] = mapped_column(default=0)
    next_probe_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    offered_host_keys: Mapped[list[str]] = mapped_column(JSON, default=list)
    offered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    key_window_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    key_window_by: Mapped[str | None] = mapped_column(String(255))
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)

    ssh_key: Mapped[SSHKey | None] = relationship(lazy="joined")
    jump_node: Mapped["Node | None"] = relationship(remote_side="Node.id")
    host_keys: Mapped[list["HostKey"]] = relationship(
        back_populates="node", cascade="all, delete-orphan", lazy="selectin", order_by="HostKey.id"
    )

    @property
    def expected_key_until(self) -> datetime | None:
        """Until when it may show one new host key. None: it may not."""
        until = self.key_window_until
        return until if until is not None and until > utcnow() else None


class HostKey(Base):
    """A pin: an admin has said that this key is the node's."""

    __tablename__ = "host_key"
    __table_args__ = (UniqueConstraint("node_id", "public_key"),)

    id: Mapped[Id]
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64))
    public_key: Mapped[Words]
    pinned_by: Mapped[Name]
    pinned_at: Mapped[CreatedAt]

    node: Mapped[Node] = relationship(back_populates="host_keys")
