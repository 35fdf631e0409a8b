"""Notification channels on pages: a box for each event, a test, a log, the secret once."""

import pytest
from flask import Flask

from app.services.courier import deliver_next
from tests.support.receivers import Receiver
from tests.web.conftest import Person, said

NEW = "/notification-channels/new"
FORM = {"name": "ops", "kind": "json", "url": "https://hooks.example.com/s3cret", "node_offline": "on"}


@pytest.fixture
def made(ada: Person) -> str:
    return ada.post(NEW, **FORM).text


def test_the_secret_is_shown_once_and_the_address_never(made: str, ada: Person) -> None:
    assert 'id="channel-secret">bbs_' in made
    page = ada.get("/notification-channels/1").text
    assert "bbs_" not in page
    assert "s3cret" not in made + page
    assert "https://hooks.example.com:443" in page


def test_only_ticked_events_are_told(made: str, ada: Person) -> None:
    assert "Tells of a node goes offline Made by" in said(ada.get("/notification-channels/1"))


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("url", "http://hooks.example.com/", "Only https:// addresses"),
        ("name", "<script>", "starts with a letter or digit"),
        ("kind", "email", "No mail server is set up"),
        ("node_offline", "", "Name at least one"),
    ],
)
def test_a_refused_channel_names_the_rule_and_keeps_what_was_typed(
    ada: Person, field: str, value: str, rule: str
) -> None:
    fields = FORM | {field: value} | ({"url": "", "recipients": "ops@example.org"} if value == "email" else {})
    answer = ada.post(NEW, **fields)
    assert answer.status_code == 422
    assert rule in said(answer)
    assert "s3cret" not in answer.text


def test_a_test_is_seen_in_the_log(app: Flask, ada: Person) -> None:
    app.config["NOTIFY_ALLOW_HTTP"], app.config["DENIED_NETWORKS"] = True, []
    with Receiver(status=410) as receiver:
        ada.post(NEW, **FORM | {"url": receiver.url})
        assert "A test is on its way" in ada.submit("/notification-channels/1/test")
        assert 'hx-trigger="every 2s"' in ada.get("/notification-channels/1").text
        with app.app_context():
            deliver_next(1)
    page = ada.get("/notification-channels/1")
    assert "Failed 1 410 The receiver answered 410." in said(page)
    assert "hx-trigger" not in page.text.split('id="deliveries"')[1].split(">")[0]
    again = "/notification-channels/1/deliveries/1/send-again"
    assert f'href="{again}"' in page.text
    assert "Last time: The receiver answered 410." in said(ada.get(again))
    assert "It is on its way again" in ada.submit(again)
    assert "waits for its next try already" in ada.submit(again)


def test_it_is_turned_off_and_on_and_deleted_when_confirmed(made: str, ada: Person) -> None:
    assert "Channel ops is off" in ada.submit("/notification-channels/1/disable")
    assert "Channel ops is on" in ada.submit("/notification-channels/1/enable")
    assert 'id="channel-secret">bbs_' in ada.post("/notification-channels/1/rotate").text
    assert "Delete channel ops?" in said(ada.get("/notification-channels/1/delete"))
    assert "Channel ops is deleted." in ada.submit("/notification-channels/1/delete")
    assert "Nobody is told" in said(ada.get("/notification-channels"))


def test_an_operator_is_kept_out(made: str, otto: Person) -> None:
    paths = [f"/notification-channels/1/{act}" for act in ("test", "enable", "disable", "rotate", "delete")]
    assert {otto.post(path).status_code for path in (*paths, NEW)} == {403}
