"""Schedules: made, changed, deleted, run by hand. What happens when one comes due is in schedule_runs.py."""

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload, lazyload

from app.db import db, unit_of_work, utcnow
from app.errors import Invalid, NameTaken, NotFound
from app.jobs.cron import ensure_cron, local_time, next_due
from app.jobs.cron import time_zones as time_zones
from app.models import Job, Node, Project, RunOutcome, Schedule, ScheduledRun
from app.services import jobs
from app.services.events import Actor, event
from app.services.paging import Page, paginate, sorted_by
from app.services.schedule_kinds import get_kind

_SORTABLE = {
    "id": Schedule.id,
    "name": Schedule.name,
    "next_run_at": Schedule.next_run_at,
    "last_run_at": Schedule.last_run_at,
    "created_at": Schedule.created_at,
}
_DEFAULTS: dict[str, Any] = {"kind": "project.pull", "params": {}, "timezone": "UTC", "enabled": True}
_WITH_NODE = (
    joinedload(Schedule.project).joinedload(Project.node).options(lazyload(Node.ssh_key), lazyload(Node.host_keys))
)
_PLANNING = frozenset({"cron", "timezone", "enabled"})


def list_schedules(filters: dict[str, Any], sort: str | None, page: int, page_size: int) -> Page[Schedule]:
    """`filters`: equal values of `project_id`, `enabled`; by name unless sorted."""
    rows = select(Schedule).filter_by(**filters).order_by(Schedule.name)
    return paginate(sorted_by(rows, sort, _SORTABLE), page, page_size, _WITH_NODE)


def project_schedules(project_id: int) -> list[Schedule]:
    return list(db.session.scalars(select(Schedule).filter_by(project_id=project_id).order_by(Schedule.name)))


def list_runs(schedule_id: int, page: int, page_size: int) -> Page[ScheduledRun]:
    """What became of its due times, the latest first; kept for JOB_HISTORY_DAYS."""
    rows = select(ScheduledRun).filter_by(schedule_id=get_schedule(schedule_id).id).order_by(ScheduledRun.id.desc())
    return paginate(rows, page, page_size)


def get_schedule(schedule_id: int) -> Schedule:
    schedule = db.session.get(Schedule, schedule_id)
    if schedule is None:
        raise NotFound(f"There is no schedule {schedule_id}.")
    return schedule


def get_schedule_by_name(name: str) -> Schedule:
    schedule = db.session.scalar(select(Schedule).where(Schedule.name == name))
    if schedule is None:
        raise NotFound(f"There is no schedule {name!r}.")
    return schedule


def next_local_time(schedule: Schedule) -> datetime | None:
    """The next due time as the clock of its zone will show it."""
    return local_time(schedule.next_run_at, schedule.timezone) if schedule.next_run_at else None


def create_schedule(values: dict[str, Any], actor: Actor) -> Schedule:
    """`values`: `name project_id cron`, and maybe `kind params timezone enabled overlap catch_up`.

    Raises Invalid or CommandNotAllowed naming the field, NameTaken.
    """
    values = _DEFAULTS | values
    if db.session.get(Project, values["project_id"]) is None:
        raise Invalid(f"There is no project {values['project_id']}.", errors={"project_id": ["No such project."]})
    values["params"] = get_kind(values["kind"]).complete(values["project_id"], values["params"])
    ensure_cron(values["cron"], values["timezone"])
    schedule = Schedule(created_by=actor.name, **values)
    _plan(schedule)
    try:
        with unit_of_work() as session:
            session.add(schedule)
            session.flush()
            session.add(event(actor, "schedule.create", _subject(schedule), detail=_detail(schedule)))
    except IntegrityError as error:
        raise _taken_or_gone(values) from error
    return schedule


def update_schedule(schedule_id: int, values: dict[str, Any], actor: Actor) -> Schedule:
    """Another plan counts from now: what was due before is not caught up. Turned off, nothing waits any more."""
    schedule = get_schedule(schedule_id)
    if "params" in values:
        values = values | {"params": get_kind(schedule.kind).complete(schedule.project_id, values["params"])}
    if {"cron", "timezone"} & values.keys():
        ensure_cron(values.get("cron", schedule.cron), values.get("timezone", schedule.timezone))
    try:
        with unit_of_work() as session:
            for name, value in values.items():
                setattr(schedule, name, value)
            if _PLANNING & values.keys():
                _plan(schedule)
            if not schedule.enabled:
                _cancel_waiting(session, schedule)
            session.add(event(actor, "schedule.update", _subject(schedule), detail=", ".join(sorted(values))))
    except IntegrityError as error:
        raise _name_taken(str(values.get("name"))) from error
    return schedule


def delete_schedule(schedule_id: int, actor: Actor) -> None:
    """Jobs that it has asked for stay."""
    schedule = get_schedule(schedule_id)
    with unit_of_work() as session:
        session.add(event(actor, "schedule.delete", _subject(schedule)))
        session.delete(schedule)


def request_run(schedule_id: int, actor: Actor) -> Job:
    """Run it now, in the name of who asks; the plan stays as it is. Raises what a request for the act itself raises."""
    schedule = get_schedule(schedule_id)
    job = jobs.enqueue(get_kind(schedule.kind).build(schedule.project_id, dict(schedule.params)), actor)
    now, job_id = utcnow(), job.id
    with unit_of_work() as session:
        session.add(ScheduledRun(schedule_id=schedule_id, due_at=now, job_id=job_id, outcome=RunOutcome.QUEUED))
        note_last(session, schedule_id, RunOutcome.QUEUED, job_id=job_id)
        session.add(event(actor, "schedule.run", _subject(schedule), detail=f"job {job_id}"))
    return jobs.get_job(job_id)


def note_last(session: Any, schedule_id: int, outcome: RunOutcome, **more: Any) -> None:
    """What its last run came to, within the caller's transaction. `more`: `job_id`, or `code` and `message`."""
    values = {
        "last_run_at": utcnow(),
        "last_outcome": outcome,
        "last_job_id": more.get("job_id"),
        "last_error_code": more.get("code"),
        "last_error_message": more.get("message"),
    }
    session.execute(update(Schedule).where(Schedule.id == schedule_id).values(values))


def _plan(schedule: Schedule) -> None:
    schedule.next_run_at = next_due(schedule.cron, schedule.timezone, utcnow()) if schedule.enabled else None


def _cancel_waiting(session: Any, schedule: Schedule) -> None:
    waits = update(ScheduledRun).filter_by(schedule_id=schedule.id, outcome=RunOutcome.WAITING)
    if session.execute(waits.values(outcome=RunOutcome.CANCELLED)).rowcount:
        schedule.last_outcome = RunOutcome.CANCELLED


def _subject(schedule: Schedule) -> str:
    return f"schedule {schedule.name} of project {schedule.project.name}"


def _detail(schedule: Schedule) -> str:
    return f"{schedule.kind} at '{schedule.cron}' {schedule.timezone}"


def _taken_or_gone(values: dict[str, Any]) -> Exception:
    if db.session.get(Project, values["project_id"]) is None:
        return NotFound(f"Project {values['project_id']} was deleted just now.")
    return _name_taken(values["name"])


def _name_taken(name: str) -> NameTaken:
    return NameTaken(f"There is a schedule {name!r} already; choose another name.", errors={"name": ["In use."]})
