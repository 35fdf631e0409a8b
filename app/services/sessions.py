"""Logins of browsers: rows here, 256 random bits in the browser; idle and absolute limits; ended one by one or all."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from flask import current_app
from sqlalchemy import delete, select, update

from app.db import db, unit_of_work, utcnow
from app.errors import Forbidden, NotFound
from app.models import Role, User, UserSession
from app.secrets import Secret
from app.services.events import Actor, event
from app.services.paging import Page, paginate
from app.services.tokens import hash_token, new_token
from app.services.users import get_user, get_user_by_name

_PREFIX: Final = "bbs_"
_SEEN_STEP: Final = timedelta(minutes=1)  # how exactly the last use is known


@dataclass(frozen=True, slots=True)
class Browser:
    """From where a login comes, as far as it says."""

    address: str | None = None
    name: str | None = None


def start_session(user: User, browser: Browser, proof: str | None = None) -> Secret:
    """What the browser is to send. `proof` is how the user has logged in; none: an old session goes on as a new one."""
    token, now = new_token(_PREFIX), utcnow()
    actor = Actor(user.name, user.role, browser.address)
    row = UserSession(user_id=user.id, token_hash=hash_token(token.reveal()), epoch=user.session_epoch)
    row.address, row.browser, row.last_seen_at = (browser.address or "")[:64], (browser.name or "")[:255], now
    told = [event(actor, "user.login", f"user {user.name}", detail=proof)] if proof else []
    with unit_of_work() as session:
        session.add_all([row, *told])
    return token


def find_session(text: str, *, is_use: bool) -> UserSession | None:
    """The live session of an active user that this is. A use is noted, once a minute at most."""
    row = db.session.scalar(select(UserSession).where(UserSession.token_hash == hash_token(text)))
    if row is None or not row.user.is_active or row.epoch != row.user.session_epoch or not _is_fresh(row):
        return None
    if is_use and utcnow() - row.last_seen_at > _SEEN_STEP:
        row_id = row.id
        with unit_of_work() as session:
            session.execute(update(UserSession).where(UserSession.id == row_id).values(last_seen_at=utcnow()))
    return row


def list_sessions(actor: Actor, user_id: int | None, page: int, page_size: int) -> Page[UserSession]:
    """The live ones of oneself, or for admins of another user; the latest first."""
    own_id = get_user_by_name(actor.name).id
    if user_id not in (None, own_id) and not actor.role.includes(Role.ADMIN):
        raise Forbidden("Only an admin may see the sessions of others.")
    user = get_user(user_id or own_id)
    idle, begun = _oldest()
    is_live = (UserSession.last_seen_at >= idle) & (UserSession.created_at >= begun)
    of_user = (UserSession.user_id == user.id) & (UserSession.epoch == user.session_epoch)
    return paginate(select(UserSession).where(of_user, is_live).order_by(UserSession.id.desc()), page, page_size)


def end_session(session_id: int, actor: Actor) -> None:
    """One's own, or as an admin anybody's; of others' nothing is told, not even that they exist."""
    row = db.session.get(UserSession, session_id)
    if row is None or (row.user.name != actor.name and not actor.role.includes(Role.ADMIN)):
        raise NotFound(f"There is no session {session_id} of yours.")
    name = row.user.name
    with unit_of_work() as session:
        session.execute(delete(UserSession).where(UserSession.id == session_id))
        session.add(event(actor, "user.logout", f"user {name}", detail=f"session {session_id}"))


def end_sessions(user_id: int, actor: Actor) -> None:
    """All of the user's, on every device, and those that are being started at this moment."""
    name = get_user(user_id).name
    with unit_of_work() as session:
        session.execute(update(User).where(User.id == user_id).values(session_epoch=User.session_epoch + 1))
        session.execute(delete(UserSession).where(UserSession.user_id == user_id))
        session.add(event(actor, "user.logout", f"user {name}", detail="every session"))


def forget_ended() -> None:
    idle, begun = _oldest()
    is_over = (UserSession.last_seen_at < idle) | (UserSession.created_at < begun)
    with unit_of_work() as session:
        session.execute(delete(UserSession).where(is_over))


def _is_fresh(row: UserSession) -> bool:
    idle, begun = _oldest()
    return row.last_seen_at >= idle and row.created_at >= begun


def _oldest() -> tuple[datetime, datetime]:
    """Since when a live session must have been used, and begun."""
    settings, now = current_app.config, utcnow()
    return now - timedelta(minutes=settings["SESSION_IDLE_MINUTES"]), now - timedelta(hours=settings["SESSION_HOURS"])
