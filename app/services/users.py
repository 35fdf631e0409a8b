"""Users: made, logged in, ended."""

import secrets
from functools import cache
from threading import BoundedSemaphore
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app.db import db, unit_of_work
from app.errors import Invalid, NameTaken, NotFound, Unauthenticated, WrongState
from app.models import Role, User
from app.secrets import Secret
from app.services.events import Actor, changes, event, record
from app.services.paging import Page, paginate
from app.services.refusals import Refusal, nobody, note

MIN_PASSWORD_LENGTH: Final = 10
_hasher: Final = PasswordHasher()
_checks: Final = BoundedSemaphore(2)  # each takes 64 MiB, and anybody may ask for one


def create_user(name: str, role: Role, password: Secret, actor: Actor) -> User:
    _ensure_good_password(password)
    user = User(name=clean_name(name), role=role, password_hash=_hasher.hash(password.reveal()))
    try:
        with unit_of_work() as session:
            session.add_all([user, event(actor, "user.create", f"user {user.name}", detail=role.value)])
    except IntegrityError as error:
        text = f"There is a user {name!r} already; choose another name."
        raise NameTaken(text, errors={"name": ["In use."]}) from error
    return user


def list_users(page: int, page_size: int) -> Page[User]:
    return paginate(select(User).order_by(User.name), page, page_size)


def update_user(user_id: int, values: dict[str, Any], actor: Actor) -> User:
    """`role`, `is_active`, `password`. Every session of the user ends; an active admin must be left."""
    told = changes(get_user(user_id), values)
    fields = dict(values)
    if "password" in fields:
        ensure_has_password(get_user(user_id))
    if password := fields.pop("password", None):
        _ensure_good_password(password)
        fields["password_hash"] = _hasher.hash(password.reveal())
    with unit_of_work() as session:
        user = session.get_one(User, user_id)
        for name, value in fields.items():
            setattr(user, name, value)
        user.session_epoch += 1
        session.flush()
        _ensure_admin_left()
        session.add(event(actor, "user.update", f"user {user.name}", detail=told))
    return user


def change_password(current: Secret, new: Secret, actor: Actor) -> User:
    """One's own. Every session of the user ends, the one that asks included: it is to be started anew."""
    user = get_user_by_name(actor.name)
    ensure_has_password(user)
    subject = f"user {user.name}"
    if not _verify(user.password_hash, current):
        record(actor, "user.password", subject, "refused")
        raise Invalid(
            "The password was not changed: the present one is wrong.",
            errors={"current_password": ["This is not your password."]},
        )
    _ensure_good_password(new)
    password_hash = _hasher.hash(new.reveal())
    with unit_of_work() as session:
        user = session.get_one(User, user.id)
        user.password_hash = password_hash
        user.session_epoch += 1
        session.add(event(actor, "user.password", subject))
    return user


def authenticate(name: str, password: Secret, address: str | None) -> User:
    """The user, when the password is right. The same answer, after the same time, for an unknown name; that one is
    noted nowhere, for it may be a password that was typed into the wrong field.

    A second factor may still be asked for: the login is complete, and noted, when its session is started.
    """
    user, nobodys = db.session.scalar(select(User).where(User.name == name)), _nobodys_hash()
    is_right = _verify((user and user.password_hash) or nobodys, password)
    if user is None or not user.has_password or not is_right or not user.is_active:
        _note_failure(user, address)
        raise Unauthenticated("The name or the password is wrong.")
    return user


def is_password_of(user: User, password: Secret) -> bool:
    return _verify(user.password_hash, password)


def ensure_has_password(user: User) -> None:
    """Raises WrongState for somebody who logs in at the issuer."""
    if not user.has_password:
        raise WrongState(f"{user.name} logs in by OIDC and has no password here; the login server keeps it.")


def clean_name(name: str) -> str:
    if not 1 <= len(name) <= 64 or not name.isprintable() or name != name.strip():
        raise Invalid(
            "A user name has 1 to 64 printable characters.", errors={"name": ["1 to 64 printable characters."]}
        )
    return name


def find_user(user_id: int) -> User | None:
    return db.session.get(User, user_id)


def get_user(user_id: int) -> User:
    user = find_user(user_id)
    if user is None:
        raise NotFound(f"There is no user {user_id}.")
    return user


def get_user_by_name(name: str) -> User:
    user = db.session.scalar(select(User).where(User.name == name))
    if user is None:
        raise NotFound(f"There is no user {name!r}.")
    return user


def has_users() -> bool:
    return db.session.scalar(select(User.id).limit(1)) is not None


def _ensure_admin_left() -> None:
    """Asked within the transaction that changes a user, which it undoes."""
    is_admin = (User.role == Role.ADMIN) & User.is_active.is_(True)
    if not db.session.scalar(select(func.count()).select_from(User).where(is_admin)):
        raise WrongState("This would leave no active admin; make another user admin first.")


def _note_failure(user: User | None, address: str | None) -> None:
    if user is None:
        note(Refusal(nobody(address), "user.login", "a name that no user has", Unauthenticated.code, is_login=True))
    else:
        record(Actor(user.name, Role.VIEWER, address), "user.login", f"user {user.name}", "refused")


@cache
def _nobodys_hash() -> str:
    """What the password for an unknown name is compared with, so that the answer takes the same time. Whoever logs in
    first pays for it, known or unknown; a start does not."""
    with _checks:
        return _hasher.hash(secrets.token_hex())


def _verify(password_hash: str, password: Secret) -> bool:
    try:
        with _checks:
            return _hasher.verify(password_hash, password.reveal())
    except (VerificationError, InvalidHashError):
        return False


def _ensure_good_password(password: Secret) -> None:
    if len(password.reveal()) < MIN_PASSWORD_LENGTH:
        rule = f"A password has at least {MIN_PASSWORD_LENGTH} characters."
        raise Invalid(rule, errors={"password": [rule]})
