"""Runs: several projects chosen and acted on; the list, and one run with its recap as it goes on."""

from http import HTTPStatus
from typing import Any, Final

from flask import render_template, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import BareboatError, Invalid
from app.plurals import counted
from app.schemas.runs import RunFormSchema
from app.services import choices, runs
from app.web.acts import STRATEGIES
from app.web.blueprint import web
from app.web.choosing import is_searching, projects_to_choose, ticked
from app.web.commands import with_words
from app.web.forms import Form
from app.web.paging import PAGE_SIZE, asked_page, asked_word
from app.web.refusals import refuse
from app.web.words import KINDS, MEMBER_STATES, RUN_STATES

_PULLS: Final = {"pull": "ff-only"} | {name: name for name in STRATEGIES if name != "ff-only"}
ACTS: Final = {
    **{act: f"Pull, {STRATEGIES[name]}" for act, name in _PULLS.items()},
    "checkout": "Check out",
    "command": "Run a command",
}
_START: Final = {"act": "pull", "concurrency": "10"}


@web.get("/runs")
@requires("viewer")
def list_runs() -> str:
    filters = asked_word("state", RUN_STATES) | asked_word("kind", KINDS)
    page = runs.with_recaps(runs.list_runs(filters, None, asked_page(), PAGE_SIZE))
    return render_template("runs/list.html", page=page, filters=filters)


@web.get("/runs/new")
@requires("operator")
def new_run() -> str:
    return _form_page(Form(start=_START))


@web.post("/runs/new")
@requires("operator")
def create_run() -> tuple[str, int] | Response:
    form = Form(RunFormSchema())
    if is_searching():
        return _form_page(form.keep()), HTTPStatus.OK
    try:
        typed = form.read()
        values = _shape(typed)
        if typed["act"] == "reset" and not typed["confirmed"]:
            return confirm_reset(counted(len(values["project_ids"]), "project"), url_for("web.new_run")), HTTPStatus.OK
        run = runs.begin(values, actor())
    except BareboatError as error:
        return _form_page(form.refuse(_at_the_fields(error))), HTTPStatus.UNPROCESSABLE_ENTITY
    return redirect(url_for("web.show_run", run_id=run.id), HTTPStatus.SEE_OTHER)


@web.get("/runs/<id:run_id>")
@requires("viewer")
def show_run(run_id: int) -> str:
    filters = asked_word("state", MEMBER_STATES)
    return render_template(
        "runs/show.html",
        run=runs.with_recap(runs.get_run(run_id)),
        page=runs.list_members(run_id, filters, asked_page(), PAGE_SIZE),
        filters=filters,
        states=MEMBER_STATES,
    )


@web.post("/runs/<id:run_id>/cancel")
@requires("operator")
def cancel_run(run_id: int) -> Response:
    back = url_for("web.show_run", run_id=run_id)
    try:
        runs.request_cancel(run_id, actor())
    except BareboatError as error:
        return refuse(error, back)
    return redirect(back, HTTPStatus.SEE_OTHER)


@web.post("/runs/<id:run_id>/retry")
@requires("operator")
def retry_run(run_id: int) -> Response:
    """A new run; its page follows."""
    try:
        run = runs.request_retry(run_id, actor(), with_skipped=request.form.get("skipped") == "on")
    except BareboatError as error:
        return refuse(error, url_for("web.show_run", run_id=run_id))
    return redirect(url_for("web.show_run", run_id=run.id), HTTPStatus.SEE_OTHER)


def confirm_reset(of_what: str, back: str) -> str:
    """What was typed comes again with the answer, to the same address."""
    typed = [pair for pair in request.form.items(multi=True) if pair[0] not in ("csrf_token", "confirmed")]
    return render_template("runs/reset.html", of_what=of_what, typed=typed, back=back)


def _shape(typed: dict[str, Any]) -> dict[str, Any]:
    waves = {name: typed[name] for name in ("concurrency", "max_failures") if name in typed}
    if not (ids := ticked("project_ids")):
        raise Invalid(errors={"projects": ["Choose at least one project."]})
    return _act(typed) | waves | {"project_ids": ids}


def _act(typed: dict[str, Any]) -> dict[str, Any]:
    match typed["act"]:
        case act if act in _PULLS:
            return {"kind": "project.pull", "params": {"strategy": _PULLS[act]}}
        case "checkout":
            return {"kind": "project.checkout", "params": {"ref": _needed(typed, "ref")}}
        case "command":
            return {"kind": "project.command", "params": with_words({"line": _needed(typed, "line")})}
        case _:
            raise Invalid(errors={"act": ["Choose one of these."]})


def _needed(typed: dict[str, Any], name: str) -> str:
    if name not in typed:
        raise Invalid(errors={name: ["This act needs it."]})
    return str(typed[name])


def _at_the_fields(error: BareboatError) -> BareboatError:
    """Parameters and ids are typed in fields of other names."""
    names = {"params": {"checkout": "ref", "command": "line"}.get(request.form.get("act", ""), "act")}
    names |= {"project_ids": "projects", "kind": "act"}
    error.errors = {names.get(name, name): said for name, said in error.errors.items()}
    return error


def _form_page(form: Form) -> str:
    choosing = projects_to_choose()
    return render_template("runs/new.html", form=form, acts=ACTS, choosing=choosing, nodes=choices.node_names())
