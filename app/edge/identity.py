"""Who asks: a browser's session or an API token; and the one decorator that holds roles.

A request with an `Authorization` header is judged by that header alone; every other one that changes something must
carry the CSRF token of its session.
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar

from flask import Flask, Request, current_app, request, session
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, current_user, login_user, logout_user
from flask_wtf.csrf import CSRFProtect

from app.errors import Forbidden, Unauthenticated
from app.models import Role, User
from app.services import events, tokens, users
from app.services.events import Actor

BACKGROUND_HEADER: Final = "X-Background"  # a page that refreshes itself does not keep an idle session alive
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
View = TypeVar("View", bound=Callable[..., Any])

login_manager = LoginManager()
csrf = CSRFProtect()
limiter = Limiter(get_remote_address, storage_uri="memory://")


def init_app(app: Flask) -> None:
    app.config.setdefault("WTF_CSRF_CHECK_DEFAULT", False)  # `_protect_sessions` decides which requests need it
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)  # as long as the session
    login_manager.init_app(app)
    csrf.init_app(app)
    limiter.init_app(app)
    app.before_request(_protect_sessions)


def requires(role: Role | str) -> Callable[[View], View]:
    """The view is for this role and those above it. Raises Unauthenticated or Forbidden."""
    needed = Role(role)

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            ensure_role(needed)
            return view(*args, **kwargs)

        guarded.required_role = needed  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def ensure_role(needed: Role) -> None:
    if not current_user.is_authenticated:
        raise Unauthenticated()
    asker = actor()
    if not asker.role.includes(needed):
        events.record(asker, "access.refused", f"{request.method} {request.path}", "refused", f"needs {needed.value}")
        raise Forbidden(f"This needs the role {needed.value}; yours is {asker.role.value}. Ask an admin.")


def ensure_person() -> None:
    """Raises Forbidden for an API token: with a stolen one nobody makes another, or an account that outlives it."""
    if "Authorization" in request.headers:
        events.record(actor(), "access.refused", f"{request.method} {request.path}", "refused", "asked with a token")
        raise Forbidden("An API token cannot make tokens or change users; log in, or use the flask command.")


def may(role: Role | str) -> bool:
    """Whether the one who asks has this role, for what a page offers; the views themselves ensure it."""
    return bool(current_user.is_authenticated) and actor().role.includes(Role(role))


def actor() -> Actor:
    """The one who asks, as services know them."""
    if not current_user.is_authenticated:
        raise Unauthenticated()
    return Actor(current_user.name, current_user.role, request.remote_addr)


def start_session(user: User) -> None:
    """A new session: nothing of an earlier one is kept."""
    session.clear()
    login_user(SessionUser(user))
    session["epoch"] = user.session_epoch
    session["started_at"] = session["seen_at"] = int(time.time())


def end_session() -> None:
    """Not of this browser only: the cookie itself says who is in, and somebody may have a copy of it."""
    if current_user.is_authenticated:
        users.end_sessions(current_user.id, actor())
    logout_user()
    session.clear()


class SessionUser:
    """A user as Flask-Login wants one; never the row itself, which belongs to a database session."""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def __init__(self, user: User) -> None:
        self.id, self.name, self.role = user.id, user.name, user.role

    def get_id(self) -> str:
        return str(self.id)


@login_manager.user_loader
def _load_from_session(user_id: str) -> SessionUser | None:
    if "Authorization" in request.headers:
        return None
    user = users.find_user(int(user_id))
    if user is None or not user.is_active or session.get("epoch") != user.session_epoch or not _is_session_fresh():
        return None
    if BACKGROUND_HEADER not in request.headers:
        session["seen_at"] = int(time.time())
    return SessionUser(user)


@login_manager.request_loader
def _load_from_token(asked: Request) -> SessionUser | None:
    scheme, _, token = asked.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.startswith(tokens.API_TOKEN_PREFIX):
        return None
    user = tokens.find_user_by_token(token.strip())
    return SessionUser(user) if user else None


def _is_session_fresh() -> bool:
    now = time.time()
    idle, whole = current_app.config["SESSION_IDLE_MINUTES"] * 60, current_app.config["SESSION_HOURS"] * 3600
    return now - session.get("seen_at", 0) <= idle and now - session.get("started_at", 0) <= whole


def _protect_sessions() -> None:
    if request.method in SAFE_METHODS or "Authorization" in request.headers:
        return
    if current_user.is_authenticated or request.blueprint == "web":
        csrf.protect()
