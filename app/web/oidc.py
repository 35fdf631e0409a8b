"""Login at an OpenID Connect issuer: away to it, and back with its answer."""

import time
from http import HTTPStatus
from typing import Any, Final

from flask import redirect, request, session, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from app.edge.identity import limiter, start_session
from app.edge.statuses import status_of
from app.errors import BareboatError, IssuerUnavailable, LoginRefused, NotFound
from app.services import oidc, oidc_logins
from app.services.oidc import Attempt, Issuer
from app.web.blueprint import web
from app.web.forms import Form
from app.web.session import go_on, is_refused, login_page, login_rate

_PENDING: Final = "sent_to_issuer"
_PENDING_SECONDS: Final = 600


@web.get("/login/oidc")
@limiter.limit(login_rate, deduct_when=is_refused)
def begin_oidc() -> tuple[str, int] | Response:
    issuer, wanted = _issuer(), request.args.get("next", "")
    if current_user.is_authenticated:
        return redirect(url_for("web.home"))
    try:
        _ensure_external(issuer)
        attempt = issuer.begin()
    except (LoginRefused, IssuerUnavailable) as error:
        return _refused(error, wanted)
    kept = {"state": attempt.state, "nonce": attempt.nonce, "verifier": attempt.verifier}
    session[_PENDING] = kept | {"at": int(time.time()), "next": wanted[:1024]}
    return redirect(attempt.url, HTTPStatus.SEE_OTHER)


@web.get(oidc.CALLBACK_PATH)
@limiter.limit(login_rate, deduct_when=is_refused)
def finish_oidc() -> tuple[str, int] | Response:
    """The attempt is over with its first answer, whatever that is."""
    issuer, pending = _issuer(), session.pop(_PENDING, None)
    wanted = str(pending["next"]) if pending else ""
    try:
        _ensure_external(issuer)
        user = oidc_logins.log_in(issuer, _attempt(pending), request.args, request.remote_addr)
    except (LoginRefused, IssuerUnavailable) as error:
        return _refused(error, wanted)
    start_session(user, f"OIDC at {issuer.settings.issuer}")
    return go_on(wanted)


def _issuer() -> Issuer:
    issuer = oidc.find_issuer()
    if issuer is None:
        raise NotFound("Logins by OIDC are not set up here (OIDC_ISSUER).")
    return issuer


def _ensure_external(issuer: Issuer) -> None:
    """The issuer sends the browser back there: elsewhere it would not have its cookie."""
    external = issuer.settings.external_url
    if request.host_url.rstrip("/").lower() != external:
        raise LoginRefused(
            f"This login works at {external} only: open Bareboat there. If you did, an admin looks at EXTERNAL_URL and "
            "TRUSTED_PROXIES."
        )


def _attempt(pending: Any) -> Attempt | None:
    if not pending or not 0 <= time.time() - pending["at"] <= _PENDING_SECONDS:
        return None
    return Attempt("", pending["state"], pending["nonce"], pending["verifier"])


def _refused(error: BareboatError, wanted: str) -> tuple[str, int]:
    return login_page(Form().refuse(error), wanted), status_of(error)
