"""Wishes of hooks: a pull is asked for, once however many deliveries asked, until it became work, or was refused."""

from typing import Any

from sqlalchemy import update

from app.db import unit_of_work, utcnow
from app.errors import BareboatError
from app.models import Hook, HookDelivery, HookOutcome, Role
from app.services.events import Actor


def actor_of(hook_id: int) -> Actor:
    return Actor(f"hook {hook_id}", Role.OPERATOR)


def put_back(hook_id: int, error: BareboatError) -> None:
    """Behind the others, with what it waits for."""
    with unit_of_work() as session:
        session.execute(_wish(hook_id).values(pull_wanted_at=utcnow()))
        session.execute(_waiting(hook_id).values(detail=error.message[:512]))


def settle(hook_id: int, outcome: HookOutcome, detail: str) -> None:
    with unit_of_work() as session:
        if end_wish(session, hook_id):
            note(session, hook_id, outcome, detail=detail[:512])


def end_wish(session: Any, hook_id: int) -> bool:
    """False when somebody else was quicker."""
    return bool(session.execute(_wish(hook_id).values(pull_wanted_at=None)).rowcount)


def note(session: Any, hook_id: int, outcome: HookOutcome, **more: Any) -> None:
    """What became of the deliveries that waited. `more`: `job_id` or `run_id`, or `detail`."""
    session.execute(_waiting(hook_id).values({"outcome": outcome, "detail": None} | more))
    session.execute(update(Hook).where(Hook.id == hook_id).values(last_outcome=outcome))


def _wish(hook_id: int) -> Any:
    return update(Hook).where(Hook.id == hook_id, Hook.pull_wanted_at.is_not(None))


def _waiting(hook_id: int) -> Any:
    return update(HookDelivery).filter_by(hook_id=hook_id, outcome=HookOutcome.WAITING)
