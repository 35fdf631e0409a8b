"""Pages: read the request, call a use case, show or redirect. Rows come from services; no models, no SQL here."""

from typing import Final

from flask import Flask

from app.web import dashboard, events, hostkeys, jobs, keys, nodes, projects, refusals, session, tokens, words
from app.web.blueprint import web

VIEWS: Final = (dashboard, events, hostkeys, jobs, keys, nodes, projects, session, tokens)  # imported, they are on it


def init_app(app: Flask) -> None:
    words.init_app(app)
    refusals.init_app(app)
    app.register_blueprint(web)
