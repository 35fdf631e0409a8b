"""Notices: what a delivery looks like for its kind of channel, and how it is sent."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import current_app

from app.errors import DeliveryFailed
from app.models import ChannelKind, NotificationDelivery
from app.secrets import Secret
from app.services import mail, outgoing
from app.services.channels import address_of, ensure_url, secret_of

_SLACK_ESCAPES: Final = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))


@dataclass(frozen=True, slots=True)
class Notice:
    """A delivery without its row: the database is let go before anything is sent."""

    kind: ChannelKind
    address: Secret
    secret: Secret | None
    uid: str
    event: str
    subject: str
    text: str
    data: Mapping[str, Any]
    at: str


def notice_of(row: NotificationDelivery) -> Notice:
    channel = row.channel
    content = (row.uid, row.event, row.subject, row.text, dict(row.data), row.created_at.isoformat())
    return Notice(channel.kind, address_of(channel), secret_of(channel), *content)


def send(notice: Notice) -> int:
    """The receiver's code. Raises DeliveryFailed, or Invalid when the rules of today refuse the address."""
    return _SENDERS[notice.kind](notice)


def signature(secret: Secret, timestamp: str, body: bytes) -> str:
    """`v1=` and the HMAC-SHA256, in hex, of timestamp, a full stop, and the body."""
    return "v1=" + hmac.new(secret.reveal().encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _send_json(notice: Notice) -> int:
    names = ("event", "at", "subject", "text", "data")
    body = _json({"id": notice.uid} | {name: getattr(notice, name) for name in names})
    timestamp = str(int(time.time()))
    headers = {"X-Bareboat-Event": notice.event, "X-Bareboat-Delivery": notice.uid, "X-Bareboat-Timestamp": timestamp}
    if notice.secret is not None:
        headers["X-Bareboat-Signature"] = signature(notice.secret, timestamp, body)
    return _post(notice, body, headers)


def _send_slack(notice: Notice) -> int:
    """In its markup three characters mean something."""
    text = notice.text
    for character, escape in _SLACK_ESCAPES:
        text = text.replace(character, escape)
    return _post(notice, _json({"text": text}), {})


def _send_mail(notice: Notice) -> int:
    server = mail.mail_server()
    if server is None:
        raise DeliveryFailed("No mail server is set up any more: SMTP_HOST, SMTP_FROM and SMTP_SECURITY.")
    lines = [notice.text, "", *(f"{name}: {_plain(value)}" for name, value in notice.data.items() if value is not None)]
    subject = " ".join(f"[Bareboat] {notice.event}: {notice.subject}".split())[:200]
    recipients = notice.address.reveal().split(", ")
    message = mail.message_of(server.sender, recipients, subject, "\n".join(lines) + "\n", notice.uid)
    return mail.send(server, message)


def _post(notice: Notice, body: bytes, headers: Mapping[str, str]) -> int:
    url, denied = ensure_url(notice.address.reveal()), tuple(current_app.config["DENIED_NETWORKS"])
    always = {"Content-Type": "application/json", "User-Agent": "Bareboat", "Accept": "*/*"}
    return outgoing.post(url, body, always | dict(headers), denied)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_SENDERS: Final[Mapping[ChannelKind, Callable[[Notice], int]]] = {
    ChannelKind.JSON: _send_json,
    ChannelKind.SLACK: _send_slack,
    ChannelKind.EMAIL: _send_mail,
}
