"""Git servers over ssh: scan, compare, pin, unpin."""

from collections.abc import Callable

from flask import flash, render_template, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import BareboatError, Conflict, Invalid
from app.schemas.credentials import GitHostCreateSchema
from app.services import githosts
from app.web.blueprint import web
from app.web.forms import Form
from app.web.paging import PAGE_SIZE, asked_page
from app.web.refusals import refuse


@web.get("/git-hosts")
@requires("viewer")
def list_git_hosts() -> str:
    return _page(Form())


@web.post("/git-hosts")
@requires("admin")
def add_git_host() -> tuple[str, int] | Response:
    form = Form(GitHostCreateSchema())
    try:
        values = form.read()
        githosts.create_host(values["host"], values["port"], actor())
    except (Invalid, Conflict) as error:
        return _page(form.refuse(error, {"name_taken": "host"})), 422
    return redirect(url_for("web.list_git_hosts"), 303)


@web.post("/git-hosts/<id:host_id>/scan")
@requires("admin")
def scan_git_host(host_id: int) -> Response:
    return _do(
        lambda: githosts.scan_host(host_id, actor()),
        "Compare the fingerprints with what its operator publishes before you pin: nothing is trusted yet.",
    )


@web.post("/git-hosts/<id:host_id>/pin")
@requires("admin")
def pin_git_host_key(host_id: int) -> Response:
    """By a fingerprint that was scanned, or by a whole public key."""
    pasted = request.form.get("pasted", "").strip()
    field = "fingerprint" if pasted.startswith("SHA256:") else "public_key"
    return _do(lambda: githosts.pin(host_id, {field: pasted}, actor()), "The host key is pinned.")


@web.post("/git-hosts/<id:host_id>/host-keys/<id:host_key_id>/unpin")
@requires("admin")
def unpin_git_host_key(host_id: int, host_key_id: int) -> Response:
    return _do(lambda: githosts.unpin(host_id, host_key_id, actor()), "The host key is not trusted any more.")


@web.post("/git-hosts/<id:host_id>/delete")
@requires("admin")
def delete_git_host(host_id: int) -> Response:
    return _do(lambda: githosts.delete_host(host_id, actor()), "The git server and its pins are forgotten.")


def _do(act: Callable[[], object], said: str) -> Response:
    back = url_for("web.list_git_hosts")
    try:
        act()
    except BareboatError as error:
        return refuse(error, back)
    flash(said, "done")
    return redirect(back, 303)


def _page(form: Form) -> str:
    page = githosts.list_hosts(asked_page(), PAGE_SIZE)
    offered = {host.id: githosts.offered_keys(host) for host in page.items}
    return render_template("credentials/hosts.html", page=page, offered=offered, form=form)
