"""SSH keys: made here or brought along; a private one is taken in and never shown."""

from flask import flash, render_template, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import Conflict, Invalid
from app.schemas.keys import RotationSchema, SSHKeyCreateSchema
from app.services import keys, rotations
from app.services.paging import MAX_PAGE_SIZE
from app.web.blueprint import web
from app.web.forms import Form
from app.web.paging import PAGE_SIZE, asked_page
from app.web.refusals import refuse

USERS_SHOWN = 10
_GENERATE_FIELDS = {"name_taken": "name"}
_IMPORT_FIELDS = {"name_taken": "name", "key_unreadable": "private_key"}


@web.get("/keys")
@requires("viewer")
def list_keys() -> str:
    page = keys.list_keys(asked_page(), PAGE_SIZE)
    users = keys.users_by_key([key.id for key in page.items], USERS_SHOWN)
    return render_template("keys/list.html", page=page, users=users, counts=keys.use_counts())


@web.get("/keys/new")
@requires("admin")
def new_key() -> str:
    return render_template("keys/new.html", generate=Form(start={"generate": "ed25519"}), bring=Form())


@web.post("/keys/generate")
@requires("admin")
def generate_key() -> tuple[str, int] | Response:
    form = Form(SSHKeyCreateSchema())
    try:
        values = form.read()
        key = keys.generate_key(values["name"], values["generate"], actor())
    except (Invalid, Conflict) as error:
        return render_template("keys/new.html", generate=form.refuse(error, _GENERATE_FIELDS), bring=Form()), 422
    flash(f"Key {key.name} is made. Its public half goes into authorized_keys on your nodes.", "done")
    return redirect(url_for("web.list_keys"), 303)


@web.post("/keys/import")
@requires("admin")
def import_key() -> tuple[str, int] | Response:
    form = Form(SSHKeyCreateSchema())
    try:
        values = form.read()
        key = keys.import_key(values["name"], values["private_key"], values.get("passphrase"), actor())
    except (Invalid, Conflict) as error:
        refused = form.refuse(error, _IMPORT_FIELDS)
        return render_template("keys/new.html", generate=Form(start={"generate": "ed25519"}), bring=refused), 422
    flash(f"Key {key.name} is stored, sealed under the master key.", "done")
    return redirect(url_for("web.list_keys"), 303)


@web.get("/keys/<id:key_id>/rotate")
@requires("admin")
def choose_new_key(key_id: int) -> str:
    return _rotation_page(key_id, Form(start={"concurrency": "10"}))


@web.post("/keys/<id:key_id>/rotate")
@requires("admin")
def rotate_key(key_id: int) -> tuple[str, int] | Response:
    form = Form(RotationSchema())
    try:
        run = rotations.begin(key_id, form.read(), actor())
    except (Invalid, Conflict) as error:
        return _rotation_page(key_id, form.refuse(error)), 422
    return redirect(url_for("web.show_run", run_id=run.id), 303)


@web.get("/keys/<id:key_id>/delete")
@requires("admin")
def confirm_key_deletion(key_id: int) -> str:
    return render_template("keys/delete.html", key=keys.get_key(key_id), users=keys.nodes_using(key_id))


@web.post("/keys/<id:key_id>/delete")
@requires("admin")
def delete_key(key_id: int) -> Response:
    name = keys.get_key(key_id).name
    try:
        keys.delete_key(key_id, actor())
    except Conflict as error:
        return refuse(error, url_for("web.list_keys"))
    flash(f"Key {name} is deleted.", "done")
    return redirect(url_for("web.list_keys"), 303)


def _rotation_page(key_id: int, form: Form) -> str:
    key, users = keys.get_key(key_id), keys.nodes_using(key_id)
    others = [other for other in keys.list_keys(1, MAX_PAGE_SIZE).items if other.id != key_id]
    return render_template("keys/rotate.html", key=key, users=users, others=others, form=form)
