"""The audit log: every act and who asked for it, in the transaction of the act itself."""

from dataclasses import dataclass

from sqlalchemy import select

from app.db import db, unit_of_work
from app.models import Event, Role
from app.services.paging import Page, paginate


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, with which role, from where. `SYSTEM` is Bareboat itself."""

    name: str
    role: Role
    address: str | None = None


SYSTEM = Actor("bareboat", Role.ADMIN)


def event(actor: Actor, action: str, subject: str, outcome: str = "ok", detail: str | None = None) -> Event:
    """A row to be added in the act's own transaction."""
    detail = detail[:1024] if detail else None
    return Event(
        actor=actor.name, address=actor.address, action=action, subject=subject[:255], outcome=outcome, detail=detail
    )


def record(actor: Actor, action: str, subject: str, outcome: str, detail: str | None = None) -> None:
    """An event by itself: a refusal, a login."""
    with unit_of_work() as session:
        session.add(event(actor, action, subject, outcome, detail))


def list_events(page: int, page_size: int) -> Page[Event]:
    return paginate(select(Event).order_by(Event.id.desc()), page, page_size)


def latest_events(limit: int) -> list[Event]:
    return list(db.session.scalars(select(Event).order_by(Event.id.desc()).limit(limit)))
