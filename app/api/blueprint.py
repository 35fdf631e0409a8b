"""The blueprint of every noun: how a request is read, who may come in, how lists are answered and documented."""

import json
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, Final, NoReturn, TypeVar

import flask_smorest
from flask import Request, abort
from flask_smorest.utils import load_info_from_docstring
from marshmallow import Schema, ValidationError
from webargs.core import is_json, missing
from webargs.flaskparser import FlaskParser
from webargs.flaskparser import abort as abort_with

from app.edge.identity import requires
from app.services.paging import Page

PREFIX: Final = "/api/v1"
PAGINATION_HEADER: Final = "X-Pagination"
View = TypeVar("View", bound=Callable[..., Any])


class StrictParser(FlaskParser):
    """A body is JSON and says so, or there is none; refusals are by field, wherever the field came from."""

    DEFAULT_UNKNOWN_BY_LOCATION = {}  # what a schema says holds in the address too

    def load_json(self, req: Request, schema: Schema) -> Any:
        data = req.get_data(cache=True)
        if not data:
            return missing
        if not is_json(req.mimetype):
            abort(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        try:
            return json.loads(data, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):  # broken, not UTF-8, a number of thousands of digits, or too deep
            abort_with(HTTPStatus.BAD_REQUEST, message="The body is not valid JSON.")

    def handle_error(self, error: ValidationError, *args: Any, **kwargs: Any) -> NoReturn:
        by_field = error.normalized_messages()
        for location in ("json", "query"):
            by_field |= by_field.pop(location, {})
        abort_with(HTTPStatus.UNPROCESSABLE_ENTITY, errors=by_field)


class Blueprint(flask_smorest.Blueprint):
    """One noun's addresses, below /api/v1."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(self, name: str, url_prefix: str, description: str) -> None:
        super().__init__(name, "app.api", url_prefix=f"{PREFIX}{url_prefix}", description=description)

    def guard(self, role: str, *refusals: int) -> Callable[[View], View]:
        """For this role and those above. It stands outermost, so that nothing is read for others.

        `refusals` are the further statuses to document.
        """

        def decorate(view: View) -> View:
            for status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, *refusals):
                view = self.alt_response(status, response=HTTPStatus(status).name)(view)
            text = load_info_from_docstring(view.__doc__).get("description", "")
            about = {"description": f"{text}\n\nRole: **{role}**.".strip(), "operationId": view.__name__}
            return requires(role)(self.doc(**about)(view))

        return decorate

    def lists(self, schema: type[Schema], query: type[Schema]) -> Callable[[View], View]:
        """The view gets the query's values by name and answers a Page."""

        def decorate(view: View) -> View:
            paged = _paged(view)
            header = {PAGINATION_HEADER: "PAGINATION"}
            described = self.response(HTTPStatus.OK, schema(many=True), headers=header)(paged)
            return self.arguments(query, location="query", as_kwargs=True)(described)

        return decorate


def _paged(view: View) -> Callable[..., Any]:
    @wraps(view)
    def listed(*args: Any, **kwargs: Any) -> Any:
        page = view(*args, **kwargs)
        return page.items, HTTPStatus.OK, {PAGINATION_HEADER: json.dumps(_position(page))}

    return listed


def _position(page: Page[Any]) -> dict[str, int | bool]:
    """The same words as flask-smorest's own pagination; where the total is only the least, the last page is not known
    and not told."""
    position: dict[str, int | bool] = {"total": page.total, "page": page.page}
    if page.total:
        position["first_page"] = 1
    if page.is_exact:
        position["total_pages"] = -(-page.total // page.page_size)
    else:
        position["total_is_exact"] = False
    if page.is_exact and page.total:
        position["last_page"] = page.pages
    if 1 < page.page <= page.pages:
        position["previous_page"] = page.page - 1
    if page.page < page.pages:
        position["next_page"] = page.page + 1
    if page.next_before is not None:
        position["next_before"] = page.next_before
    return position


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
