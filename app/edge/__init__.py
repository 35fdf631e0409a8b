"""What api and web share of HTTP: who asks, with which right, which status an error gets, which headers go out."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app.edge import headers, identity, problems, refusals
from app.edge.rules import LateRule


def init_app(app: Flask) -> None:
    """Proxy headers count only from as many proxies as TRUSTED_PROXIES says."""
    app.url_rule_class = LateRule
    identity.init_app(app)
    headers.init_app(app)
    problems.init_app(app)
    refusals.init_app(app)
    if hops := app.config["TRUSTED_PROXIES"]:
        wrapped = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)
        app.wsgi_app = wrapped  # type: ignore[method-assign]  # as Flask's documentation says it is done
