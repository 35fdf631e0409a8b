"""Pages: read the request, call a use case, show or redirect. Rows come from services; no models, no SQL here."""

from typing import Final

from flask import Flask

from app.web import (
    account,
    acts,
    channels,
    commands,
    credentials,
    dashboard,
    events,
    githosts,
    hooks,
    hostkeys,
    jobs,
    keys,
    nodes,
    oidc,
    own_playbooks,
    playbooks,
    project_sets,
    projects,
    recoveries,
    refusals,
    runs,
    schedules,
    second_factor,
    session,
    tokens,
    trash,
    users,
    words,
)
from app.web.blueprint import web

# Imported, they are on the blueprint.
VIEWS: Final = (
    account,
    channels,
    commands,
    credentials,
    dashboard,
    events,
    githosts,
    hooks,
    hostkeys,
    jobs,
    keys,
    nodes,
    oidc,
    own_playbooks,
    playbooks,
    project_sets,
    projects,
    runs,
    recoveries,
    schedules,
    second_factor,
    session,
    tokens,
    trash,
    users,
)


def init_app(app: Flask) -> None:
    words.init_app(app)
    acts.init_app(app)
    refusals.init_app(app)
    app.register_blueprint(web)
