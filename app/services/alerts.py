"""Alerts: who is in which state, and what is told when that changes: once for each change, not for each look at it.

`note` is called in the transaction that makes the change, so that what is told and what is true are stored together.
A state that was told a moment ago is not told again at once, but when ALERT_WINDOW_SECONDS are over, if it still holds
then: of a node that flaps one hears twice, and what was heard last is true.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from flask import current_app
from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.exc import IntegrityError

from app.db import db, unit_of_work, utcnow
from app.models import Alert, DeliveryState, NotificationChannel, NotificationDelivery

EVENTS: Final = (
    "node.offline",
    "node.quarantined",
    "node.online",
    "job.failed",
    "job.recovered",
    "schedule.failing",
    "schedule.recovered",
)
_GOOD: Final = ("node.online", "job.recovered", "schedule.recovered")
MOST_WAITING: Final = 1_000
BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Change:
    """`key` is whose state it is, `event` what it is called when it is told. A good state is told only after a bad one
    of the same subject."""

    key: str
    state: str
    is_good: bool
    event: str
    subject: str
    text: str
    data: dict[str, Any]


def note(session: Any, change: Change) -> None:
    """Within the caller's transaction. The same state again is no change."""
    alert = _find(session, change.key)
    if alert is None and not change.is_good:
        alert = _begin(session, change)
    if alert is None or alert.state == change.state:
        return
    alert.state, alert.event, alert.changed_at = change.state, change.event, utcnow()
    alert.subject, alert.text, alert.data = change.subject[:255], change.text[:4000], change.data
    alert.due_at = _due(alert, change.is_good)
    if alert.due_at is not None and alert.due_at <= alert.changed_at:
        _tell(session, alert)


def tell_due() -> None:
    """What had to wait for the end of its window. Called every few seconds, by anybody."""
    due = list(db.session.scalars(select(Alert.id).where(Alert.due_at <= utcnow()).order_by(Alert.due_at).limit(BATCH)))
    for alert_id in due:
        with unit_of_work() as session:
            alert = session.get(Alert, alert_id, with_for_update=True, populate_existing=True)
            if alert is not None and alert.due_at is not None and alert.due_at <= utcnow():
                _tell(session, alert)


def forget_old() -> None:
    """What is well for as long as jobs are kept; what is not well is kept longer, so that its end can be told."""
    now, kept = utcnow(), timedelta(days=current_app.config["JOB_HISTORY_DAYS"])
    is_well = (Alert.event.in_(_GOOD), Alert.due_at.is_(None), Alert.changed_at < now - kept)
    with unit_of_work() as session:
        session.execute(delete(Alert).where(or_(and_(*is_well), Alert.changed_at < now - 4 * kept)))


def add_delivery(session: Any, channel: NotificationChannel, told: Any) -> NotificationDelivery:
    """`told` has `event`, `subject`, `text` and `data`. A channel that takes nothing does not fill the database."""
    row = NotificationDelivery(channel_id=channel.id, event=told.event, subject=told.subject, text=told.text)
    row.data, row.next_try_at = dict(told.data), utcnow()
    waiting = select(func.count()).where(
        NotificationDelivery.channel_id == channel.id, NotificationDelivery.state == DeliveryState.PENDING
    )
    if (session.scalar(waiting) or 0) >= MOST_WAITING:
        row.state, row.next_try_at, row.finished_at = DeliveryState.FAILED, None, utcnow()
        row.last_error = f"Not sent: {MOST_WAITING} others wait for this channel already."
    session.add(row)
    return row


def _find(session: Any, key: str) -> Alert | None:
    """Held until the caller's transaction ends, and as it is now."""
    mine = select(Alert).where(Alert.key == key[:255]).with_for_update()
    found: Alert | None = session.scalar(mine.execution_options(populate_existing=True))
    return found


def _begin(session: Any, change: Change) -> Alert | None:
    """The row of a subject of which nothing was noted before. Of two who begin it, the second gets the first's."""
    row = Alert(key=change.key[:255], state="", event=change.event, subject=change.subject[:255], text="")
    row.changed_at = utcnow()
    with suppress(IntegrityError), session.begin_nested():
        session.add(row)
    return _find(session, change.key)


def _due(alert: Alert, is_good: bool) -> datetime | None:
    """None: what was told last is true again, or nothing bad was ever told."""
    if alert.state == alert.told_state or (is_good and alert.told_state is None):
        return None
    last = (alert.told_times or {}).get(alert.state)
    if last is None:
        return alert.changed_at
    window = timedelta(seconds=current_app.config["ALERT_WINDOW_SECONDS"])
    return max(alert.changed_at, datetime.fromtimestamp(last, alert.changed_at.tzinfo) + window)


def _tell(session: Any, alert: Alert) -> None:
    now = utcnow()
    alert.told_state, alert.due_at = alert.state, None
    alert.told_times = {**(alert.told_times or {}), alert.state: now.timestamp()}
    for channel in session.scalars(select(NotificationChannel).where(NotificationChannel.enabled)):
        if alert.event in channel.events:
            add_delivery(session, channel, alert)
