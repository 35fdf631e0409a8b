"""Channels of notifications: made, changed, tested, deleted, with their log. What is sent when is the courier's."""

import re
import secrets
from types import SimpleNamespace
from typing import Any, Final

from flask import current_app
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from app.db import db, unit_of_work, utcnow
from app.errors import ChannelOff, Invalid, NameTaken, NotFound, WrongState, naming
from app.models import ChannelKind, DeliveryState, NotificationChannel, NotificationDelivery
from app.secrets import Secret
from app.services.alerts import EVENTS, add_delivery
from app.services.events import Actor, event
from app.services.mail import mail_server
from app.services.paging import Page, paginate
from app.services.runtime import runtime
from app.services.sealing import seal
from app.services.weburl import WebUrl, ensure_allowed

MOST_RECIPIENTS: Final = 10
TEST_EVENT: Final = "test"
_RECIPIENT: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")


def list_channels(page: int, page_size: int) -> Page[NotificationChannel]:
    return paginate(select(NotificationChannel).order_by(NotificationChannel.name), page, page_size)


def list_deliveries(channel_id: int, page: int, page_size: int) -> Page[NotificationDelivery]:
    """The latest first."""
    rows = select(NotificationDelivery).filter_by(channel_id=get_channel(channel_id).id)
    return paginate(rows.order_by(NotificationDelivery.id.desc()), page, page_size)


def state_counts() -> dict[str, int]:
    """Of what is kept of all channels."""
    rows = db.session.execute(select(NotificationDelivery.state, func.count()).group_by(NotificationDelivery.state))
    return {state.value: 0 for state in DeliveryState} | {state.value: count for state, count in rows}


def get_delivery(channel_id: int, delivery_id: int) -> NotificationDelivery:
    of_channel = select(NotificationDelivery).filter_by(channel_id=get_channel(channel_id).id)
    row = db.session.scalar(of_channel.filter_by(id=delivery_id))
    if row is None:
        raise NotFound(f"The log of this channel has no delivery {delivery_id}; it keeps the last ones only.")
    return row


def get_channel(channel_id: int) -> NotificationChannel:
    channel = db.session.get(NotificationChannel, channel_id)
    if channel is None:
        raise NotFound(f"There is no notification channel {channel_id}.")
    return channel


def get_channel_by_name(name: str) -> NotificationChannel:
    channel = db.session.scalar(select(NotificationChannel).where(NotificationChannel.name == name))
    if channel is None:
        raise NotFound(f"There is no notification channel {name!r}.")
    return channel


def create_channel(values: dict[str, Any], actor: Actor) -> tuple[NotificationChannel, Secret | None]:
    """`values`: `name kind`, `url` (a Secret) or `recipients`, maybe `events` (all) and `enabled`. The secret that
    signs JSON is shown by this answer only. Raises Invalid naming the field, NameTaken."""
    kind = ChannelKind(values["kind"])
    address, place = _address(kind, values)
    channel = NotificationChannel(name=values["name"], kind=kind, place=place, created_by=actor.name)
    channel.events, channel.enabled = _events(values.get("events", EVENTS)), values.get("enabled", True)
    secret = _new_secret() if kind is ChannelKind.JSON else None
    try:
        with unit_of_work() as session:
            channel.address_sealed = ""
            session.add(channel)
            session.flush()  # the row's uid, to which the secrets are bound, is made here
            _seal(channel, address, secret)
            session.add(event(actor, "channel.create", _subject(channel), detail=f"{kind.value} {place}"))
    except IntegrityError as error:
        raise _name_taken(values["name"]) from error
    return channel, secret


def update_channel(channel_id: int, values: dict[str, Any], actor: Actor) -> NotificationChannel:
    """`values` as for a new one, but for `kind`. Raises Invalid naming the field, NameTaken."""
    channel = get_channel(channel_id)
    plain = {name: value for name, value in values.items() if name in ("name", "enabled")}
    if "events" in values:
        plain["events"] = _events(values["events"])
    address = _address(channel.kind, values) if {"url", "recipients"} & values.keys() else None
    try:
        with unit_of_work() as session:
            for name, value in plain.items():
                setattr(channel, name, value)
            if address is not None:
                channel.place = address[1]
                _seal(channel, address[0], None)
            session.add(event(actor, "channel.update", _subject(channel), detail=", ".join(sorted(values))))
    except IntegrityError as error:
        raise _name_taken(str(values.get("name"))) from error
    return channel


def rotate_channel(channel_id: int, actor: Actor) -> tuple[NotificationChannel, Secret]:
    """Another secret to sign JSON with. Raises WrongState for a channel that signs nothing."""
    channel, secret = get_channel(channel_id), _new_secret()
    if channel.kind is not ChannelKind.JSON:
        raise WrongState(f"Channel {channel.name} signs nothing; only those that send JSON have a secret.")
    with unit_of_work() as session:
        channel.secret_sealed = seal(secret, channel.seal_purpose)
        session.add(event(actor, "channel.rotate", _subject(channel)))
    return channel, secret


def delete_channel(channel_id: int, actor: Actor) -> None:
    """What was still to be delivered is not."""
    channel = get_channel(channel_id)
    with unit_of_work() as session:
        session.add(event(actor, "channel.delete", _subject(channel)))
        session.delete(channel)


def request_test(channel_id: int, actor: Actor) -> NotificationDelivery:
    """Queued like any other, so that the test shows what will happen; tried once. Also for a channel that is off."""
    channel = get_channel(channel_id)
    text = f"This is a test of channel {channel.name}, asked for by {actor.name}. Nothing has happened."
    told = SimpleNamespace(event=TEST_EVENT, subject=f"channel {channel.name}", text=text, data={})
    with unit_of_work() as session:
        row = add_delivery(session, channel, told)
        session.add(event(actor, "channel.test", _subject(channel), "requested"))
    return row


def ensure_can_send_again(delivery: NotificationDelivery) -> None:
    """Raises ChannelOff; WrongState where it has not failed."""
    channel = delivery.channel
    if not channel.enabled:
        raise ChannelOff(f"Channel {channel.name} is off; turn it on, then send again.")
    if delivery.state is not DeliveryState.FAILED:
        word = "waits for its next try already" if delivery.state is DeliveryState.PENDING else "has been delivered"
        raise WrongState(f"Delivery {delivery.id} {word}; only what has failed is sent again.")


def request_again(channel_id: int, delivery_id: int, actor: Actor) -> NotificationDelivery:
    """The same notification, under the same `uid`: a receiver that has it passes over it. Of two who ask at once, one
    is refused. Raises what `ensure_can_send_again` raises."""
    row = get_delivery(channel_id, delivery_id)
    ensure_can_send_again(row)
    failed = update(NotificationDelivery).filter_by(id=delivery_id, state=DeliveryState.FAILED)
    about = f"delivery {delivery_id}: {row.event} of {row.subject}"
    with unit_of_work() as session:
        waits = failed.values(state=DeliveryState.PENDING, next_try_at=utcnow(), finished_at=None)
        if not session.execute(waits).rowcount:
            raise WrongState(f"Delivery {delivery_id} is being sent again already.")
        session.add(event(actor, "channel.send_again", _subject(row.channel), "requested", detail=about))
    return get_delivery(channel_id, delivery_id)


def address_of(channel: NotificationChannel) -> Secret:
    return runtime().vault.open(channel.address_sealed, channel.seal_purpose)


def secret_of(channel: NotificationChannel) -> Secret | None:
    sealed = channel.secret_sealed
    return runtime().vault.open(sealed, channel.seal_purpose) if sealed else None


def ensure_url(text: str) -> WebUrl:
    """Raises Invalid: form, scheme, denied network."""
    url = WebUrl.parse(text)
    ensure_allowed(url, bool(current_app.config["NOTIFY_ALLOW_HTTP"]), current_app.config["DENIED_NETWORKS"])
    return url


def _address(kind: ChannelKind, values: dict[str, Any]) -> tuple[Secret, str]:
    """What is sealed, and what of it may be shown."""
    wanted, other = ("recipients", "url") if kind is ChannelKind.EMAIL else ("url", "recipients")
    if other in values:
        raise Invalid(errors={other: [f"A channel of kind {kind.value} has '{wanted}' instead."]})
    if wanted not in values:
        raise Invalid(errors={wanted: [f"Needed for a channel of kind {kind.value}."]})
    if kind is ChannelKind.EMAIL:
        return _recipients(values["recipients"])
    with naming("url"):
        return values["url"], ensure_url(values["url"].reveal()).place


def _recipients(recipients: list[str]) -> tuple[Secret, str]:
    if mail_server() is None:
        raise Invalid(errors={"kind": ["No mail server is set up: SMTP_HOST, SMTP_FROM and SMTP_SECURITY."]})
    if not 1 <= len(recipients) <= MOST_RECIPIENTS or not all(map(_RECIPIENT.fullmatch, recipients)):
        raise Invalid(errors={"recipients": [f"1 to {MOST_RECIPIENTS} addresses such as ops@example.org."]})
    text = ", ".join(recipients)
    return Secret(text), text


def _events(wanted: Any) -> list[str]:
    if unknown := sorted(set(wanted) - set(EVENTS)):
        raise Invalid(errors={"events": [f"Not known: {unknown[0]}. One of: {', '.join(EVENTS)}."]})
    if not wanted:
        raise Invalid(errors={"events": ["Name at least one; turn the channel off to hear nothing."]})
    return [name for name in EVENTS if name in wanted]


def _seal(channel: NotificationChannel, address: Secret, secret: Secret | None) -> None:
    channel.address_sealed = seal(address, channel.seal_purpose)
    if secret is not None:
        channel.secret_sealed = seal(secret, channel.seal_purpose)


def _new_secret() -> Secret:
    return Secret("bbs_" + secrets.token_urlsafe(32))


def _subject(channel: NotificationChannel) -> str:
    return f"channel {channel.name}"


def _name_taken(name: str) -> NameTaken:
    text = f"There is a notification channel {name!r} already; choose another name."
    return NameTaken(text, errors={"name": ["In use."]})
