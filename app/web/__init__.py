"""Pages: read the request, call a use case, show or redirect. Rows come from services; no models, no SQL here."""

from flask import Flask

from app.web import dashboard, events, hostkeys, jobs, keys, nodes, projects, refusals, session, tokens, words
from app.web.blueprint import web

__all__ = ["dashboard", "events", "hostkeys", "init_app", "jobs", "keys", "nodes", "projects", "session", "tokens"]


def init_app(app: Flask) -> None:
    """The views of the modules above hang on the blueprint; importing them is what puts them there."""
    words.init_app(app)
    refusals.init_app(app)
    app.register_blueprint(web)
