"""One's own API tokens: made, shown once, revoked."""

from http import HTTPStatus

from flask import flash, render_template, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, ensure_person, requires
from app.errors import Conflict, Invalid
from app.schemas.users import TokenCreateSchema
from app.services import tokens
from app.services.paging import MAX_PAGE_SIZE
from app.web.blueprint import web
from app.web.forms import Form

_START = {"days": 90}


@web.get("/tokens")
@requires("viewer")
def list_tokens() -> str:
    return _page(Form(start=_START))


@web.post("/tokens")
@requires("viewer")
def create_token() -> str | tuple[str, int]:
    """The answer itself shows the token: a redirect would have to keep it somewhere."""
    ensure_person()
    form = Form(TokenCreateSchema())
    try:
        values = form.read()
        _, token = tokens.create_own_token(values["name"], values["days"], actor(), values["role"])
    except (Invalid, Conflict) as error:
        return _page(form.refuse(error)), HTTPStatus.UNPROCESSABLE_ENTITY
    return _page(Form(start=_START), fresh=token.reveal())


@web.post("/tokens/<id:token_id>/revoke")
@requires("viewer")
def revoke_token(token_id: int) -> Response:
    tokens.delete_token(token_id, actor())
    flash("The token is revoked; programs that send it are refused from now on.", "done")
    return redirect(url_for("web.list_tokens"), HTTPStatus.SEE_OTHER)


def _page(form: Form, fresh: str | None = None) -> str:
    page = tokens.list_tokens(actor(), None, 1, MAX_PAGE_SIZE)
    return render_template("tokens/list.html", tokens=page.items, form=form, fresh=fresh)
