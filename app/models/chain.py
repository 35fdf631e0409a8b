"""The chain of events: each carries the hash of the one before it and its own; the head says which one is the last.

Events that a transaction adds are kept back until it commits, and are chained as its last act: ids, hashes and head
are settled under one lock, which nobody holds while waiting for something else.
"""

import hashlib
import json
from datetime import UTC
from typing import Any, Final

from sqlalchemy import CheckConstraint, String, event, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base, take_turns, utcnow
from app.models.event import START, Event

THE_ONE: Final = 1
_PENDING: Final = "bareboat_events"


class EventChain(Base):
    """One row. `anchor`: the last event that was cleared away by age; the chain that is left begins after it."""

    __tablename__ = "event_chain"
    __table_args__ = (CheckConstraint(f"id = {THE_ONE}", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=THE_ONE)
    head_id: Mapped[int] = mapped_column(default=0)
    head_hash: Mapped[str] = mapped_column(String(64), default=START)
    anchor_id: Mapped[int] = mapped_column(default=0)
    anchor_hash: Mapped[str] = mapped_column(String(64), default=START)


def canonical(row: Any) -> dict[str, Any]:
    """What the hash is of, field by field; all of it text that reads the same on every database."""
    return {
        "id": row.id,
        "at": row.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "actor": row.actor,
        "address": row.address,
        "action": row.action,
        "subject": row.subject,
        "outcome": row.outcome,
        "detail": row.detail,
        "previous_hash": row.previous_hash,
    }


def hash_of(row: Any) -> str:
    """SHA-256 of the canonical form as JSON: keys in alphabetical order, no spaces, all but ASCII escaped."""
    text = json.dumps(canonical(row), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@event.listens_for(Session, "before_flush")
def _keep_back(session: Session, *_: Any) -> None:
    """Raises RuntimeError where an event is to be changed or taken away: nothing in the product may."""
    if any(isinstance(row, Event) for row in [*session.dirty, *session.deleted]):
        raise RuntimeError("events are only ever added")
    if session.info.get("bareboat_chaining"):
        return
    for row in [row for row in session.new if isinstance(row, Event)]:
        session.expunge(row)
        row.at = row.at or utcnow()
        session.info.setdefault(_PENDING, []).append(row)


@event.listens_for(Session, "before_commit")
def _chain(session: Session) -> None:
    if session.in_nested_transaction():
        return
    session.flush()
    pending: list[Event] = session.info.pop(_PENDING, [])
    if not pending:
        return
    session.info["bareboat_chaining"] = True
    try:
        _append(session, pending)
    finally:
        del session.info["bareboat_chaining"]


def _append(session: Session, pending: list[Event]) -> None:
    held = select(EventChain).with_for_update().execution_options(populate_existing=True)
    if (head := session.scalar(held)) is None:
        take_turns(session, "event chain")  # of two who would begin it, the second finds the first's
        head = session.scalar(held)
    if head is None:
        last = session.scalar(select(func.max(Event.id))) or 0  # of rows that were put there by other means
        head = EventChain(id=THE_ONE, head_id=last, head_hash=START, anchor_id=0, anchor_hash=START)
        session.add(head)
    for row in pending:
        row.id, row.previous_hash = head.head_id + 1, head.head_hash
        row.hash = hash_of(row)
        head.head_id, head.head_hash = row.id, row.hash
        session.add(row)
    session.flush()


@event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(_PENDING, None)
