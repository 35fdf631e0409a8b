"""Notification channels over REST: what is taken, what is told of them, what never is."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from app.db import unit_of_work
from app.models import DeliveryState, NotificationDelivery

PATH = "/api/v1/notification-channels"
URL = "https://hooks.example.com/services/T0/s3cret-part"
JSON = {"name": "ops", "kind": "json", "url": URL}
MAIL = {"name": "mail", "kind": "email", "recipients": ["ops@example.org"]}


@pytest.fixture
def use_mail(app: Flask) -> None:
    app.config.update(SMTP_HOST="mail.example.org", SMTP_FROM="bareboat@example.org")


@pytest.fixture
def own(admin: FlaskClient) -> str:
    return str(admin.post(PATH, json=JSON).headers["Location"])


def test_a_channel_is_made_and_its_secret_shown_once(admin: FlaskClient) -> None:
    made = admin.post(PATH, json=JSON)
    assert made.status_code == 201
    assert made.json["secret"].startswith("bbs_")
    assert (made.json["place"], len(made.json["events"])) == ("https://hooks.example.com:443", 7)
    shown = admin.get(made.headers["Location"])
    assert shown.json == {name: value for name, value in made.json.items() if name != "secret"}
    assert "s3cret-part" not in made.text + shown.text + admin.get(PATH).text + admin.get("/api/v1/events").text


def test_slack_and_mail_sign_nothing(admin: FlaskClient, use_mail: None) -> None:
    assert admin.post(PATH, json=JSON | {"kind": "slack"}).json["secret"] is None
    made = admin.post(PATH, json=MAIL)
    assert (made.json["secret"], made.json["place"]) == (None, "ops@example.org")
    assert admin.post(made.headers["Location"] + "/rotate").status_code == 409


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (JSON | {"url": "http://hooks.example.com/"}, "url"),
        (JSON | {"url": "https://127.0.0.1/"}, "url"),
        (JSON | {"url": "https://user:pw@hooks.example.com/"}, "url"),
        ({"name": "x", "kind": "slack"}, "url"),
        (JSON | {"recipients": ["ops@example.org"]}, "recipients"),
        (JSON | {"events": ["node.exploded"]}, "events"),
        (JSON | {"events": []}, "events"),
        (JSON | {"kind": "pager"}, "kind"),
        (JSON | {"name": "<b>"}, "name"),
        (MAIL, "kind"),
    ],
)
def test_a_wrong_channel_is_422_and_names_the_field(admin: FlaskClient, values: dict[str, Any], field: str) -> None:
    answer = admin.post(PATH, json=values)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])


@pytest.mark.parametrize("recipients", [[], ["ops"], ["a@b\nBcc: c@d"], ["a@b.c, d@e.f"], ["a@b.c"] * 11, ["ä@b.c"]])
def test_wrong_recipients_are_422(admin: FlaskClient, use_mail: None, recipients: list[str]) -> None:
    assert admin.post(PATH, json=MAIL | {"recipients": recipients}).status_code == 422


def test_a_name_is_taken_once(admin: FlaskClient, own: str) -> None:
    assert admin.post(PATH, json=JSON).json["error"] == "name_taken"
    other = admin.post(PATH, json=JSON | {"name": "other"}).headers["Location"]
    assert admin.patch(other, json={"name": "ops"}).json["error"] == "name_taken"


def test_it_is_changed_rotated_tested_and_deleted(admin: FlaskClient, own: str) -> None:
    changed = admin.patch(own, json={"url": "https://h.example:444/x", "events": ["job.failed"], "enabled": False}).json
    assert (changed["place"], changed["events"], changed["enabled"]) == ("https://h.example:444", ["job.failed"], False)
    assert admin.patch(own, json={"recipients": ["a@b.c"]}).status_code == 422
    assert admin.post(f"{own}/rotate").json["secret"].startswith("bbs_")
    test = admin.post(f"{own}/test").json
    assert (test["event"], test["state"], test["attempts"]) == ("test", "PENDING", 0)
    assert admin.get(f"{own}/deliveries").json == [test]
    assert admin.delete(own).status_code == 204
    assert admin.get(own).status_code == 404


def test_what_failed_is_sent_again_while_its_channel_is_on(app: Flask, admin: FlaskClient, own: str) -> None:
    path = f"{own}/deliveries/{admin.post(f'{own}/test').json['id']}/send-again"
    assert admin.post(path).json["error"] == "wrong_state"
    with app.app_context(), unit_of_work() as session:
        session.execute(update(NotificationDelivery).values(state=DeliveryState.FAILED, next_try_at=None, attempts=12))
    admin.patch(own, json={"enabled": False})
    assert admin.post(path).json["error"] == "channel_off"
    admin.patch(own, json={"enabled": True})
    again = admin.post(path).json
    assert (again["state"], again["attempts"], again["finished_at"]) == ("PENDING", 12, None)
    assert admin.get(f"{own}/deliveries").json == [again]
    (told,) = (each for each in admin.get("/api/v1/events").json if each["action"] == "channel.send_again")
    assert told["detail"] == f"delivery {again['id']}: test of channel ops"
    admin.delete(own)
    assert admin.post(path).status_code == 404


def test_only_admins_see_them(client_of: Callable[[str], FlaskClient], own: str) -> None:
    for name in ("viewer", "operator"):
        client = client_of(name)
        assert {client.get(path).status_code for path in (PATH, own, f"{own}/deliveries")} == {403}
