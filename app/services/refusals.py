"""Refusals in the audit log: each one once a minute, within limits that nobody can make it overflow, and never in the
way of the refusal itself."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from app.db import release, unit_of_work
from app.models import Event, Role
from app.services.events import SYSTEM, Actor, event

logger = logging.getLogger(__name__)

EXTENSION: Final = "bareboat_refusals"
NOBODY: Final = "(no login)"  # no name of a user
WINDOW_SECONDS: Final = 60
PER_ACTOR: Final = 60
PER_ADDRESS: Final = 5
WITHOUT_LOGIN: Final = 20
LOGINS: Final = 300
PATIENCE_MS: Final = 500
_MOST_TOLD: Final = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """`subject`: what was asked, without any value that was sent; `code`: the error's; `detail`: a sentence of ours.

    `is_login`: each of them becomes an event, as each of a known user does: an unknown name takes no less time. Only a
    crowd of senders comes to the limit of these.
    """

    actor: Actor
    action: str
    subject: str
    code: str
    detail: str | None = None
    is_login: bool = False


def nobody(address: str | None) -> Actor:
    return Actor(NOBODY, Role.VIEWER, address)


class Tally:
    """What has been refused in this minute: which of it becomes an event, and how much was only counted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._begin()

    def admit(self, refusal: Refusal) -> tuple[bool, str | None]:
        """Whether this one becomes an event; and, once, what the minute before had more than its events say."""
        with self._lock:
            told = None
            if self._clock() >= self._end:
                told = self._summary()
                self._begin()
            return self._is_first(refusal), told

    def _begin(self) -> None:
        self._end = self._clock() + WINDOW_SECONDS
        self._more: dict[tuple[str, ...], int] = {}
        self._senders: Counter[tuple[str, ...]] = Counter()
        self._beyond = self._logins = 0

    def _is_first(self, refusal: Refusal) -> bool:
        if refusal.is_login:
            return self._is_login_told()
        sender = (refusal.actor.name, refusal.actor.address or "")
        key = (*sender, refusal.subject, refusal.code)
        if key in self._more:
            self._more[key] += 1
            return False
        if self._is_beyond(sender):
            self._beyond += 1
            return False
        self._more[key] = 0
        self._senders[sender] += 1
        return True

    def _is_login_told(self) -> bool:
        self._logins += 1
        self._beyond += self._logins > LOGINS
        return self._logins <= LOGINS

    def _is_beyond(self, sender: tuple[str, ...]) -> bool:
        """Whoever has not logged in can invent senders: all of them together have a limit too."""
        if sender[0] != NOBODY:
            return self._senders[sender] >= PER_ACTOR
        without = sum(count for (name, _), count in self._senders.items() if name == NOBODY)
        return without >= WITHOUT_LOGIN or self._senders[sender] >= PER_ADDRESS

    def _summary(self) -> str | None:
        often = sorted(((count, key) for key, count in self._more.items() if count), reverse=True)
        parts = [f"{count} more of {name} {subject} {code}" for count, (name, _, subject, code) in often[:_MOST_TOLD]]
        if rest := sum(count for count, _ in often[_MOST_TOLD:]):
            parts.append(f"{rest} more of others")
        if self._beyond:
            parts.append(f"{self._beyond} of senders beyond their limit")
        return "; ".join(parts) or None


def note(refusal: Refusal) -> None:
    """An event of its own, or one more of those counted. Ends the session's transaction.

    What the database does not take at once goes to the log, and the refusal goes on.
    """
    is_first, told = _tally().admit(refusal)
    rows = [_told_event(told)] if told else []
    if is_first:
        rows.append(_event(refusal))
    if not rows:
        return
    try:
        _store(rows)
    except SQLAlchemyError as error:
        release()
        for row in rows:
            said = (row.actor, row.address, row.action, row.subject, row.detail, type(error).__name__)
            logger.error("an event is only in this log: %s %s %s %s: %s (%s)", *said)


def _store(rows: list[Event]) -> None:
    release()
    with unit_of_work(PATIENCE_MS) as session:
        session.add_all(rows)


def _event(refusal: Refusal) -> Event:
    detail = f"{refusal.code}: {refusal.detail}" if refusal.detail else refusal.code
    return event(refusal.actor, refusal.action, refusal.subject, "refused", detail)


def _told_event(told: str) -> Event:
    return event(SYSTEM, "refusals.counted", "a minute", "ok", told)


def _tally() -> Tally:
    tally: Tally = current_app.extensions.setdefault(EXTENSION, Tally())
    return tally
