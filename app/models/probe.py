"""Probes: one row for each liveness check, kept for PROBE_HISTORY_DAYS."""

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.columns import Id, Time


class Probe(Base):
    __tablename__ = "probe"
    __table_args__ = (Index("ix_probe_node_id_id", "node_id", "id"), Index("ix_probe_started_at", "started_at"))

    id: Mapped[Id]
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id", ondelete="CASCADE"))
    started_at: Mapped[Time]
    ok: Mapped[bool]
    status_reason: Mapped[str | None] = mapped_column(String(32))
    detail: Mapped[str | None] = mapped_column(String(1024))
    latency_ms: Mapped[float | None]
