"""Logins as rows: what ends one, what ends all, and what is never stored."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.db import db, unit_of_work, utcnow
from app.errors import Forbidden, NotFound
from app.models import Role, User, UserSession
from app.secrets import Secret
from app.services import sessions, users
from app.services.events import SYSTEM, Actor
from app.services.sessions import Browser
from tests.support.application import PASSWORD

VERA = Actor("viewer", Role.VIEWER)
NEW = Secret("another long enough password")
pytestmark = pytest.mark.usefixtures("app_context")


def vera() -> User:
    return users.get_user_by_name("viewer")


def start() -> str:
    return sessions.start_session(vera(), Browser("192.0.2.7", "Firefox")).reveal()


def is_live(token: str) -> bool:
    db.session.rollback()
    return sessions.find_session(token, is_use=True) is not None


def backdate(**columns: timedelta) -> None:
    with unit_of_work() as session:
        session.execute(update(UserSession).values({name: utcnow() - ago for name, ago in columns.items()}))


def test_a_login_is_found_by_what_its_browser_sends_which_is_not_stored() -> None:
    token = start()
    assert is_live(token)
    row = db.session.scalars(select(UserSession)).one()
    assert token not in str([getattr(row, column.name) for column in UserSession.__table__.columns])
    assert (row.address, row.browser) == ("192.0.2.7", "Firefox")


@pytest.mark.parametrize("wrong", ["", "bbs_", "x" * 5000, "\udcff", "1"])
def test_anything_else_is_nobodys_login(wrong: str) -> None:
    start()
    assert not is_live(wrong)


def test_an_unused_login_ends() -> None:
    token = start()
    backdate(last_seen_at=timedelta(minutes=29))
    assert is_live(token)  # and this was a use
    backdate(last_seen_at=timedelta(minutes=31))
    assert not is_live(token)


def test_a_used_login_ends_too_in_the_end() -> None:
    token = start()
    backdate(created_at=timedelta(hours=11, minutes=59))
    assert is_live(token)
    backdate(created_at=timedelta(hours=12, minutes=1))
    assert not is_live(token)


def test_what_a_page_does_by_itself_is_no_use() -> None:
    token = start()
    backdate(last_seen_at=timedelta(minutes=20))
    sessions.find_session(token, is_use=False)
    assert db.session.scalars(select(UserSession)).one().last_seen_at < utcnow() - timedelta(minutes=19)
    assert is_live(token)
    assert db.session.scalars(select(UserSession)).one().last_seen_at > utcnow() - timedelta(minutes=19)


def test_a_changed_password_role_or_state_ends_every_login() -> None:
    for values in ({"password": NEW}, {"role": Role.OPERATOR}, {"is_active": False}, {"is_active": True}):
        token = start()
        users.update_user(vera().id, values, SYSTEM)
        assert not is_live(token), values


def test_ones_own_new_password_ends_every_login() -> None:
    token = start()
    users.change_password(Secret(PASSWORD), NEW, VERA)
    assert not is_live(token)


def test_a_login_that_was_under_way_when_all_were_ended_does_not_count() -> None:
    user = vera()
    db.session.expunge(user)  # as read before
    sessions.end_sessions(user.id, SYSTEM)
    assert not is_live(sessions.start_session(user, Browser()).reveal())


def test_one_login_is_ended_and_the_other_goes_on() -> None:
    first, second = start(), start()
    found = sessions.find_session(first, is_use=True)
    assert found is not None
    sessions.end_session(found.id, VERA)
    assert (is_live(first), is_live(second)) == (False, True)


def test_of_others_logins_nothing_is_told() -> None:
    sessions.start_session(users.get_user_by_name("admin"), Browser())
    row = db.session.scalars(select(UserSession)).one()
    with pytest.raises(NotFound):
        sessions.end_session(row.id, VERA)
    with pytest.raises(Forbidden):
        sessions.list_sessions(VERA, row.user_id, 1, 10)


def test_an_admin_sees_and_ends_those_of_others() -> None:
    token = start()
    boss = Actor("admin", Role.ADMIN)
    assert [row.browser for row in sessions.list_sessions(boss, vera().id, 1, 10).items] == ["Firefox"]
    sessions.end_sessions(vera().id, boss)
    assert not is_live(token)
    assert sessions.list_sessions(boss, vera().id, 1, 10).items == []


def test_ended_logins_are_forgotten(app: Flask) -> None:
    start()
    backdate(last_seen_at=timedelta(minutes=31))
    token = start()
    sessions.forget_ended()
    assert len(db.session.scalars(select(UserSession)).all()) == 1
    assert is_live(token)
