"""Playbooks: the list, one with its steps and a form for its inputs, run."""

from http import HTTPStatus
from typing import Any, Final

from flask import render_template, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import BareboatError, Invalid
from app.services import choices, playbook_runs, playbooks
from app.web.blueprint import web
from app.web.choosing import is_searching, nodes_to_choose, projects_to_choose, ticked
from app.web.forms import Form

_START: Final = {"concurrency": "10"}


@web.get("/playbooks")
@requires("viewer")
def list_playbooks() -> str:
    return render_template("playbooks/list.html", listed=playbooks.list_playbooks())


@web.get("/playbooks/<string:name>")
@requires("viewer")
def show_playbook(name: str) -> str:
    return _page(name, Form(start=_START), {})


@web.post("/playbooks/<string:name>")
@requires("operator")
def run_playbook(name: str) -> tuple[str, int] | Response:
    form = Form()
    if is_searching():
        return _page(name, form.keep(), {}), HTTPStatus.OK
    try:
        run = playbook_runs.begin(name, _values(name), actor())
    except BareboatError as error:
        wrong = error.errors.get("inputs", {})
        page = _page(name, form.refuse(error), wrong if isinstance(wrong, dict) else {})
        return page, HTTPStatus.UNPROCESSABLE_ENTITY
    return redirect(url_for("web.show_run", run_id=run.id), HTTPStatus.SEE_OTHER)


def _values(name: str) -> dict[str, Any]:
    playbook = playbooks.get_playbook(name)
    field = "node_ids" if playbook.is_for_nodes else "project_ids"
    ids = ticked(field)
    if not ids:
        raise Invalid(f"Choose at least one {playbook.on}.")
    values: dict[str, Any] = {field: ids, "inputs": typed_inputs(playbook.inputs)}
    for waves in ("concurrency", "max_failures"):
        if (text := request.form.get(waves, "").strip()) and text.isdecimal() and len(text) < 6:
            values[waves] = int(text)
        elif text:
            raise Invalid("At a time, and Stop after failures, are whole numbers.")
    return values


def typed_inputs(asked: Any) -> dict[str, Any]:
    """Texts as the values that they stand for; an empty one counts as absent."""
    found: dict[str, Any] = {}
    for name, about in asked.items():
        text = request.form.get(f"input.{name}", "")
        if about["type"] == "boolean":
            found[name] = text == "on"
        elif text:
            is_number = about["type"] == "integer" and text.strip().lstrip("-").isdecimal() and len(text) < 18
            found[name] = int(text) if is_number else text
    return found


def _page(name: str, form: Form, wrong: dict[str, Any]) -> str:
    playbook = playbooks.get_playbook(name)
    choosing = nodes_to_choose(choices.node_names()) if playbook.is_for_nodes else projects_to_choose()
    return render_template(
        "playbooks/show.html", playbook=playbook, form=form, wrong=wrong, choosing=choosing, nodes=choices.node_names()
    )
