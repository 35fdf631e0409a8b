"""The audit log: every act and who asked for it, in the transaction of the act itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from app.db import db, unit_of_work
from app.models import Event, Role
from app.models.event import names_in
from app.secrets import Secret

_LONGEST_VALUE: Final = 200


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, with which role, from where. `SYSTEM` is Bareboat itself."""

    name: str
    role: Role
    address: str | None = None


SYSTEM = Actor("bareboat", Role.ADMIN)


def event(
    actor: Actor,
    action: str,
    subject: str,
    outcome: str = "ok",
    detail: str | None = None,
    *,
    node_name: str | None = None,
    project_name: str | None = None,
) -> Event:
    """A row to be added in the act's own transaction. It is found by the names of node and project, too: those of the
    subject, and those that are given."""
    row = Event(actor=actor.name, address=actor.address, action=action, subject=subject[:255], outcome=outcome)
    row.detail = detail[:1024] if detail else None
    names = names_in(subject)
    row.node_name = node_name or names.get("node_name")
    row.project_name = project_name or names.get("project_name")
    return row


def event_of_job(actor: Actor, action: str, job: Any) -> Event:
    """What is done to a job itself; it is found by what the job is about, too."""
    return event(actor, action, f"job {job.id}", node_name=job.node_name, project_name=job.project_name)


def record(actor: Actor, action: str, subject: str, outcome: str, detail: str | None = None) -> None:
    """An event by itself: a refusal, a login."""
    with unit_of_work() as session:
        session.add(event(actor, action, subject, outcome, detail))


def changes(row: Any, values: Mapping[str, Any]) -> str:
    """What `values` will change of a row, for an event: `role: operator → viewer`. Asked before they are set."""
    changed = {name: value for name, value in values.items() if getattr(row, name, None) != value}
    return "; ".join(f"{name}: {_change(row, name, value)}" for name, value in sorted(changed.items())) or "no change"


def latest_events(limit: int) -> list[Event]:
    return list(db.session.scalars(select(Event).order_by(Event.id.desc()).limit(limit)))


def _change(row: Any, name: str, value: Any) -> str:
    if isinstance(value, Secret):
        return "changed"
    return f"{_shown(getattr(row, name))} → {_shown(value)}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return ("none" if value is None else text or "empty")[:_LONGEST_VALUE]
