"""Project sets: the list, a new one, one with its drift grid, and what is done to all of its members at once."""

from http import HTTPStatus
from typing import Any, Final

from flask import flash, render_template, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import BareboatError, Conflict, Invalid
from app.plurals import counted
from app.schemas.project_sets import ProjectSetFormSchema, ProjectSetUpdateSchema, SetPullFormSchema
from app.services import choices, credentials, hooks, project_sets, runs, set_drift, set_looks
from app.web.acts import STRATEGIES
from app.web.blueprint import web
from app.web.choosing import is_searching, nodes_to_choose, ticked
from app.web.forms import Form
from app.web.paging import PAGE_SIZE, asked_page, asked_word
from app.web.projects import offered_node
from app.web.refusals import refuse
from app.web.runs import confirm_reset

_START: Final = {"concurrency": "10"}
_FIELD_BY_CODE: Final = {
    "path_unsafe": "name",
    "name_taken": "name",
    "git_url_invalid": "git_url",
    "git_address_denied": "git_url",
}


@web.get("/sets")
@requires("viewer")
def list_sets() -> str:
    return render_template("sets/list.html", page=project_sets.list_sets(None, asked_page(), PAGE_SIZE))


@web.get("/sets/new")
@requires("operator")
def new_set() -> str:
    return _form_page(Form(start=_START))


@web.post("/sets/new")
@requires("operator")
def create_set() -> tuple[str, int] | Response:
    form = Form(ProjectSetFormSchema())
    if is_searching():
        return _form_page(form.keep()), HTTPStatus.OK
    try:
        values = form.read()
        values.pop("node_ids", None)
        options = runs.take_options(values)
        grown = project_sets.create_set(values, ticked("node_ids"), options, actor())
    except (Invalid, Conflict) as error:
        return _form_page(form.refuse(error, _FIELD_BY_CODE)), HTTPStatus.UNPROCESSABLE_ENTITY
    return _lead_on(grown)


@web.get("/sets/<id:set_id>")
@requires("viewer")
def show_set(set_id: int) -> str:
    return _page(set_id)


@web.post("/sets/<id:set_id>/pull")
@requires("operator")
def pull_set(set_id: int) -> str | Response:
    try:
        values = Form(SetPullFormSchema()).read()
        if values["strategy"] == "reset" and not values["confirmed"]:
            row = project_sets.with_size(project_sets.get_set(set_id))
            return confirm_reset(f"{counted(row.size, 'member')} of the set {row.name}", _page_of(set_id))
        options = runs.take_options(values)
        run = project_sets.request_pull(set_id, values["strategy"], options, actor())
    except BareboatError as error:
        return _refuse(error, set_id)
    return redirect(url_for("web.show_run", run_id=run.id), HTTPStatus.SEE_OTHER)


@web.post("/sets/<id:set_id>/nodes")
@requires("operator")
def add_set_nodes(set_id: int) -> str | Response:
    if is_searching():
        return _page(set_id)
    if not (node_ids := ticked("node_ids")):
        return refuse(Invalid("Choose at least one node."), _page_of(set_id))
    try:
        grown = project_sets.request_add(set_id, node_ids, runs.take_options({}), actor())
    except BareboatError as error:
        return _refuse(error, set_id)
    return _lead_on(grown)


@web.get("/sets/<id:set_id>/nodes/<id:node_id>/remove")
@requires("operator")
def confirm_set_node_removal(set_id: int, node_id: int) -> str:
    project = project_sets.get_member(set_id, node_id)
    return render_template("sets/remove.html", set=project_sets.get_set(set_id), project=project)


@web.post("/sets/<id:set_id>/nodes/<id:node_id>/remove")
@requires("operator")
def remove_set_node(set_id: int, node_id: int) -> Response:
    project_sets.take_out(set_id, node_id, actor())
    flash("The project stays on its node, and is none of this set any more.", "done")
    return redirect(_page_of(set_id), HTTPStatus.SEE_OTHER)


@web.get("/sets/<id:set_id>/edit")
@requires("operator")
def edit_set(set_id: int) -> str:
    row = project_sets.get_set(set_id)
    return _edit_page(set_id, Form(start={"branch": row.branch, "git_credential_id": row.git_credential_id}))


@web.post("/sets/<id:set_id>/edit")
@requires("operator")
def update_set(set_id: int) -> tuple[str, int] | Response:
    form = Form(ProjectSetUpdateSchema())
    try:
        project_sets.update_set(set_id, _changed(set_id, form.read(is_edit=True)), actor())
    except (Invalid, Conflict) as error:
        return _edit_page(set_id, form.refuse(error)), HTTPStatus.UNPROCESSABLE_ENTITY
    flash("Stored.", "done")
    return redirect(_page_of(set_id), HTTPStatus.SEE_OTHER)


@web.get("/sets/<id:set_id>/delete")
@requires("operator")
def confirm_set_deletion(set_id: int) -> str:
    return render_template("sets/delete.html", set=project_sets.with_size(project_sets.get_set(set_id)))


@web.post("/sets/<id:set_id>/delete")
@requires("operator")
def delete_set(set_id: int) -> Response:
    name = project_sets.get_set(set_id).name
    project_sets.delete_set(set_id, actor())
    flash(f"The set {name} is deleted; its projects stay on their nodes.", "done")
    return redirect(url_for("web.list_sets"), HTTPStatus.SEE_OTHER)


def _page(set_id: int) -> str:
    is_live, filters = request.args.get("live") == "true", asked_word("flag", set_drift.FLAGS)
    drift = set_drift.read_drift(set_id, live=is_live)
    members = [one for one in drift.members if not filters or filters["flag"] in one.flags]
    return render_template(
        "sets/show.html", set=project_sets.get_set(set_id), drift=drift, members=members, filters=filters,
        seconds=set_looks.SECONDS, choosing=nodes_to_choose(_others(drift)), strategies=STRATEGIES,
        hooks=hooks.hooks_of(hooks.HookOwner(set_id=set_id)),
    )  # fmt: skip


def _lead_on(grown: project_sets.Grown) -> Response:
    """To the run that clones, or to the set where nothing has to be."""
    if grown.run_id is not None:
        return redirect(url_for("web.show_run", run_id=grown.run_id), HTTPStatus.SEE_OTHER)
    flash("Nothing has to be cloned.", "done")
    return redirect(_page_of(grown.id), HTTPStatus.SEE_OTHER)


def _changed(set_id: int, values: dict[str, Any]) -> dict[str, Any]:
    """A form sends all its fields; members that are busy are in the way of another credential only."""
    row = project_sets.get_set(set_id)
    return {name: value for name, value in values.items() if getattr(row, name) != value}


def _refuse(error: BareboatError, set_id: int) -> Response:
    said = "; ".join(line for lines in error.errors.values() if isinstance(lines, list) for line in lines)
    error.message = said or error.message
    return refuse(error, _page_of(set_id))


def _page_of(set_id: int) -> str:
    return url_for("web.show_set", set_id=set_id)


def _others(drift: set_drift.Drift) -> list[Any]:
    """The nodes that are not in it yet, or whose clone has failed."""
    inside = {member.node_id for member in drift.members if member.is_cloned}
    return [offered_node(node) for node in choices.nodes_for_work() if node.id not in inside]


def _form_page(form: Form) -> str:
    offered = [offered_node(node) for node in choices.nodes_for_work()]
    known = credentials.all_credentials()
    return render_template("sets/new.html", form=form, choosing=nodes_to_choose(offered), credentials=known)


def _edit_page(set_id: int, form: Form) -> str:
    row = project_sets.get_set(set_id)
    return render_template("sets/edit.html", set=row, form=form, fitting=credentials.fitting(row.git_url))
