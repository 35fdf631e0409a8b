"""Users who log in at an issuer: linked by issuer and subject, never by a name; the role is what the claim says."""

from collections.abc import Mapping
from hmac import compare_digest
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app.db import db, unit_of_work
from app.errors import Invalid, LoginRefused
from app.models import OidcIdentity, Role, User
from app.services.events import SYSTEM, Actor, changes, event
from app.services.oidc import Attempt, Issuer
from app.services.oidc_settings import OidcSettings
from app.services.refusals import NOBODY, Refusal, nobody, note
from app.services.users import clean_name

_SUBJECT_LIMIT: Final = 255  # OpenID Connect Core 1.0, 2
_OWN_NAMES: Final = (SYSTEM.name, NOBODY)


def log_in(issuer: Issuer, attempt: Attempt | None, answer: Mapping[str, str], address: str | None) -> User:
    """The user whom the issuer's answer proves. Raises LoginRefused, which is noted, or IssuerUnavailable."""
    subject = "a login by OIDC"
    try:
        claims = _claims(issuer, attempt, answer)
        subject = f"OIDC user {_shown(claims.get(issuer.settings.username_claim))}"
        return _admit(claims, issuer.settings, address)
    except LoginRefused as error:
        note(Refusal(nobody(address), "user.login", subject, error.code, error.message, is_login=True))
        raise


def _claims(issuer: Issuer, attempt: Attempt | None, answer: Mapping[str, str]) -> dict[str, Any]:
    if attempt is None or not compare_digest(attempt.state.encode(), answer.get("state", "").encode()):
        raise LoginRefused("This answer does not belong to a login that was begun here; log in again.")
    if not issuer.names_itself(answer.get("iss")):
        raise LoginRefused("This answer is of another login server; log in again.")
    if "error" in answer or not answer.get("code"):
        raise LoginRefused(f"{issuer.settings.name} has not let you in; log in again, or ask who runs it.")
    return issuer.redeem(answer["code"], attempt)


def _admit(claims: Mapping[str, Any], settings: OidcSettings, address: str | None) -> User:
    subject, role = claims["sub"], settings.role_of(claims)
    if not isinstance(subject, str) or not 1 <= len(subject) <= _SUBJECT_LIMIT or not _is_plain(subject):
        raise LoginRefused(f"{settings.name} names no subject that can be used.")
    user = _find(settings.issuer, subject)
    if user is not None and not user.is_active:
        raise LoginRefused(f"The account {user.name} is disabled here; ask an admin.")
    if role is None:
        _end_sessions(user)
        raise LoginRefused(f"{settings.name} gives you no role here; ask an admin for one (OIDC_ROLES).")
    if user is None:
        return _made(claims, settings, role, address)
    return _with_role(user, role, address)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _find(issuer: str, subject: str) -> User | None:
    is_it = (OidcIdentity.issuer == issuer) & (OidcIdentity.subject == subject)
    return db.session.scalar(select(User).join(OidcIdentity, OidcIdentity.user_id == User.id).where(is_it))


def _made(claims: Mapping[str, Any], settings: OidcSettings, role: Role, address: str | None) -> User:
    name = _free_name(claims.get(settings.username_claim), settings)
    user = User(name=name, role=role, password_hash="")
    detail = f"{role.value}, by OIDC from {settings.issuer}"
    try:
        with unit_of_work() as session:
            session.add(user)
            session.flush()
            session.add(OidcIdentity(user_id=user.id, issuer=settings.issuer, subject=claims["sub"]))
            session.add(event(Actor(name, role, address), "user.create", f"user {name}", detail=detail))
    except IntegrityError as error:
        raise LoginRefused("This account was being made at this moment; log in again.") from error
    return user


def _free_name(given: object, settings: OidcSettings) -> str:
    """No look-alike either: acts are told by name, and names of Bareboat itself have a meaning in them."""
    try:
        name = clean_name(given if isinstance(given, str) else "")
    except Invalid as error:
        text = f"{settings.name} sends no usable user name ({settings.username_claim}): 1 to 64 printable characters."
        raise LoginRefused(text) from error
    if _is_taken(name):
        raise LoginRefused(
            f"The name {name} is taken here by another user, who is not replaced. If that is you, log in with the "
            f"password; else have your name changed at {settings.name}."
        )
    return name


def _is_taken(name: str) -> bool:
    if name.lower() in _OWN_NAMES or name.lower().startswith("cli:"):
        return True
    return db.session.scalar(select(User.id).where(func.lower(User.name) == name.lower())) is not None


def _with_role(user: User, role: Role, address: str | None) -> User:
    """A change ends the logins that were made with the old role."""
    if user.role is role:
        return user
    user_id, told = user.id, changes(user, {"role": role})
    with unit_of_work() as session:
        changed = session.get_one(User, user_id)
        changed.role = role
        changed.session_epoch += 1
        actor = Actor(changed.name, role, address)
        session.add(event(actor, "user.update", f"user {changed.name}", detail=f"{told}, by OIDC"))
    return changed


def _end_sessions(user: User | None) -> None:
    if user is None:
        return
    user_id = user.id
    with unit_of_work() as session:
        session.get_one(User, user_id).session_epoch += 1


def _shown(name: object) -> str:
    return name[:64] if isinstance(name, str) and name.isprintable() and name else "without a name"
