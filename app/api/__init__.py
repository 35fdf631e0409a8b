"""The REST edge, below /api/v1: schema in, service call, schema out. No models, no SQL, no decisions."""

from threading import RLock
from typing import Any, Final, cast

import flask_smorest
from flask import Flask
from flask.json.provider import DefaultJSONProvider
from flask_smorest.utils import prepare_response
from marshmallow.fields import Enum

from app.api import (
    channels,
    commands,
    credentials,
    docs,
    errors,
    events,
    githosts,
    health,
    hooks,
    hostkeys,
    internal,
    jobs,
    keys,
    nodes,
    own_playbooks,
    playbooks,
    project_sets,
    projects,
    recoveries,
    runs,
    schedules,
    sessions,
    set_hooks,
    tokens,
    trash,
    users,
)
from app.api.blueprint import PREFIX
from app.api.ids import IdConverter, describe_id
from app.schemas.problems import ProblemSchema

_THINGS: Final = (
    nodes,
    hostkeys,
    keys,
    credentials,
    githosts,
    projects,
    project_sets,
    recoveries,
    trash,
    commands,
    playbooks,
    own_playbooks,
    runs,
    schedules,
    hooks,
    set_hooks,
    jobs,
)
NOUNS: Final = (*_THINGS, channels, tokens, sessions, users, events, internal)
_SCHEMES: Final[dict[str, dict[str, Any]]] = {
    "api_token": {"type": "http", "scheme": "bearer", "description": "An API token, `bbt_…`."},
    "session": {"type": "apiKey", "in": "cookie", "name": "bareboat_session", "description": "A browser's login."},
    "node_token": {"type": "http", "scheme": "bearer", "description": "A node's token, `bbn_…`."},
}


class Api(flask_smorest.Api):
    """flask-smorest's, with our one error shape and without its handlers of errors. The document is written when it is
    read first: a command, and most starts of a server, never read it."""

    ERROR_SCHEMA = ProblemSchema

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._undocumented: list[flask_smorest.Blueprint] = []
        self._writing = RLock()
        super().__init__(*args, **kwargs)

    @property
    def spec(self) -> Any:
        with self._writing:
            while self._undocumented:
                self._document(self._undocumented.pop(0))
        return self._spec

    @spec.setter
    def spec(self, spec: Any) -> None:
        self._spec = spec

    def register_blueprint(self, blueprint: flask_smorest.Blueprint) -> None:
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blueprint.name] = self
        self._app.register_blueprint(blueprint)
        self._undocumented.append(blueprint)

    def _document(self, blueprint: flask_smorest.Blueprint) -> None:
        blueprint.register_views_in_doc(self, self._app, self._spec, name=blueprint.name, parameters=None)
        self._spec.tag({"name": blueprint.name, "description": blueprint.description})

    def _register_error_handlers(self) -> None:
        """Errors are worded in errors.py."""

    def _register_responses(self) -> None:
        """The documented refusals, each with an example of its own."""
        for name, description, example in errors.examples():
            response = {"description": description, "schema": ProblemSchema, "example": example}
            prepare_response(response, self.spec, self.DEFAULT_RESPONSE_CONTENT_TYPE)
            self.spec.components.response(name, response, lazy=True)


def init_app(app: Flask) -> None:
    app.config.setdefault("OPENAPI_URL_PREFIX", PREFIX)
    cast(DefaultJSONProvider, app.json).sort_keys = False  # fields in the order of their schema
    app.url_map.converters["id"] = IdConverter
    api = Api(app, spec_kwargs={"info": {"description": docs.DESCRIPTION.strip()}, "security": _security()})
    api.register_converter(IdConverter, describe_id)
    api.register_field(Enum, "string", None)
    for name, scheme in _SCHEMES.items():
        api.spec.components.security_scheme(name, scheme)
    for noun in NOUNS:
        api.register_blueprint(noun.blueprint)
    for plain in (docs.blueprint, health.blueprint):
        app.register_blueprint(plain)
    errors.init_app(app)


def _security() -> list[dict[str, list[str]]]:
    return [{"api_token": []}, {"session": []}]
