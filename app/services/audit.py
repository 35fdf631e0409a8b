"""The chain of the audit log: verified, exported, and shortened by age without losing its hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from flask import current_app
from sqlalchemy import delete, func, select

from app.db import db, release, unit_of_work, utcnow
from app.models import Event, EventChain
from app.models.chain import canonical, hash_of
from app.models.event import START
from app.services.events import SYSTEM, event

_BATCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Verification:
    """`fault` says what is wrong first; None: every event is as it was written, and none is missing."""

    count: int
    head_id: int
    head_hash: str
    fault: str | None = None


def get_chain() -> EventChain:
    """Of an installation without an event: the beginning."""
    empty = EventChain(head_id=0, head_hash=START, anchor_id=0, anchor_hash=START)
    return db.session.scalar(select(EventChain)) or empty


def verify_events(known: tuple[int, str] | None = None) -> Verification:
    """Walk the chain from its beginning, or from what was cleared away by age, to its head.

    `known`: id and hash of an event that was noted elsewhere before. Who can write to the database can write a whole
    new chain, but not one that has this hash.
    """
    chain = get_chain()
    head = chain.head_id, chain.head_hash
    last_id, last_hash, count = chain.anchor_id, chain.anchor_hash, 0
    wanted = known if known and known[0] > chain.anchor_id else None
    for row in _rows(last_id, head[0]):
        if (fault := _fault(row, last_hash)) is not None:
            return Verification(count, *head, fault)
        if wanted and row.id == wanted[0] and row.hash != wanted[1]:
            return Verification(count, *head, f"Event {row.id} is not the one that was noted: its hash is {row.hash}.")
        last_id, last_hash, count = row.id, row.hash, count + 1
    if (last_id, last_hash) != head:
        return Verification(count, *head, f"Events after {last_id} are missing, up to {head[0]}.")
    if wanted and wanted[0] > last_id:
        return Verification(count, *head, f"Event {wanted[0]}, which was noted, is not there any more.")
    return Verification(count, *head)


def export_events(after: int = 0) -> Iterator[dict[str, Any]]:
    """Every event with a higher id, oldest first, as it is hashed, with its hash."""
    for row in _rows(after, get_chain().head_id):
        yield canonical(row) | {"hash": row.hash}


def forget_old_events() -> None:
    """Those older than EVENT_HISTORY_DAYS (0: kept for ever). The last of them stays known as the chain's anchor."""
    days = current_app.config["EVENT_HISTORY_DAYS"]
    if not days:
        return
    with unit_of_work() as session:
        chain = session.scalar(select(EventChain).with_for_update())
        newer = session.scalar(select(func.min(Event.id)).where(Event.at >= utcnow() - timedelta(days=days)))
        below = Event.id < newer if newer is not None else Event.id <= (chain.head_id if chain else 0)
        last = session.execute(select(Event.id, Event.hash).where(below).order_by(Event.id.desc()).limit(1)).first()
        if chain is None or last is None:
            return
        chain.anchor_id, chain.anchor_hash = last.id, last.hash
        session.execute(delete(Event).where(Event.id <= last.id))
        session.add(event(SYSTEM, "events.forget", f"events up to {last.id}", detail=f"the last hash: {last.hash}"))


def _rows(after: int, until: int) -> Iterator[Any]:
    """In the order of the chain; no transaction stays open over more than a batch."""
    columns = tuple(Event.__table__.columns)
    while True:
        wanted = select(*columns).where(Event.id > after, Event.id <= until).order_by(Event.id).limit(_BATCH)
        rows = db.session.execute(wanted).all()
        release()
        if not rows:
            return
        yield from rows
        after = rows[-1].id


def _fault(row: Any, previous: str) -> str | None:
    if row.previous_hash != previous:
        return f"Before event {row.id} one is missing, or was changed."
    if row.hash != hash_of(row):
        return f"Event {row.id} was changed: it does not have the hash that was written with it."
    return None
