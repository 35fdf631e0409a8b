"""Schedules: the list, making one for a project, one with its history, on and off, deleted."""

from http import HTTPStatus
from typing import Any, Final

from flask import flash, render_template, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import BareboatError, Invalid
from app.schemas.schedules import ScheduleFormSchema
from app.services import projects, schedules
from app.web.acts import STRATEGIES
from app.web.blueprint import web
from app.web.forms import Form
from app.web.paging import PAGE_SIZE, asked_page
from app.web.refusals import refuse
from app.web.scheduled_acts import Picked, act_values, at_the_fields, pick, shipped_playbooks

EXAMPLES: Final = (
    ("*/15 * * * *", "every 15 minutes"),
    ("0 * * * *", "every hour, on the hour"),
    ("30 4 * * *", "every day at 04:30"),
    ("0 7 * * 1-5", "at 07:00 from Monday to Friday"),
    ("0 22 * * 0", "on Sundays at 22:00"),
    ("0 3 1 * *", "on the first of each month at 03:00"),
    ("0 3 last * *", "on the last day of each month at 03:00"),
)
_START: Final = {"timezone": "UTC", "act": "pull", "params": "strategy=ff-only", "overlap": "skip", "catch_up": "once"}
_FIELD_BY_CODE: Final = {"name_taken": "name"}


@web.get("/schedules")
@requires("viewer")
def list_schedules() -> str:
    return render_template("schedules/list.html", page=schedules.list_schedules({}, None, asked_page(), PAGE_SIZE))


@web.get("/schedules/<id:schedule_id>")
@requires("viewer")
def show_schedule(schedule_id: int) -> str:
    schedule = schedules.get_schedule(schedule_id)
    page = schedules.list_runs(schedule_id, asked_page(), PAGE_SIZE)
    return render_template("schedules/show.html", schedule=schedule, page=page)


@web.get("/projects/<id:project_id>/schedules/new")
@requires("operator")
def new_schedule(project_id: int) -> str:
    """Other pages lead here with a playbook in the address."""
    name = request.args.get("playbook", "")[:80]
    form = Form(start=_START | ({"act": "playbook", "playbook": name} if name else {}))
    return _form_page(project_id, form, pick(project_id, form))


@web.post("/projects/<id:project_id>/schedules/new")
@requires("operator")
def create_schedule(project_id: int) -> tuple[str, int] | Response:
    """Where a playbook was chosen, its inputs are shown first: nothing is made that nobody has seen."""
    form = Form(ScheduleFormSchema(exclude=("project_id", "kind"))).keep()
    picked = pick(project_id, form)
    if not picked.is_settled:
        return _form_page(project_id, form, picked), HTTPStatus.OK
    try:
        values = act_values(form.read(), picked, project_id) | {"project_id": project_id}
        schedule = schedules.create_schedule(values, actor())
    except BareboatError as error:
        refused = form.refuse(at_the_fields(error, form), _FIELD_BY_CODE)
        page = _form_page(project_id, refused, picked, error.errors.get("inputs"))
        return page, HTTPStatus.UNPROCESSABLE_ENTITY
    flash(f"Schedule {schedule.name} is made.", "done")
    return redirect(url_for("web.show_schedule", schedule_id=schedule.id), HTTPStatus.SEE_OTHER)


@web.post("/schedules/<id:schedule_id>/enable")
@requires("operator")
def enable_schedule(schedule_id: int) -> Response:
    return _turn(schedule_id, is_on=True)


@web.post("/schedules/<id:schedule_id>/disable")
@requires("operator")
def disable_schedule(schedule_id: int) -> Response:
    return _turn(schedule_id, is_on=False)


@web.post("/schedules/<id:schedule_id>/run")
@requires("operator")
def run_schedule(schedule_id: int) -> Response:
    try:
        job = schedules.request_run(schedule_id, actor())
    except BareboatError as error:
        return refuse(error, _page_of(schedule_id))
    return redirect(url_for("web.show_job", job_id=job.id), HTTPStatus.SEE_OTHER)


@web.get("/schedules/<id:schedule_id>/delete")
@requires("operator")
def confirm_schedule_deletion(schedule_id: int) -> str:
    return render_template("schedules/delete.html", schedule=schedules.get_schedule(schedule_id))


@web.post("/schedules/<id:schedule_id>/delete")
@requires("operator")
def delete_schedule(schedule_id: int) -> Response:
    schedule = schedules.get_schedule(schedule_id)
    name, project_id = schedule.name, schedule.project_id
    schedules.delete_schedule(schedule_id, actor())
    flash(f"Schedule {name} is deleted.", "done")
    return redirect(url_for("web.show_project", project_id=project_id), HTTPStatus.SEE_OTHER)


def _turn(schedule_id: int, *, is_on: bool) -> Response:
    try:
        schedule = schedules.update_schedule(schedule_id, {"enabled": is_on}, actor())
    except Invalid as error:
        return refuse(error, _page_of(schedule_id))
    flash(f"Schedule {schedule.name} is {'on: it counts from now' if is_on else 'off'}.", "done")
    return redirect(_page_of(schedule_id), HTTPStatus.SEE_OTHER)


def _page_of(schedule_id: int) -> str:
    return url_for("web.show_schedule", schedule_id=schedule_id)


def _form_page(project_id: int, form: Form, picked: Picked, wrong: Any = None) -> str:
    """`wrong`: what is said of the inputs, by name."""
    return render_template(
        "schedules/new.html",
        project=projects.get_project(project_id),
        form=form,
        zones=schedules.time_zones(),
        examples=EXAMPLES,
        strategy_choices=[(f"strategy={name}", text) for name, text in STRATEGIES.items()],
        shipped=shipped_playbooks(),
        picked=picked,
        wrong=wrong if isinstance(wrong, dict) else {},
    )
