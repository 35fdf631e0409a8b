"""The second factor: codes of an authenticator app (TOTP, RFC 6238), each taken once, and recovery codes."""

import hashlib
import secrets
from base64 import b32encode
from dataclasses import dataclass
from datetime import timedelta
from hmac import compare_digest
from typing import Final

import pyotp
from sqlalchemy import delete, select, update

from app.db import db, unit_of_work, utcnow
from app.errors import Invalid, Unauthenticated, WrongState
from app.models import RecoveryCode, SecondFactor, User
from app.secrets import Secret
from app.services.events import Actor, event, record
from app.services.runtime import runtime
from app.services.sealing import seal
from app.services.users import ensure_has_password, get_user, get_user_by_name, is_password_of

ISSUER: Final = "Bareboat"
RECOVERY_CODES: Final = 10
_STEPS_ASIDE: Final = (0, -1, 1)  # RFC 6238, 5.2: one step for clocks and slow fingers
_WRONG: Final = "The code is wrong, or has been used already; wait for the next one."
_OFF: Final = "The second factor is off: there is nothing to change; set it up on the page Account."


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Shown while an app is being set up, never afterwards. `uri` is what the QR code says."""

    secret: Secret
    uri: Secret


def is_on(user_id: int) -> bool:
    row = _find(user_id)
    return row is not None and row.confirmed_at is not None


def begin(password: Secret, actor: Actor) -> Enrolment:
    """A new secret; it counts once `confirm` has seen a code of it. One that was begun before is dropped."""
    user = get_user_by_name(actor.name)
    _ensure_password(user, password, actor)
    if is_on(user.id):
        raise WrongState("The second factor is on already; turn it off first.")
    secret, user_id = Secret(pyotp.random_base32()), user.id
    with unit_of_work() as session:
        session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))
        row = SecondFactor(user_id=user_id, secret_sealed="")
        session.add(row)
        session.flush()  # the row's uid, to which the secret is bound, is made here
        row.secret_sealed = seal(secret, row.seal_purpose)
    return _enrolment(secret, actor.name)


def get_enrolment(actor: Actor) -> Enrolment:
    """The one that is under way. Raises WrongState when there is none."""
    row = _find(get_user_by_name(actor.name).id)
    if row is None or row.confirmed_at is not None:
        raise WrongState("No second factor is being set up; begin on the page Account.")
    return _enrolment(_open(row), actor.name)


def confirm(code: str, actor: Actor) -> list[Secret]:
    """The second factor is on from now; the answer is the only showing of the recovery codes."""
    row = _find(get_user_by_name(actor.name).id)
    if row is None or row.confirmed_at is not None:
        raise WrongState("No second factor is being set up; begin on the page Account.")
    user_id = row.user_id
    if not _take_code(row, code):
        raise Invalid(_WRONG, errors={"code": [_WRONG]})
    with unit_of_work() as session:
        session.execute(update(SecondFactor).where(SecondFactor.user_id == user_id).values(confirmed_at=utcnow()))
        codes = _replace_recovery_codes(user_id)
        session.add(event(actor, "user.second_factor", f"user {actor.name}", detail="on"))
    return codes


def renew_recovery_codes(password: Secret, code: str, actor: Actor) -> list[Secret]:
    """The answer is the only showing of the new ones; the old ones count no more. It takes what turning off takes."""
    user_id = _ensure_both(password, code, actor, "recovery codes")
    is_still_on = (SecondFactor.user_id == user_id) & SecondFactor.confirmed_at.is_not(None)
    with unit_of_work() as session:
        # Nothing is changed, but of two who ask at once one waits here; else both sets would count.
        if not session.execute(update(SecondFactor).where(is_still_on).values(uid=SecondFactor.uid)).rowcount:
            raise WrongState(_OFF)
        codes = _replace_recovery_codes(user_id)
        session.add(event(actor, "user.second_factor", f"user {actor.name}", detail="new recovery codes"))
    return codes


def disable(password: Secret, code: str, actor: Actor) -> None:
    _remove(_ensure_both(password, code, actor, "off"), actor, actor.name, "off")


def reset(user_id: int, actor: Actor) -> None:
    """For somebody who has lost app and codes: the password alone is enough again, and every session ends."""
    name = get_user(user_id).name
    if _find(user_id) is None:
        raise WrongState(f"{name} has no second factor.")
    _remove(user_id, actor, name, "reset")


def verify(user: User, code: str, address: str | None) -> str:
    """How the user has proved to be the one, in words for the audit log. Raises Unauthenticated."""
    asker = Actor(user.name, user.role, address)
    proof = find_proof(user.id, code)
    if proof is None:
        record(asker, "user.login", f"user {asker.name}", "refused", "wrong code")
        raise Unauthenticated(_WRONG)
    return f"password and {proof}"


def find_proof(user_id: int, code: str) -> str | None:
    """`code` or `recovery code` when it is one; it is used up with that."""
    row = _find(user_id)
    if row is None or row.confirmed_at is None:
        return None
    if _take_code(row, code):
        return "code"
    return "recovery code" if _take_recovery_code(user_id, code) else None


def recovery_codes_left(user_id: int) -> int:
    return len(db.session.scalars(select(RecoveryCode.id).where(RecoveryCode.user_id == user_id)).all())


def _find(user_id: int) -> SecondFactor | None:
    return db.session.scalar(select(SecondFactor).where(SecondFactor.user_id == user_id))


def _open(row: SecondFactor) -> Secret:
    return runtime().vault.open(row.secret_sealed, row.seal_purpose)


def _enrolment(secret: Secret, name: str) -> Enrolment:
    return Enrolment(secret, Secret(pyotp.TOTP(secret.reveal(), name=name, issuer=ISSUER).provisioning_uri()))


def _take_code(row: SecondFactor, code: str) -> bool:
    """One guarded update: of two who send the same code, one gets in."""
    row_id, step = row.id, _step_of(row, code)
    if step is None:
        return False
    is_new = (SecondFactor.id == row_id) & (SecondFactor.last_step < step)
    with unit_of_work() as session:
        taken = session.execute(update(SecondFactor).where(is_new).values(last_step=step)).rowcount
    return bool(taken)


def _step_of(row: SecondFactor, code: str) -> int | None:
    totp, given = pyotp.TOTP(_open(row).reveal()), "".join(code.split())
    for aside in _STEPS_ASIDE:
        at = utcnow() + timedelta(seconds=aside * totp.interval)
        if compare_digest(totp.at(at).encode(), given.encode(errors="surrogateescape")):
            return totp.timecode(at)
    return None


def _take_recovery_code(user_id: int, code: str) -> bool:
    is_it = (RecoveryCode.user_id == user_id) & (RecoveryCode.code_hash == _hash(code))
    with unit_of_work() as session:
        return bool(session.execute(delete(RecoveryCode).where(is_it)).rowcount)


def _new_recovery_code() -> Secret:
    text = b32encode(secrets.token_bytes(10)).decode().lower()
    return Secret("-".join(text[at : at + 4] for at in range(0, len(text), 4)))


def _hash(code: str) -> str:
    plain = "".join(letter for letter in code.lower() if letter.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()


def _replace_recovery_codes(user_id: int) -> list[Secret]:
    """Within the caller's transaction."""
    codes = [_new_recovery_code() for _ in range(RECOVERY_CODES)]
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    db.session.add_all(RecoveryCode(user_id=user_id, code_hash=_hash(made.reveal())) for made in codes)
    return codes


def _ensure_both(password: Secret, code: str, actor: Actor, act: str) -> int:
    """Password and a code (or recovery code, used up with that): whoever finds an open browser has neither.

    Gives the id of the user. Raises WrongState when there is no second factor.
    """
    user = get_user_by_name(actor.name)
    user_id = user.id
    _ensure_password(user, password, actor)
    if not is_on(user_id):
        raise WrongState(_OFF)
    if find_proof(user_id, code) is None:
        record(actor, "user.second_factor", f"user {actor.name}", "refused", f"{act}: wrong code")
        raise Invalid(_WRONG, errors={"code": [_WRONG]})
    return user_id


def _ensure_password(user: User, password: Secret, actor: Actor) -> None:
    ensure_has_password(user)
    if not is_password_of(user, password):
        record(actor, "user.second_factor", f"user {actor.name}", "refused", "wrong password")
        raise Invalid(
            "Nothing was changed: the password is wrong.", errors={"password": ["This is not your password."]}
        )


def _remove(user_id: int, actor: Actor, name: str, how: str) -> None:
    with unit_of_work() as session:
        session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))
        session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
        if how == "reset":
            session.execute(update(User).where(User.id == user_id).values(session_epoch=User.session_epoch + 1))
        session.add(event(actor, "user.second_factor", f"user {name}", detail=how))
