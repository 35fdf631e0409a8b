"""What is changed of a user, and what the audit log says of it."""

import pytest
from argon2 import PasswordHasher
from pytest_mock import MockerFixture
from sqlalchemy import select

from app.db import db
from app.errors import Invalid, Unauthenticated
from app.models import Event, Role, User
from app.secrets import Secret
from app.services import nodes, users
from app.services.events import SYSTEM, Actor, changes
from tests.support.application import PASSWORD

VERA = Actor("viewer", Role.VIEWER)
NEW = Secret("another long enough password")
pytestmark = pytest.mark.usefixtures("app_context")


def last_event() -> Event:
    return db.session.scalars(select(Event).order_by(Event.id.desc())).first() or Event()


def test_an_event_says_what_was_and_what_is() -> None:
    user = users.get_user_by_name("viewer")
    users.update_user(user.id, {"role": Role.ADMIN, "is_active": True}, SYSTEM)
    assert last_event().detail == "role: viewer → admin"


def test_an_event_never_holds_a_password() -> None:
    user = users.get_user_by_name("viewer")
    users.update_user(user.id, {"password": NEW}, SYSTEM)
    assert last_event().detail == "password: changed"


def test_values_that_are_none_empty_or_nested_are_told_apart() -> None:
    values = {"hostname": "192.0.2.1", "ssh_user": "deploy", "projects_root": "/srv", "labels": {"b": "1", "a": "ä"}}
    node = nodes.create_node({"name": "web-1"} | values, SYSTEM)
    asked = {"labels": {}, "editor_url": "https://x", "ssh_port": 2222, "ssh_user": "deploy"}
    told = 'editor_url: none → https://x; labels: {"a": "ä", "b": "1"} → {}; ssh_port: 22 → 2222'
    assert changes(node, asked) == told
    assert changes(node, {"ssh_user": "deploy"}) == "no change"


def test_ones_own_password_needs_the_present_one() -> None:
    epoch = users.get_user_by_name("viewer").session_epoch
    with pytest.raises(Invalid) as refused:
        users.change_password(Secret("a guess"), NEW, VERA)
    assert list(refused.value.errors) == ["current_password"]
    assert (last_event().action, last_event().outcome) == ("user.password", "refused")
    assert users.get_user_by_name("viewer").session_epoch == epoch


def test_a_changed_password_ends_every_session() -> None:
    user: User = users.change_password(Secret(PASSWORD), NEW, VERA)
    assert user.session_epoch == 1
    assert (last_event().action, last_event().outcome, last_event().detail) == ("user.password", "ok", None)
    assert users.authenticate("viewer", NEW, None).id == user.id


def test_a_new_password_that_is_too_short_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        users.change_password(Secret(PASSWORD), Secret("short"), VERA)
    assert list(refused.value.errors) == ["password"]


@pytest.mark.parametrize("name", ["viewer", "nobody of that name"])
def test_the_first_login_pays_for_the_hash_of_unknown_names_whoever_it_is(name: str, mocker: MockerFixture) -> None:
    users._nobodys_hash.cache_clear()
    made = mocker.spy(PasswordHasher, "hash")
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            users.authenticate(name, Secret("not the password"), None)
    assert made.call_count == 1
