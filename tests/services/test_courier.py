"""Deliveries: signed, tried again, never lost, and never in the way of anything else."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from pytest_mock import MockerFixture
from sqlalchemy import select, update

from app.db import db, unit_of_work, utcnow
from app.errors import WrongState
from app.models import DeliveryState, NotificationChannel, NotificationDelivery
from app.secrets import Secret
from app.services import channels, courier, mail
from app.services.courier import Courier
from app.services.events import SYSTEM
from tests.support import receivers
from tests.support.controller_process import wait_until
from tests.support.fakes import FakeServer
from tests.support.receivers import Receiver

pytestmark = pytest.mark.usefixtures("open_rules")


@pytest.fixture
def open_rules(app: Flask, app_context: None) -> None:
    """Receivers are on loopback here, and speak plain HTTP."""
    app.config["NOTIFY_ALLOW_HTTP"], app.config["DENIED_NETWORKS"] = True, []


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def make_channel(url: str, kind: str = "json", name: str = "ops") -> tuple[int, str]:
    channel, secret = channels.create_channel({"name": name, "kind": kind, "url": Secret(url)}, SYSTEM)
    return channel.id, secret.reveal() if secret else ""


def add(channel_id: int, event: str = "node.offline", text: str = "Node web-1 is offline: <b> & so") -> int:
    row = NotificationDelivery(channel_id=channel_id, event=event, subject="node web-1", text=text)
    row.data, row.next_try_at = {"node": "web-1"}, utcnow()
    with unit_of_work() as session:
        session.add(row)
    return row.id


def row_of(delivery_id: int) -> NotificationDelivery:
    db.session.rollback()
    return db.session.get_one(NotificationDelivery, delivery_id)


def settle(worker: Courier) -> None:
    worker.tick()
    wait_until(lambda: worker.is_idle)


def test_json_is_signed_over_time_and_body(receiver: Receiver) -> None:
    channel_id, secret = make_channel(receiver.url)
    delivery_id = add(channel_id)
    settle(Courier())
    (got,) = receiver.got
    row = row_of(delivery_id)
    assert (row.state, row.attempts, row.last_code) == (DeliveryState.DELIVERED, 1, 200)
    assert (got.json["id"], got.json["event"], got.json["data"]) == (row.uid, "node.offline", {"node": "web-1"})
    signed = got.headers["X-Bareboat-Timestamp"].encode() + b"." + got.body
    right = "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    assert got.headers["X-Bareboat-Signature"] == right
    assert abs(int(got.headers["X-Bareboat-Timestamp"]) - time.time()) < 300


def test_slack_gets_its_form_with_its_three_characters_escaped(receiver: Receiver) -> None:
    channel_id, _ = make_channel(receiver.url, "slack")
    add(channel_id)
    settle(Courier())
    assert receiver.got[0].json == {"text": "Node web-1 is offline: &lt;b&gt; &amp; so"}
    assert receiver.got[0].headers["X-Bareboat-Signature"] is None


def test_what_is_not_taken_is_tried_again_later_and_said(receiver: Receiver) -> None:
    receiver.status = 503
    delivery_id = add(make_channel(receiver.url)[0])
    worker = Courier()
    settle(worker)
    settle(worker)
    row = row_of(delivery_id)
    assert (row.state, row.attempts, row.last_code) == (DeliveryState.PENDING, 1, 503)
    assert row.last_error == "The receiver answered 503."
    assert row.next_try_at is not None
    assert row.next_try_at > utcnow()
    receiver.status = 200
    make_due()
    settle(worker)
    assert (row_of(delivery_id).state, row_of(delivery_id).attempts) == (DeliveryState.DELIVERED, 2)


def make_due() -> None:
    with unit_of_work() as session:
        is_pending = NotificationDelivery.state == DeliveryState.PENDING
        session.execute(update(NotificationDelivery).where(is_pending).values(next_try_at=utcnow()))


def fail_one(receiver: Receiver, mocker: MockerFixture) -> tuple[int, int]:
    """The ids of a channel and of a delivery that has used its only attempt up."""
    mocker.patch.object(courier, "MOST_ATTEMPTS", 1)
    receiver.status = 500
    channel_id, _ = make_channel(receiver.url)
    delivery_id = add(channel_id)
    settle(Courier())
    return channel_id, delivery_id


def test_it_is_given_up_after_so_many_attempts(receiver: Receiver, mocker: MockerFixture) -> None:
    mocker.patch.object(courier, "MOST_ATTEMPTS", 2)
    receiver.status = 500
    channel_id, _ = make_channel(receiver.url)
    delivery_id = add(channel_id)
    for _ in range(3):
        make_due()
        settle(Courier())
    assert (row_of(delivery_id).state, row_of(delivery_id).attempts) == (DeliveryState.FAILED, 2)
    assert db.session.get_one(NotificationChannel, channel_id).last_state is DeliveryState.FAILED


def test_what_failed_is_sent_again_under_the_same_id_and_asked_for_once(
    receiver: Receiver, mocker: MockerFixture
) -> None:
    channel_id, delivery_id = fail_one(receiver, mocker)
    receiver.status = 200
    channels.request_again(channel_id, delivery_id, SYSTEM)
    with pytest.raises(WrongState, match="waits for its next try"):
        channels.request_again(channel_id, delivery_id, SYSTEM)
    settle(Courier())
    first, second = receiver.got
    assert first.body == second.body
    assert first.headers["X-Bareboat-Delivery"] == second.headers["X-Bareboat-Delivery"] == row_of(delivery_id).uid
    row = row_of(delivery_id)
    assert (row.state, row.attempts, row.last_error) == (DeliveryState.DELIVERED, 2, None)
    with pytest.raises(WrongState, match="has been delivered"):
        channels.request_again(channel_id, delivery_id, SYSTEM)


def test_sent_again_in_vain_it_is_failed_again_and_keeps_nobody_waiting(
    receiver: Receiver, mocker: MockerFixture
) -> None:
    channel_id, delivery_id = fail_one(receiver, mocker)
    channels.request_again(channel_id, delivery_id, SYSTEM)
    settle(Courier())
    row = row_of(delivery_id)
    assert (row.state, row.attempts, row.last_error) == (DeliveryState.FAILED, 2, "The receiver answered 500.")


def test_a_test_is_tried_once(receiver: Receiver) -> None:
    receiver.status = 404
    delivery_id = channels.request_test(make_channel(receiver.url)[0], SYSTEM).id
    settle(Courier())
    assert (row_of(delivery_id).state, row_of(delivery_id).last_code) == (DeliveryState.FAILED, 404)


def test_the_others_of_a_dead_channel_wait_as_long(receiver: Receiver) -> None:
    receiver.status = 500
    channel_id, _ = make_channel(receiver.url)
    for _ in range(5):
        add(channel_id)
    worker = Courier()
    for _ in range(3):
        settle(worker)
    assert len(receiver.got) == 1


def test_all_that_is_due_goes_in_one_tick_and_in_order(receiver: Receiver) -> None:
    channel_id, _ = make_channel(receiver.url)
    for number in range(10):
        add(channel_id, text=str(number))
    settle(Courier())
    assert [got.json["text"] for got in receiver.got] == [str(number) for number in range(10)]


def test_one_that_was_killed_while_sending_is_sent_again_by_the_next(receiver: Receiver, mocker: MockerFixture) -> None:
    channel_id, _ = make_channel(receiver.url)
    delivery_id = add(channel_id)
    mocker.patch.object(courier, "send", side_effect=SystemExit)
    with pytest.raises(SystemExit):
        courier.deliver_next(channel_id)
    mocker.stopall()
    settle(Courier())
    assert receiver.got == [], "its lease is not over"
    mocker.patch.object(courier, "utcnow", side_effect=lambda: utcnow() + timedelta(seconds=61))
    settle(Courier())
    assert (len(receiver.got), row_of(delivery_id).state) == (1, DeliveryState.DELIVERED)


def test_two_couriers_deliver_once(receiver: Receiver) -> None:
    channel_id, _ = make_channel(receiver.url)
    for _ in range(10):
        add(channel_id)
    workers = [Courier(), Courier()]
    for worker in workers:
        worker.tick()
    wait_until(lambda: all(worker.is_idle for worker in workers))
    assert len({got.json["id"] for got in receiver.got}) == len(receiver.got) == 10


def test_receivers_that_hang_delay_nobody_else(receiver: Receiver, mocker: MockerFixture) -> None:
    """Three of four threads are with receivers that take all and say nothing; a tick returns at once all the same."""
    worker = Courier(4)
    with ExitStack() as stack:
        for number in range(3):
            server = stack.enter_context(FakeServer(receivers.hangs))
            add(make_channel(f"http://127.0.0.1:{server.port}/", name=f"dead {number}")[0])
        good = add(make_channel(receiver.url)[0])
        worker.tick()
        wait_until(lambda: row_of(good).state is DeliveryState.DELIVERED)
        assert not worker.is_idle
        later = add(1)
        again = add(row_of(good).channel_id)
        worker.tick()
        wait_until(lambda: row_of(again).state is DeliveryState.DELIVERED)
        assert row_of(later).attempts == 0, "one thread at most is with a channel"
    wait_until(lambda: worker.is_idle)


def test_a_hang_ends_within_ten_seconds_and_is_told_in_the_log() -> None:
    with FakeServer(receivers.drips) as server:
        delivery_id = add(make_channel(f"http://127.0.0.1:{server.port}/")[0])
        begins = time.monotonic()
        settle(Courier())
        took = time.monotonic() - begins
    assert "did not answer in time (10 s in all" in (row_of(delivery_id).last_error or "")
    assert 9 < took < 40


def test_rules_that_were_tightened_hold_for_channels_that_are_there(app: Flask, receiver: Receiver) -> None:
    delivery_id = add(make_channel(receiver.url)[0])
    app.config["DENIED_NETWORKS"] = ["127.0.0.0/8"]
    settle(Courier())
    assert "DENIED_NETWORKS" in (row_of(delivery_id).last_error or "")
    assert receiver.got == []


def test_nothing_is_begun_after_closing(receiver: Receiver) -> None:
    add(make_channel(receiver.url)[0])
    worker = Courier()
    worker.close()
    settle(worker)
    assert receiver.got == []


def test_the_log_has_an_end_but_keeps_what_is_still_to_be_delivered(receiver: Receiver, mocker: MockerFixture) -> None:
    mocker.patch.object(courier, "KEPT", 3)
    channel_id, _ = make_channel(receiver.url)
    waiting = add(channel_id)
    with unit_of_work() as session:
        session.get_one(NotificationDelivery, waiting).next_try_at = utcnow() + timedelta(hours=1)
    for _ in range(6):
        add(channel_id)
    settle(Courier())
    left = list(db.session.scalars(select(NotificationDelivery.id).order_by(NotificationDelivery.id)))
    assert (left[0], len(left)) == (waiting, 4)


class Mailbox:
    """An SMTP server for one connection at a time; `lines` is what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def behave(self, sock: Any, stopping: threading.Event) -> None:
        stream = sock.makefile("rw", encoding="utf-8", newline="\r\n")
        self._say(stream, "220 mail.example.org ESMTP")
        in_data = False
        for line in stream:
            self.lines.append(line.rstrip("\r\n"))
            if in_data:
                in_data = line != ".\r\n"
                answer = None if in_data else "250 taken"
            else:
                in_data = line.upper().startswith("DATA")
                answer = "354 go on" if in_data else "250 fine"
            if answer:
                self._say(stream, answer)

    @staticmethod
    def _say(stream: Any, text: str) -> None:
        stream.write(text + "\r\n")
        stream.flush()


@pytest.fixture
def use_mail(app: Flask) -> Callable[[int], None]:
    def use(port: int) -> None:
        app.config.update(SMTP_HOST="127.0.0.1", SMTP_PORT=port, SMTP_SECURITY="none", SMTP_FROM="bareboat@example.org")

    return use


def mail_channel() -> int:
    values = {"name": "mail", "kind": "email", "recipients": ["ops@example.org", "ada@example.org"]}
    return channels.create_channel(values, SYSTEM)[0].id


def test_mail_is_sent_to_all_recipients(use_mail: Callable[[int], None]) -> None:
    mailbox = Mailbox()
    with FakeServer(mailbox.behave) as server:
        use_mail(server.port)
        delivery_id = add(mail_channel(), text="Node web-1 is offline: ümlaut")
        settle(Courier())
    assert (row_of(delivery_id).state, row_of(delivery_id).last_code) == (DeliveryState.DELIVERED, 250)
    said = "\n".join(mailbox.lines)
    assert said.lower().count("rcpt to:") == 2
    assert "Subject: [Bareboat] node.offline: node web-1" in said
    assert f"Message-ID: <{row_of(delivery_id).uid}@bareboat.invalid>" in said


def test_a_mail_server_that_hangs_is_cut_off(use_mail: Callable[[int], None], mocker: MockerFixture) -> None:
    mocker.patch.object(mail, "CONNECT_SECONDS", 0.5)
    with FakeServer(lambda sock, stopping: stopping.wait(60)) as server:
        use_mail(server.port)
        delivery_id = add(mail_channel())
        settle(Courier())
    assert "did not answer in time" in (row_of(delivery_id).last_error or "")


def test_starttls_is_never_left_out(app: Flask, use_mail: Callable[[int], None]) -> None:
    mailbox = Mailbox()
    with FakeServer(mailbox.behave) as server:
        use_mail(server.port)
        app.config.update(SMTP_SECURITY="starttls", SMTP_USERNAME="bot", SMTP_PASSWORD="pa55word")
        delivery_id = add(mail_channel())
        settle(Courier())
    assert "does not know STARTTLS" in (row_of(delivery_id).last_error or "")
    assert not any("MAIL" in line.upper() or "AUTH" in line.upper() for line in mailbox.lines)


def test_no_address_and_no_secret_is_in_the_tables(receiver: Receiver) -> None:
    channel_id, secret = make_channel(receiver.url)
    row = db.session.get_one(NotificationChannel, channel_id)
    stored = json.dumps([str(getattr(row, column.name)) for column in NotificationChannel.__table__.columns])
    assert "s3cret" not in stored
    assert secret not in stored


def test_secret_and_address_exchanged_in_the_table_lead_nowhere(receiver: Receiver) -> None:
    channel_id, _ = make_channel(receiver.url)
    delivery_id = add(channel_id)
    with unit_of_work() as session:
        row = session.get_one(NotificationChannel, channel_id)
        row.address_sealed, row.secret_sealed = row.secret_sealed or "", row.address_sealed
    settle(Courier())
    assert receiver.got == []
    assert "An address such as https://" in (row_of(delivery_id).last_error or "")
