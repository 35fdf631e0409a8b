"""Courier: takes deliveries that are due to their channels, in threads of its own, a few at a time.

One thread at most is with a channel, so that one that hangs costs one. A delivery is claimed by a guarded update that
moves its next try: who is killed while sending loses nothing, the next courier sends it again (at least once). Where a
channel takes nothing, all that waits for it waits for the next try.
"""

import logging
import threading
from datetime import datetime, timedelta
from typing import Any, Final

from flask import Flask
from sqlalchemy import delete, func, select, update

from app.db import db, release, unit_of_work, utcnow
from app.errors import BareboatError, DeliveryFailed
from app.models import DeliveryState, NotificationChannel, NotificationDelivery
from app.services.channels import TEST_EVENT
from app.services.notices import Notice, notice_of, send
from app.services.runtime import this_app

THREADS: Final = 4
MOST_ATTEMPTS: Final = 12  # over some three and a half hours
FIRST_PAUSE_SECONDS: Final = 10.0
LONGEST_PAUSE_SECONDS: Final = 3600.0
LEASE: Final = timedelta(seconds=60)
IN_A_ROW: Final = 50
KEPT: Final = 200

logger = logging.getLogger(__name__)


class Courier:
    """`tick` returns at once. `close`: nothing more is begun; what is under way ends within its ten seconds."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = threads
        self._busy: set[int] = set()
        self._is_closed = False
        self._lock = threading.Lock()

    @property
    def is_idle(self) -> bool:
        with self._lock:
            return not self._busy

    def tick(self) -> None:
        app = this_app()
        for channel_id in self._due_channels():
            if self._take(channel_id):
                name = f"courier-{channel_id}"
                threading.Thread(target=self._serve, args=(app, channel_id), name=name, daemon=True).start()

    def close(self) -> None:
        self._is_closed = True

    def _due_channels(self) -> list[int]:
        with self._lock:
            busy = set(self._busy)
        rows = select(NotificationDelivery.channel_id).where(*_is_due(utcnow()))
        rows = rows.where(NotificationDelivery.channel_id.not_in(busy)).group_by(NotificationDelivery.channel_id)
        found = db.session.scalars(rows.order_by(func.min(NotificationDelivery.next_try_at)).limit(self._threads))
        channel_ids = list(found)
        release()
        return channel_ids

    def _take(self, channel_id: int) -> bool:
        with self._lock:
            if self._is_closed or channel_id in self._busy or len(self._busy) >= self._threads:
                return False
            self._busy.add(channel_id)
            return True

    def _serve(self, app: Flask, channel_id: int) -> None:
        try:
            with app.app_context():
                for _ in range(IN_A_ROW):
                    if self._is_closed or not deliver_next(channel_id):
                        break
        except Exception:
            logger.exception("channel %s: a delivery failed; it is tried again when its lease is over", channel_id)
        finally:
            with self._lock:
                self._busy.discard(channel_id)


def deliver_next(channel_id: int) -> bool:
    """Claim and send the first delivery that is due for this channel. False: there was none, or it was not taken."""
    row = _claim(channel_id)
    if row is None:
        return False
    delivery_id, attempts, is_test = row.id, row.attempts, row.event == TEST_EVENT
    failure, code = _try(row)
    if failure is None:
        _finish(delivery_id, channel_id, DeliveryState.DELIVERED, code, None)
    elif attempts >= MOST_ATTEMPTS or is_test:
        _finish(delivery_id, channel_id, DeliveryState.FAILED, code, failure)
    else:
        _put_off(delivery_id, channel_id, attempts, code, failure)
    return failure is None


def _try(row: NotificationDelivery) -> tuple[str | None, int | None]:
    """Why it failed (None: it did not), and the receiver's code. The database is let go meanwhile."""
    try:
        notice: Notice = notice_of(row)
        release()
        return None, send(notice)
    except DeliveryFailed as error:
        return error.message, error.status
    except BareboatError as error:  # the rules, or the master key, are not what they were
        return error.message, None


def _claim(channel_id: int) -> NotificationDelivery | None:
    now = utcnow()
    due = select(NotificationDelivery.id).where(*_is_due(now), NotificationDelivery.channel_id == channel_id)
    delivery_id = db.session.scalar(due.order_by(NotificationDelivery.id).limit(1))
    if delivery_id is None:
        release()
        return None
    mine = update(NotificationDelivery).where(NotificationDelivery.id == delivery_id, *_is_due(now))
    values = {"next_try_at": now + LEASE, "attempts": NotificationDelivery.attempts + 1}
    with unit_of_work() as session:
        if not session.execute(mine.values(values)).rowcount:
            return None
    return db.session.get(NotificationDelivery, delivery_id, populate_existing=True)


def _is_due(now: datetime) -> tuple[Any, Any]:
    return NotificationDelivery.state == DeliveryState.PENDING, NotificationDelivery.next_try_at <= now


def _finish(delivery_id: int, channel_id: int, state: DeliveryState, code: int | None, failure: str | None) -> None:
    now = utcnow()
    values = {"state": state, "next_try_at": None, "finished_at": now, "last_code": code, "last_error": _short(failure)}
    with unit_of_work() as session:
        _store(session, delivery_id, values)
        session.execute(
            update(NotificationChannel)
            .where(NotificationChannel.id == channel_id)
            .values(last_state=state, last_delivery_at=now)
        )
        _trim(session, channel_id)


def _put_off(delivery_id: int, channel_id: int, attempts: int, code: int | None, failure: str) -> None:
    """The others of this channel wait as long: one that is dead is asked once a pause, however much waits."""
    logger.info("channel %s: attempt %s failed: %s", channel_id, attempts, failure)
    until = utcnow() + timedelta(seconds=min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (attempts - 1)))
    others = update(NotificationDelivery).filter_by(channel_id=channel_id, state=DeliveryState.PENDING)
    with unit_of_work() as session:
        _store(session, delivery_id, {"next_try_at": until, "last_code": code, "last_error": _short(failure)})
        session.execute(others.where(NotificationDelivery.next_try_at < until).values(next_try_at=until))


def _store(session: Any, delivery_id: int, values: dict[str, Any]) -> None:
    session.execute(update(NotificationDelivery).where(NotificationDelivery.id == delivery_id).values(values))


def _trim(session: Any, channel_id: int) -> None:
    """The log of a channel has an end; what is still to be delivered stays."""
    of_channel = (
        select(NotificationDelivery.id).filter_by(channel_id=channel_id).order_by(NotificationDelivery.id.desc())
    )
    oldest = session.scalar(of_channel.offset(KEPT - 1).limit(1))
    if oldest is not None:
        is_over = NotificationDelivery.state != DeliveryState.PENDING
        old = delete(NotificationDelivery).where(NotificationDelivery.channel_id == channel_id, is_over)
        session.execute(old.where(NotificationDelivery.id < oldest))


def _short(text: str | None) -> str | None:
    return text[:512] if text else None
