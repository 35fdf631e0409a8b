"""API tokens: 256 random bits, shown once, stored as a hash."""

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import select, update

from app.db import db, unit_of_work, utcnow
from app.errors import Invalid
from app.models import ApiToken, User
from app.secrets import Secret
from app.services.events import Actor, event

API_TOKEN_PREFIX: Final = "bbt_"  # noqa: S105 - a mark that secret scanners can look for, not a secret
NODE_TOKEN_PREFIX: Final = "bbn_"  # noqa: S105
_LAST_USED_STEP: Final = timedelta(minutes=1)


def create_token(user: User, name: str, days: int, actor: Actor) -> Secret:
    """The token's only showing."""
    if not 1 <= days <= 3650:
        raise Invalid(errors={"days": ["From 1 to 3650."]})
    token = new_token(API_TOKEN_PREFIX)
    row = ApiToken(
        user_id=user.id, name=name, token_hash=hash_token(token.reveal()), expires_at=utcnow() + timedelta(days=days)
    )
    subject = f"user {user.name}"
    with unit_of_work() as session:
        session.add_all([row, event(actor, "token.create", subject, detail=name)])
    return token


def find_user_by_token(text: str) -> User | None:
    """The active user whose unexpired token this is; its use is noted once a minute at most."""
    row = db.session.scalar(select(ApiToken).where(ApiToken.token_hash == hash_token(text)))
    if row is None or not row.user.is_active or (row.expires_at and row.expires_at <= utcnow()):
        return None
    user_id = row.user_id
    if row.last_used_at is None or utcnow() - row.last_used_at > _LAST_USED_STEP:
        with unit_of_work() as session:
            session.execute(update(ApiToken).where(ApiToken.id == row.id).values(last_used_at=utcnow()))
    return db.session.get(User, user_id)


def new_token(prefix: str) -> Secret:
    return Secret(prefix + secrets.token_urlsafe(32))


def hash_token(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
