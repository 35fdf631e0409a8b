"""Events: who did what to which, from where, with what outcome. Rows are only ever added.

The two hashes are settled when the transaction commits: see `chain`. The names of project and node are for finding an
event, and no part of what is hashed."""

import re
from typing import Final

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.columns import CreatedAt, Id, Name

START: Final = "0" * 64
_ABOUT: Final = re.compile(r"(?:^| of )(?:project (?P<project>\S+)|node (?P<node>\S+))(?: \(job [0-9]+\))?$")


class Event(Base):
    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_at_id", "at", "id"),
        Index("ix_event_action_at_id", "action", "at", "id"),
        Index("ix_event_actor_at_id", "actor", "at", "id"),
        Index("ix_event_outcome_at_id", "outcome", "at", "id"),
        Index("ix_event_node_name_at_id", "node_name", "at", "id"),
        Index("ix_event_project_name_at_id", "project_name", "at", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    at: Mapped[CreatedAt]
    actor: Mapped[Name]
    address: Mapped[str | None] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[Name]
    outcome: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str | None] = mapped_column(String(1024))
    node_name: Mapped[str | None] = mapped_column(String(255))
    project_name: Mapped[str | None] = mapped_column(String(255))
    previous_hash: Mapped[str] = mapped_column(String(64), server_default=START)
    hash: Mapped[str] = mapped_column(String(64), server_default=START)


def names_in(subject: str) -> dict[str, str]:
    """`project_name` or `node_name`, where the subject of an event says so: `project shop (job 12)`, `node web-1`."""
    found = _ABOUT.search(subject)
    return {f"{kind}_name": name for kind, name in found.groupdict().items() if name} if found else {}
