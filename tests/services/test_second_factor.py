"""The second factor: what counts as a proof, and that none counts twice."""

from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest
from pytest_mock import MockerFixture
from sqlalchemy import select, text

from app.db import db, unit_of_work, utcnow
from app.errors import Invalid, SecretUnreadable, Unauthenticated, WrongState
from app.models import Event, RecoveryCode, Role, SecondFactor
from app.secrets import Secret
from app.services import second_factor, users
from app.services.events import SYSTEM, Actor
from tests.support.application import PASSWORD

VERA = Actor("viewer", Role.VIEWER)
pytestmark = pytest.mark.usefixtures("app_context")


class Clock:
    """Stands at one moment, so that no code changes under a test; moved by hand."""

    def __init__(self, mocker: MockerFixture) -> None:
        self.now = utcnow()
        mocker.patch("app.services.second_factor.utcnow", side_effect=lambda: self.now)

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def code(self, secret: str) -> str:
        return pyotp.TOTP(secret).at(self.now)


@pytest.fixture
def clock(mocker: MockerFixture) -> Clock:
    return Clock(mocker)


def vera_id() -> int:
    return users.get_user_by_name("viewer").id


def enrol(clock: Clock) -> tuple[str, list[str]]:
    """The secret of the app, and the recovery codes; the code that confirmed is one step ago."""
    secret = second_factor.begin(Secret(PASSWORD), VERA).secret.reveal()
    codes = [code.reveal() for code in second_factor.confirm(clock.code(secret), VERA)]
    clock.pass_by(30)
    return secret, codes


def wrong_code(clock: Clock, secret: str) -> str:
    near = {pyotp.TOTP(secret).at(clock.now + timedelta(seconds=30 * aside)) for aside in (-1, 0, 1)}
    return next(code for code in ("000000", "000001", "000002", "000003") if code not in near)


def told() -> list[tuple[str, str, str | None]]:
    rows = db.session.scalars(select(Event).order_by(Event.id))
    return [(row.action, row.outcome, row.detail) for row in rows]


def test_it_is_on_only_after_a_code_was_seen(clock: Clock) -> None:
    secret = second_factor.begin(Secret(PASSWORD), VERA).secret.reveal()
    assert not second_factor.is_on(vera_id())
    with pytest.raises(Invalid) as refused:
        second_factor.confirm(wrong_code(clock, secret), VERA)
    assert list(refused.value.errors) == ["code"]
    assert not second_factor.is_on(vera_id())
    assert len(second_factor.confirm(clock.code(secret), VERA)) == 10
    assert second_factor.is_on(vera_id())


def test_a_code_counts_once(clock: Clock) -> None:
    secret, _ = enrol(clock)
    code = clock.code(secret)
    assert second_factor.find_proof(vera_id(), code) == "code"
    assert second_factor.find_proof(vera_id(), code) is None


def test_the_code_that_turned_it_on_does_not_log_in(clock: Clock) -> None:
    secret = second_factor.begin(Secret(PASSWORD), VERA).secret.reveal()
    second_factor.confirm(clock.code(secret), VERA)
    assert second_factor.find_proof(vera_id(), clock.code(secret)) is None


def test_an_older_code_does_not_count_after_a_newer_one(clock: Clock) -> None:
    secret, _ = enrol(clock)
    clock.pass_by(30)
    older = clock.code(secret)
    clock.pass_by(30)
    assert second_factor.find_proof(vera_id(), clock.code(secret)) == "code"
    assert second_factor.find_proof(vera_id(), older) is None


def test_a_clock_may_be_one_step_off_and_no_more(clock: Clock) -> None:
    secret, _ = enrol(clock)
    early = clock.code(secret)
    clock.pass_by(60)
    assert second_factor.find_proof(vera_id(), early) is None
    clock.pass_by(30)
    ahead = pyotp.TOTP(secret).at(clock.now + timedelta(seconds=30))
    assert second_factor.find_proof(vera_id(), f" {ahead[:3]} {ahead[3:]}") == "code"


def test_a_recovery_code_counts_once_however_it_is_typed(clock: Clock) -> None:
    _, codes = enrol(clock)
    assert len(set(codes)) == 10
    assert second_factor.find_proof(vera_id(), codes[0].upper().replace("-", " ")) == "recovery code"
    assert second_factor.find_proof(vera_id(), codes[0]) is None
    assert second_factor.recovery_codes_left(vera_id()) == 9


@pytest.mark.parametrize("code", ["", " ", "-", "0" * 5000, "\udcff", "١٢٣٤٥٦"])
def test_nonsense_is_no_proof(clock: Clock, code: str) -> None:
    enrol(clock)
    assert second_factor.find_proof(vera_id(), code) is None


def test_anothers_recovery_code_is_no_proof(clock: Clock) -> None:
    _, codes = enrol(clock)
    assert second_factor.find_proof(users.get_user_by_name("admin").id, codes[0]) is None


def test_a_stolen_table_has_neither_secret_nor_codes(clock: Clock) -> None:
    secret, codes = enrol(clock)
    kept = str(db.session.execute(text("SELECT * FROM second_factor")).all())
    kept += str(db.session.execute(text("SELECT * FROM recovery_code")).all())
    assert not [word for word in (secret, *codes) if word in kept or word.replace("-", "") in kept]


def test_a_sealed_secret_opens_in_its_own_row_only(clock: Clock) -> None:
    enrol(clock)
    boss = Actor("admin", Role.ADMIN)
    second_factor.begin(Secret(PASSWORD), boss)
    with unit_of_work() as session:
        mine, other = session.scalars(select(SecondFactor).order_by(SecondFactor.id)).all()
        other.secret_sealed = mine.secret_sealed
    with pytest.raises(SecretUnreadable):
        second_factor.get_enrolment(boss)


def test_a_wrong_code_at_the_login_is_refused_and_noted(clock: Clock) -> None:
    secret, _ = enrol(clock)
    with pytest.raises(Unauthenticated):
        second_factor.verify(users.get_user_by_name("viewer"), wrong_code(clock, secret), "192.0.2.7")
    assert told()[-1] == ("user.login", "refused", "wrong code")


def test_setting_it_up_needs_the_password(clock: Clock) -> None:
    with pytest.raises(Invalid) as refused:
        second_factor.begin(Secret("a guess of mine"), VERA)
    assert list(refused.value.errors) == ["password"]
    assert db.session.scalars(select(SecondFactor)).all() == []


def test_a_second_one_does_not_replace_the_first(clock: Clock) -> None:
    enrol(clock)
    with pytest.raises(WrongState):
        second_factor.begin(Secret(PASSWORD), VERA)
    with pytest.raises(WrongState):
        second_factor.confirm("000000", VERA)
    with pytest.raises(WrongState):
        second_factor.get_enrolment(VERA)


def ensure_it_takes_both(change: Callable[[Secret, str, Actor], object], clock: Clock, secret: str) -> None:
    with pytest.raises(Invalid):
        change(Secret("a guess of mine"), clock.code(secret), VERA)
    with pytest.raises(Invalid):
        change(Secret(PASSWORD), wrong_code(clock, secret), VERA)


def test_turning_it_off_needs_password_and_code(clock: Clock) -> None:
    secret, codes = enrol(clock)
    ensure_it_takes_both(second_factor.disable, clock, secret)
    assert second_factor.is_on(vera_id())
    second_factor.disable(Secret(PASSWORD), codes[3], VERA)
    assert not second_factor.is_on(vera_id())
    assert db.session.scalars(select(RecoveryCode)).all() == []
    acts = [event for event in told() if event[0] == "user.second_factor"]
    assert acts == [
        ("user.second_factor", "ok", "on"),
        ("user.second_factor", "refused", "wrong password"),
        ("user.second_factor", "refused", "off: wrong code"),
        ("user.second_factor", "ok", "off"),
    ]


def test_new_recovery_codes_take_password_and_code_and_end_the_old_ones(clock: Clock) -> None:
    secret, old = enrol(clock)
    ensure_it_takes_both(second_factor.renew_recovery_codes, clock, secret)
    assert second_factor.recovery_codes_left(vera_id()) == 10
    new = [code.reveal() for code in second_factor.renew_recovery_codes(Secret(PASSWORD), clock.code(secret), VERA)]
    assert (len(set(new) - set(old)), second_factor.recovery_codes_left(vera_id())) == (10, 10)
    assert second_factor.find_proof(vera_id(), old[0]) is None
    assert second_factor.find_proof(vera_id(), new[0]) == "recovery code"
    assert told()[-3:] == [
        ("user.second_factor", "refused", "wrong password"),
        ("user.second_factor", "refused", "recovery codes: wrong code"),
        ("user.second_factor", "ok", "new recovery codes"),
    ]


def test_without_a_second_factor_there_is_nothing_to_renew_or_turn_off(clock: Clock) -> None:
    for change in (second_factor.renew_recovery_codes, second_factor.disable):
        with pytest.raises(WrongState):
            change(Secret(PASSWORD), "000000", VERA)
    assert second_factor.recovery_codes_left(vera_id()) == 0


def test_a_reset_ends_every_login_and_is_noted(clock: Clock) -> None:
    enrol(clock)
    epoch = users.get_user_by_name("viewer").session_epoch
    second_factor.reset(vera_id(), SYSTEM)
    db.session.rollback()
    assert not second_factor.is_on(vera_id())
    assert users.get_user_by_name("viewer").session_epoch == epoch + 1
    assert told()[-1] == ("user.second_factor", "ok", "reset")
    with pytest.raises(WrongState):
        second_factor.reset(vera_id(), SYSTEM)
