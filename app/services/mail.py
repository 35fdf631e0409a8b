"""Mail: one message through the server that the settings name, within its time."""

import smtplib
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Final

from flask import current_app

from app.errors import DeliveryFailed
from app.secrets import Secret
from app.services.outgoing import CONNECT_SECONDS, TOTAL_SECONDS, CutOff

SECURITIES: Final = ("starttls", "tls", "none")


@dataclass(frozen=True, slots=True)
class MailServer:
    """As SMTP_* say. `security`: `starttls`, `tls` from the first byte, or `none` (a relay on this machine)."""

    host: str
    port: int
    security: str
    username: str
    password: Secret
    sender: str


def mail_server() -> MailServer | None:
    """None: mail is not set up here."""
    config = current_app.config
    if not config["SMTP_HOST"] or not config["SMTP_FROM"] or config["SMTP_SECURITY"] not in SECURITIES:
        return None
    user, password = config["SMTP_USERNAME"] or "", Secret(str(config["SMTP_PASSWORD"] or ""))
    where = (config["SMTP_HOST"], int(config["SMTP_PORT"]), config["SMTP_SECURITY"])
    return MailServer(*where, user, password, config["SMTP_FROM"])


def message_of(sender: str, recipients: Sequence[str], subject: str, text: str, uid: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, ", ".join(recipients), subject
    message["Message-ID"] = f"<{uid}@bareboat.invalid>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


def send(server: MailServer, message: EmailMessage, *, seconds: float = TOTAL_SECONDS) -> int:
    """The server's code for taking it. Raises DeliveryFailed."""
    with CutOff(seconds) as limit:
        try:
            _send(server, message, limit)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise DeliveryFailed(_why(error, limit, server, seconds), status=_code(error)) from error
    return 250


def _send(server: MailServer, message: EmailMessage, limit: CutOff) -> None:
    context = ssl.create_default_context()
    connection = _Tls(limit, context) if server.security == "tls" else _Plain(limit)
    try:
        connection.connect(server.host, server.port)
        if server.security == "starttls":
            connection.starttls(context=context)
            limit.hold(_socket_of(connection))
        if server.username:
            connection.login(server.username, server.password.reveal())
        connection.send_message(message)
        with suppress(smtplib.SMTPException, OSError):  # it has been taken
            connection.quit()
    finally:
        connection.close()


class _Plain(smtplib.SMTP):
    def __init__(self, limit: CutOff) -> None:
        super().__init__(timeout=CONNECT_SECONDS)
        self._limit = limit

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        sock = socket.create_connection((host, port), timeout)
        self._limit.hold(sock)
        return sock


class _Tls(_Plain):
    def __init__(self, limit: CutOff, context: ssl.SSLContext) -> None:
        super().__init__(limit)
        self._context = context

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        raw = super()._get_socket(host, port, timeout)
        sock = self._context.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
        self._limit.hold(sock)
        sock.do_handshake()
        return sock


def _socket_of(connection: smtplib.SMTP) -> socket.socket:
    if connection.sock is None:
        raise smtplib.SMTPServerDisconnected
    return connection.sock


def _code(error: Exception) -> int | None:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return next(iter(error.recipients.values()))[0]
    return error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else None


def _why(error: Exception, limit: CutOff, server: MailServer, seconds: float) -> str:
    """By the error's type and the server's code, never with words of the server."""
    if limit.is_over or isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return f"The mail server {server.host} did not answer in time ({seconds:g} s in all)."
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"The mail server {server.host} does not accept SMTP_USERNAME and SMTP_PASSWORD."
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return f"The mail server {server.host} refuses the recipients."
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return f"The mail server {server.host} does not know STARTTLS or a login; see SMTP_SECURITY."
    return f"The mail server {server.host} did not take it ({type(error).__name__})."
