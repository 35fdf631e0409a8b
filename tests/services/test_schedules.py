"""Schedules come due: once however many schedulers, as their policies say after downtimes, and never twice."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from pytest_mock import MockerFixture
from sqlalchemy import func, select

from app.db import db, release, unit_of_work, utcnow
from app.errors import Invalid, NodeOffline, NotFound, ProjectBusy
from app.jobs.queue import HeldQueue
from app.models import Event, Job, JobState, Node, NodeStatus, Project, Role, RunOutcome, Schedule, ScheduledRun
from app.services import background, jobs, projects, schedule_runs, schedules
from app.services.events import SYSTEM, Actor

NOW = datetime(2027, 5, 4, 12, 0, 1, tzinfo=UTC)
DUE = datetime(2027, 5, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OTTO = Actor("otto", Role.OPERATOR)


@pytest.fixture
def clock(mocker: MockerFixture) -> Callable[[datetime], None]:
    """Set what the scheduler takes for now."""

    def set_to(now: datetime) -> None:
        for module in ("schedule_runs", "schedules"):
            mocker.patch(f"app.services.{module}.utcnow", return_value=now)

    set_to(DUE - HOUR / 2)
    return set_to


@pytest.fixture
def schedule_id(
    app_context: None,
    clock: Callable[[datetime], None],
    make_node: Callable[..., int],
    make_project: Callable[..., int],
) -> int:
    """Every hour, first due at DUE; the clock stands half an hour before."""
    project_id = make_project(make_node())
    return schedules.create_schedule({"name": "hourly", "project_id": project_id, "cron": "0 * * * *"}, OTTO).id


def runs() -> list[tuple[datetime, str]]:
    rows = db.session.scalars(select(ScheduledRun).order_by(ScheduledRun.due_at))
    return [(row.due_at, row.outcome.value) for row in rows]


def change(schedule_id: int, **values: object) -> None:
    schedules.update_schedule(schedule_id, dict(values), SYSTEM)


def job_count() -> int:
    return db.session.scalar(select(func.count()).select_from(Job)) or 0


def end_all_jobs() -> None:
    with unit_of_work() as session:
        for job in session.scalars(select(Job)):
            job.state, job.finished_at = JobState.SUCCEEDED, utcnow()


def tick(clock: Callable[[datetime], None], now: datetime) -> None:
    clock(now)
    schedule_runs.run_due_schedules()


def test_what_is_not_due_is_left_alone(schedule_id: int, clock: Callable[..., None]) -> None:
    tick(clock, DUE - timedelta(seconds=1))
    assert (runs(), job_count()) == ([], 0)


def test_what_is_due_becomes_a_job_in_the_name_of_the_schedule(
    schedule_id: int, clock: Callable[..., None], held_queue: HeldQueue
) -> None:
    tick(clock, NOW)
    job = jobs.get_job(held_queue.held[0])
    assert (job.kind, job.params, job.requested_by) == ("project.pull", {"strategy": "ff-only"}, "schedule hourly")
    schedule = schedules.get_schedule(schedule_id)
    assert (schedule.next_run_at, schedule.last_run_at) == (DUE + HOUR, NOW)
    assert (schedule.last_outcome, schedule.last_job_id) == (RunOutcome.QUEUED, job.id)
    assert runs() == [(DUE, "queued")]
    asked = db.session.scalars(select(Event).filter_by(action="project.pull")).one()
    assert asked.actor == "schedule hourly"


def test_a_due_time_runs_once_however_often_the_tick_comes(schedule_id: int, clock: Callable[..., None]) -> None:
    for _ in range(3):
        tick(clock, NOW)
        end_all_jobs()
    assert (runs(), job_count()) == ([(DUE, "queued")], 1)


def test_two_schedulers_fire_once(schedule_id: int, app: Flask, clock: Callable[..., None]) -> None:
    """Each in a thread with a connection of its own, let loose at once, for twenty due times."""
    start = threading.Barrier(2)

    def schedule() -> None:
        with app.app_context():
            start.wait(30)
            schedule_runs.run_due_schedules()

    with ThreadPoolExecutor(2) as schedulers:
        for hour in range(20):
            clock(NOW + hour * HOUR)
            for done in [schedulers.submit(schedule) for _ in range(2)]:
                done.result(60)
            end_all_jobs()
    assert runs() == [(DUE + hour * HOUR, "queued") for hour in range(20)]
    assert job_count() == 20


def test_the_database_holds_one_row_for_a_due_time(schedule_id: int, clock: Callable[..., None]) -> None:
    """Even when the plan shows a time again that has had its run: it is passed over."""
    tick(clock, NOW)
    end_all_jobs()
    with unit_of_work() as session:
        session.get_one(Schedule, schedule_id).next_run_at = DUE
    tick(clock, NOW)
    assert (runs(), job_count()) == ([(DUE, "queued")], 1)
    assert schedules.get_schedule(schedule_id).next_run_at == DUE + HOUR


def test_a_downtime_is_caught_up_by_one_run(schedule_id: int, clock: Callable[..., None]) -> None:
    tick(clock, DUE + 5 * HOUR + HOUR / 2)
    end_all_jobs()
    tick(clock, DUE + 5 * HOUR + HOUR / 2)
    assert (runs(), job_count()) == ([(DUE, "queued")], 1)
    assert schedules.get_schedule(schedule_id).next_run_at == DUE + 6 * HOUR


def test_a_downtime_is_skipped_where_that_is_the_policy(schedule_id: int, clock: Callable[..., None]) -> None:
    change(schedule_id, catch_up="skip")
    tick(clock, DUE + 5 * HOUR + HOUR / 2)
    assert (runs(), job_count()) == ([(DUE, "skipped_missed")], 0)
    schedule = schedules.get_schedule(schedule_id)
    assert (schedule.last_outcome, schedule.next_run_at) == (RunOutcome.SKIPPED_MISSED, DUE + 6 * HOUR)


def test_a_minute_late_is_not_missed(schedule_id: int, clock: Callable[..., None]) -> None:
    change(schedule_id, catch_up="skip")
    tick(clock, DUE + timedelta(seconds=60))
    assert runs() == [(DUE, "queued")]


def test_a_clock_that_leaps_years_ahead_runs_once(schedule_id: int, clock: Callable[..., None]) -> None:
    change(schedule_id, cron="* * * * *")
    tick(clock, NOW.replace(year=2037))
    assert (len(runs()), job_count()) == (1, 1)
    assert schedules.get_schedule(schedule_id).next_run_at == NOW.replace(year=2037, minute=1, second=0)


def test_a_clock_that_comes_back_from_the_future_does_not_stop_a_schedule(
    schedule_id: int, clock: Callable[..., None]
) -> None:
    tick(clock, NOW.replace(year=2037))
    end_all_jobs()
    tick(clock, NOW + HOUR / 2)
    assert schedules.get_schedule(schedule_id).next_run_at == DUE + HOUR
    tick(clock, NOW + HOUR)
    assert runs() == [(DUE, "queued"), (DUE + HOUR, "queued")]


def test_a_busy_project_is_skipped(schedule_id: int, clock: Callable[..., None]) -> None:
    busy = projects.request_checkout(schedules.get_schedule(schedule_id).project_id, "main", OTTO).id
    tick(clock, NOW)
    assert (runs(), job_count()) == ([(DUE, "skipped_overlap")], 1)
    schedule = schedules.get_schedule(schedule_id)
    assert (schedule.last_outcome, schedule.last_job_id, busy) == (RunOutcome.SKIPPED_OVERLAP, None, 1)


def test_the_same_act_by_hand_is_an_overlap_too(schedule_id: int, clock: Callable[..., None]) -> None:
    projects.request_pull(schedules.get_schedule(schedule_id).project_id, "ff-only", OTTO)
    tick(clock, NOW)
    assert (runs(), job_count()) == ([(DUE, "skipped_overlap")], 1)


def test_where_that_is_the_policy_it_waits_for_the_project(schedule_id: int, clock: Callable[..., None]) -> None:
    change(schedule_id, overlap="queue")
    projects.request_checkout(schedules.get_schedule(schedule_id).project_id, "main", OTTO)
    tick(clock, NOW)
    assert schedules.get_schedule(schedule_id).last_outcome is RunOutcome.WAITING
    tick(clock, NOW + HOUR)
    assert runs() == [(DUE, "waiting"), (DUE + HOUR, "skipped_overlap")]
    end_all_jobs()
    tick(clock, NOW + HOUR)
    assert runs() == [(DUE, "queued"), (DUE + HOUR, "skipped_overlap")]
    assert schedules.get_schedule(schedule_id).last_job_id == 2


def test_where_that_is_the_policy_the_earlier_run_is_replaced(schedule_id: int, clock: Callable[..., None]) -> None:
    """Here it has not begun, so it ends at once; the new one runs in its place."""
    change(schedule_id, overlap="replace")
    tick(clock, NOW)
    tick(clock, NOW + HOUR)
    first, second = db.session.scalars(select(Job).order_by(Job.id)).all()
    assert (first.state, second.state) == (JobState.CANCELLED, JobState.QUEUED)
    assert runs() == [(DUE, "queued"), (DUE + HOUR, "queued")]


def test_an_earlier_run_is_replaced_when_its_end_is_proved(schedule_id: int, clock: Callable[..., None]) -> None:
    change(schedule_id, overlap="replace")
    tick(clock, NOW)
    with unit_of_work() as session:
        session.scalars(select(Job)).one().state = JobState.RUNNING
    tick(clock, NOW + HOUR)
    assert db.session.scalars(select(Job)).one().cancel_requested_at is not None
    assert runs() == [(DUE, "queued"), (DUE + HOUR, "waiting")]
    end_all_jobs()
    tick(clock, NOW + HOUR)
    assert (runs(), job_count()) == ([(DUE, "queued"), (DUE + HOUR, "queued")], 2)


def test_a_job_of_somebody_else_is_not_replaced(schedule_id: int, clock: Callable[..., None]) -> None:
    change(schedule_id, overlap="replace")
    projects.request_checkout(schedules.get_schedule(schedule_id).project_id, "main", OTTO)
    tick(clock, NOW)
    assert db.session.scalars(select(Job)).one().state is JobState.QUEUED
    assert runs() == [(DUE, "waiting")]


def test_what_waits_is_cancelled_when_the_schedule_is_turned_off(schedule_id: int, clock: Callable[..., None]) -> None:
    change(schedule_id, overlap="queue")
    projects.request_checkout(schedules.get_schedule(schedule_id).project_id, "main", OTTO)
    tick(clock, NOW)
    change(schedule_id, enabled=False)
    end_all_jobs()
    tick(clock, NOW)
    assert (runs(), job_count()) == ([(DUE, "cancelled")], 1)


def test_a_refusal_is_recorded_with_its_code(schedule_id: int, clock: Callable[..., None]) -> None:
    with unit_of_work() as session:
        session.scalars(select(Node)).one().status = NodeStatus.OFFLINE
    tick(clock, NOW)
    run = db.session.scalars(select(ScheduledRun)).one()
    assert (run.outcome, run.error_code, run.job_id, job_count()) == (RunOutcome.REFUSED, "node_offline", None, 0)
    error = schedules.get_schedule(schedule_id).last_error
    assert error is not None
    assert "web-1 is offline" in str(error["message"])


def test_a_good_run_ends_what_was_said_of_the_last_refusal(schedule_id: int, clock: Callable[..., None]) -> None:
    with unit_of_work() as session:
        session.scalars(select(Project)).one().cloned_at = None
    tick(clock, NOW)
    assert schedules.get_schedule(schedule_id).last_error_code == "wrong_state"
    with unit_of_work() as session:
        session.scalars(select(Project)).one().cloned_at = NOW
    tick(clock, NOW + HOUR)
    assert schedules.get_schedule(schedule_id).last_error is None


def test_a_refused_schedule_does_not_keep_others_from_running(
    schedule_id: int, clock: Callable[..., None], make_node: Callable[..., int], make_project: Callable[..., int]
) -> None:
    offline = make_project(make_node("gone", status=NodeStatus.OFFLINE))
    release()
    clock(DUE - HOUR / 2)
    schedules.create_schedule({"name": "other", "project_id": offline, "cron": "0 * * * *"}, OTTO)
    tick(clock, NOW)
    assert sorted(word for _, word in runs()) == ["queued", "refused"]


def test_killed_between_taking_and_asking_it_is_neither_lost_nor_doubled(
    schedule_id: int, clock: Callable[..., None], mocker: MockerFixture
) -> None:
    clock(NOW)
    killed = mocker.patch("app.services.schedule_runs._start", side_effect=KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        schedule_runs.run_due_schedules()
    mocker.stop(killed)
    clock(NOW)
    assert runs() == [(DUE, "waiting")]
    schedule_runs.run_due_schedules()
    assert (runs(), job_count()) == ([(DUE, "queued")], 1)


def test_killed_while_the_job_is_stored_there_is_no_job_and_the_next_tick_makes_it(
    schedule_id: int, clock: Callable[..., None], mocker: MockerFixture
) -> None:
    clock(NOW)
    killed = mocker.patch("app.services.schedule_runs.note_last", side_effect=[None, KeyboardInterrupt])
    with pytest.raises(KeyboardInterrupt):
        schedule_runs.run_due_schedules()
    assert (runs(), job_count()) == ([(DUE, "waiting")], 0)
    mocker.stop(killed)
    schedule_runs.run_due_schedules()
    assert (runs(), job_count()) == ([(DUE, "queued")], 1)


def test_a_schedule_that_is_off_is_not_due(schedule_id: int, clock: Callable[..., None]) -> None:
    change(schedule_id, enabled=False)
    assert schedules.get_schedule(schedule_id).next_run_at is None
    tick(clock, NOW)
    assert runs() == []


def test_turned_on_again_it_does_not_catch_up(schedule_id: int, clock: Callable[..., None]) -> None:
    change(schedule_id, enabled=False)
    clock(NOW + 3 * HOUR)
    change(schedule_id, enabled=True)
    assert schedules.get_schedule(schedule_id).next_run_at == DUE + 4 * HOUR


def test_another_zone_is_another_plan(schedule_id: int, clock: Callable[..., None]) -> None:
    change(schedule_id, cron="0 4 * * *", timezone="Europe/Berlin")
    assert schedules.get_schedule(schedule_id).next_run_at == datetime(2027, 5, 5, 2, tzinfo=UTC)


def test_a_zone_that_is_gone_ends_the_plan_and_nothing_else(schedule_id: int, clock: Callable[..., None]) -> None:
    with unit_of_work() as session:
        session.get_one(Schedule, schedule_id).timezone = "Gone/Zone"
    tick(clock, NOW)
    assert (runs(), schedules.get_schedule(schedule_id).next_run_at) == ([(DUE, "queued")], None)


def test_run_by_hand_it_is_the_act_of_who_asks_and_the_plan_stays(schedule_id: int, clock: Callable[..., None]) -> None:
    job = schedules.request_run(schedule_id, OTTO)
    assert (job.requested_by, job.kind) == ("otto", "project.pull")
    schedule = schedules.get_schedule(schedule_id)
    assert (schedule.last_job_id, schedule.next_run_at) == (job.id, DUE)


def test_run_by_hand_it_is_refused_as_the_act_itself(schedule_id: int, clock: Callable[..., None]) -> None:
    projects.request_checkout(schedules.get_schedule(schedule_id).project_id, "main", OTTO)
    with pytest.raises(ProjectBusy):
        schedules.request_run(schedule_id, OTTO)
    end_all_jobs()
    with unit_of_work() as session:
        session.scalars(select(Node)).one().status = NodeStatus.OFFLINE
    with pytest.raises(NodeOffline):
        schedules.request_run(schedule_id, OTTO)
    assert runs() == []


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"cron": "x"}, "cron"),
        ({"timezone": "Nowhere"}, "timezone"),
        ({"project_id": 99}, "project_id"),
        ({"kind": "project.delete"}, "kind"),
        ({"params": {"strategy": "force"}}, "params"),
        ({"params": {"force": True}}, "params"),
    ],
)
def test_a_wrong_value_is_named(schedule_id: int, values: dict[str, object], field: str) -> None:
    project_id = schedules.get_schedule(schedule_id).project_id
    with pytest.raises(Invalid) as refusal:
        schedules.create_schedule({"name": "new", "project_id": project_id, "cron": "0 0 * * *"} | values, OTTO)
    assert list(refusal.value.errors) == [field]


def test_a_scheduled_command_is_held_to_the_rules_at_each_run(
    schedule_id: int, app: Flask, clock: Callable[..., None], held_queue: HeldQueue
) -> None:
    change(schedule_id, enabled=False)
    project_id = schedules.get_schedule(schedule_id).project_id
    act = {"kind": "project.command", "params": {"argv": ["make"]}}
    schedules.create_schedule({"name": "make", "project_id": project_id, "cron": "0 * * * *"} | act, OTTO)
    tick(clock, NOW)
    job = jobs.get_job(held_queue.held[0])
    assert (job.kind, job.params["argv"], job.max_attempts) == ("project.command", ["make"], 1)
    end_all_jobs()
    app.config["ALLOWED_COMMANDS"] = ["true"]
    tick(clock, NOW + HOUR)
    assert runs() == [(DUE, "queued"), (DUE + HOUR, "refused")]


def test_a_schedule_goes_with_its_project(schedule_id: int, clock: Callable[..., None]) -> None:
    tick(clock, NOW)
    with unit_of_work() as session:
        session.delete(session.scalars(select(Project)).one())
    assert (runs(), job_count()) == ([], 1)
    with pytest.raises(NotFound):
        schedules.get_schedule(schedule_id)


def test_the_history_is_kept_as_long_as_that_of_jobs(schedule_id: int, clock: Callable[..., None]) -> None:
    tick(clock, NOW)
    tick(clock, NOW + HOUR)
    with unit_of_work() as session:
        session.scalars(select(ScheduledRun).filter_by(due_at=DUE)).one().created_at = utcnow() - timedelta(days=91)
    clock(utcnow())
    background.clear_history()
    assert [due_at for due_at, _ in runs()] == [DUE + HOUR]
