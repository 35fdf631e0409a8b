"""API tokens: 256 random bits, shown once, stored as a hash."""

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import select, update

from app.db import db, unit_of_work, utcnow
from app.errors import Forbidden, Invalid, NotFound
from app.models import ApiToken, Role, User
from app.plurals import counted
from app.secrets import Secret
from app.services.events import Actor, event
from app.services.paging import Page, paginate
from app.services.users import get_user_by_name

API_TOKEN_PREFIX: Final = "bbt_"  # noqa: S105 - a mark that secret scanners can look for, not a secret
NODE_TOKEN_PREFIX: Final = "bbn_"  # noqa: S105
_LAST_USED_STEP: Final = timedelta(minutes=1)


def list_tokens(actor: Actor, user_id: int | None, page: int, page_size: int) -> Page[ApiToken]:
    """One's own, the newest first; those of another user for admins only."""
    own_id = get_user_by_name(actor.name).id
    if user_id not in (None, own_id) and not actor.role.includes(Role.ADMIN):
        raise Forbidden("Only an admin may see the tokens of others.")
    return paginate(
        select(ApiToken).where(ApiToken.user_id == (user_id or own_id)).order_by(ApiToken.id.desc()), page, page_size
    )


def create_own_token(name: str, days: int, actor: Actor, role: Role | None = None) -> tuple[ApiToken, Secret]:
    """A token for the one who asks, and its only showing. `role`: at most one's own, which it is without a word."""
    return _store_token(get_user_by_name(actor.name), name, days, actor, role)


def create_token(user: User, name: str, days: int, actor: Actor, role: Role | None = None) -> Secret:
    """The token's only showing."""
    return _store_token(user, name, days, actor, role)[1]


def delete_token(token_id: int, actor: Actor) -> None:
    """One's own, or as an admin anybody's; of others' tokens nothing is told, not even that they exist."""
    row = db.session.get(ApiToken, token_id)
    if row is None or (row.user.name != actor.name and not actor.role.includes(Role.ADMIN)):
        raise NotFound(f"There is no token {token_id} of yours.")
    with unit_of_work() as session:
        session.add(event(actor, "token.delete", f"user {row.user.name}", detail=row.name))
        session.delete(row)


def find_token(text: str) -> ApiToken | None:
    """The unexpired token of an active user that this is; its use is noted once a minute at most."""
    row = db.session.scalar(select(ApiToken).where(ApiToken.token_hash == hash_token(text)))
    if row is None or not row.user.is_active or (row.expires_at and row.expires_at <= utcnow()):
        return None
    row_id = row.id
    if row.last_used_at is None or utcnow() - row.last_used_at > _LAST_USED_STEP:
        with unit_of_work() as session:
            session.execute(update(ApiToken).where(ApiToken.id == row_id).values(last_used_at=utcnow()))
    return db.session.get(ApiToken, row_id)


def new_token(prefix: str) -> Secret:
    return Secret(prefix + secrets.token_urlsafe(32))


def hash_token(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _store_token(user: User, name: str, days: int, actor: Actor, role: Role | None) -> tuple[ApiToken, Secret]:
    _ensure_allowed(user, days, role)
    token = new_token(API_TOKEN_PREFIX)
    row = ApiToken(user_id=user.id, name=name, role=role, token_hash=hash_token(token.reveal()))
    row.expires_at = utcnow() + timedelta(days=days)
    detail = f"{name}: {(role or user.role).value}, {counted(days, 'day')}"
    told = event(actor, "token.create", f"user {user.name}", detail=detail)
    with unit_of_work() as session:
        session.add_all([row, told])
    return row, token


def _ensure_allowed(user: User, days: int, role: Role | None) -> None:
    if not 1 <= days <= 3650:
        raise Invalid(errors={"days": ["From 1 to 3650."]})
    if role is not None and not user.role.includes(role):
        rule = f"Not above the role of its owner, which is {user.role.value}."
        raise Invalid(rule, errors={"role": [rule]})
