"""Who asks: a browser's session or an API token; and the one decorator that holds roles.

A request with an `Authorization` header is judged by that header alone; every other one that changes something must
carry the CSRF token of its session.
"""

import ipaddress
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, Final, TypeVar, cast

from flask import Flask, Request, abort, current_app, request, session
from flask.sessions import SecureCookieSessionInterface
from flask_limiter import Limiter
from flask_login import LoginManager, current_user, login_user, logout_user
from flask_wtf.csrf import CSRFProtect

from app.edge.refusals import SAFE_METHODS
from app.errors import Forbidden, SecondFactorNeeded, Unauthenticated
from app.models import ApiToken, Role, User, UserSession
from app.services import second_factor, sessions, tokens
from app.services.events import Actor
from app.services.sessions import Browser

BACKGROUND_HEADER: Final = "X-Background"  # a page that refreshes itself does not keep an idle session alive
FORMS: Final = frozenset({"", "application/x-www-form-urlencoded", "multipart/form-data"})
WITHOUT_SECOND_FACTOR: Final = frozenset({"web.show_account", "web.begin_second_factor", "web.confirm_second_factor"})
_SUBSCRIBER_BITS: Final = 64
View = TypeVar("View", bound=Callable[..., Any])


def sender() -> str:
    """Who is counted as one: an address, or, of IPv6, the network that one subscriber has whole (RFC 6177)."""
    text = request.remote_addr or "unknown"
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text[:64]
    if isinstance(address, ipaddress.IPv4Address) or address.ipv4_mapped:
        return str(address)
    return str(ipaddress.ip_network((address, _SUBSCRIBER_BITS), strict=False))


login_manager = LoginManager()
csrf = CSRFProtect()
limiter = Limiter(sender, storage_uri="memory://")


def init_app(app: Flask) -> None:
    app.config.setdefault("WTF_CSRF_CHECK_DEFAULT", False)  # `_protect_sessions` decides which requests need it
    app.session_interface = SessionCookies()
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)  # as long as the session
    login_manager.init_app(app)
    csrf.init_app(app)
    limiter.init_app(app)
    app.before_request(_refuse_shown_tokens)
    app.before_request(_protect_sessions)


def requires(role: Role | str) -> Callable[[View], View]:
    """The view is for this role and those above it. Raises Unauthenticated or Forbidden."""
    needed = Role(role)

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            ensure_role(needed)
            return view(*args, **kwargs)

        guarded.required_role = needed  # type: ignore[attr-defined]  # read by the tests of every route
        return cast(View, guarded)

    return decorate


def ensure_role(needed: Role) -> None:
    if not current_user.is_authenticated:
        raise Unauthenticated()
    asker = actor()
    _ensure_second_factor(asker)
    if not asker.role.includes(needed):
        raise Forbidden(f"This needs the role {needed.value}; yours is {asker.role.value}. Ask an admin.")


def ensure_person() -> None:
    """Raises Forbidden for an API token: with a stolen one nobody makes another, or an account that outlives it."""
    if "Authorization" in request.headers:
        raise Forbidden("An API token cannot make tokens or change users; log in, or use the flask command.")


def may(role: Role | str) -> bool:
    """Whether the one who asks has this role, for what a page offers; the views themselves ensure it."""
    return bool(current_user.is_authenticated) and actor().role.includes(Role(role))


def actor() -> Actor:
    """The one who asks, as services know them."""
    if not current_user.is_authenticated:
        raise Unauthenticated()
    return Actor(current_user.name, current_user.role, request.remote_addr)


def start_session(user: User, proof: str | None = None) -> None:
    """A new session: nothing of an earlier one is kept, neither here nor in the browser. `proof`: see the service."""
    if current_user.is_authenticated and current_user.session_id:
        sessions.end_session(current_user.session_id, actor())
    session.clear()
    token = sessions.start_session(user, Browser(request.remote_addr, request.user_agent.string), proof)
    login_user(SessionUser(user, user.role, token=token.reveal()))


def end_session() -> None:
    if current_user.is_authenticated and current_user.session_id:
        sessions.end_session(current_user.session_id, actor())
    forget_session()


def forget_session() -> None:
    """In this browser; the row has been ended."""
    logout_user()
    session.clear()


class SessionCookies(SecureCookieSessionInterface):
    """Without a word in the settings, a cookie that is given over TLS is sent back over TLS only."""

    def get_cookie_secure(self, app: Flask) -> bool:
        wanted: bool | None = app.config["SESSION_COOKIE_SECURE"]
        return request.is_secure if wanted is None else wanted


class SessionUser:
    """A user as Flask-Login wants one; never the row itself, which belongs to a database session.

    `session_id` is None for a program with a token, whose role may be below its owner's.
    """

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def __init__(self, user: User, role: Role, *, token: str = "", session_id: int | None = None) -> None:
        self.id, self.name, self.role = user.id, user.name, role
        self.has_password = user.has_password
        self.session_id, self._token = session_id, token

    def get_id(self) -> str:
        """What Flask-Login puts into the cookie."""
        return self._token


@login_manager.user_loader
def _load_from_session(token: str) -> SessionUser | None:
    if "Authorization" in request.headers:
        return None
    row: UserSession | None = sessions.find_session(token, is_use=BACKGROUND_HEADER not in request.headers)
    return SessionUser(row.user, row.user.role, token=token, session_id=row.id) if row else None


@login_manager.request_loader
def _load_from_token(asked: Request) -> SessionUser | None:
    scheme, _, token = asked.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.startswith(tokens.API_TOKEN_PREFIX):
        return None
    row: ApiToken | None = tokens.find_token(token.strip())
    return SessionUser(row.user, row.present_role) if row else None


def _ensure_second_factor(asker: Actor) -> None:
    """Programs with a token are not asked: who made it has logged in. Nor who logs in by OIDC: the issuer asks."""
    if not current_app.config["REQUIRE_SECOND_FACTOR_FOR_ADMINS"] or asker.role is not Role.ADMIN:
        return
    if current_user.session_id is None or request.endpoint in WITHOUT_SECOND_FACTOR:
        return
    if current_user.has_password and not second_factor.is_on(current_user.id):
        raise SecondFactorNeeded


def _refuse_shown_tokens() -> None:
    """Addresses end up in logs, histories and the next site's Referer: what was in one is no secret any more."""
    for values in request.args.listvalues():
        if any(value.startswith(tokens.API_TOKEN_PREFIX) for value in values):
            raise Unauthenticated("A token is never taken from the address. Revoke this one; send it as a header.")


def _protect_sessions() -> None:
    if request.method in SAFE_METHODS or "Authorization" in request.headers:
        return
    if request.blueprint == "web" and request.mimetype not in FORMS:
        abort(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    if current_user.is_authenticated or request.blueprint == "web":
        csrf.protect()
