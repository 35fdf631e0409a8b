"""Runs on doubles: each test plays what becomes of the jobs."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.db import db, unit_of_work, utcnow
from app.errors import Forbidden, Invalid, WrongState
from app.models import Job, JobState, MemberState, Node, NodeStatus, Role, Run, RunMember, RunState
from app.services import jobs, projects, run_moves, runs
from app.services.events import SYSTEM, Actor
from app.services.runs import RunOptions

Make = Callable[..., int]
PULL = {"strategy": "ff-only"}
OTTO = Actor("operator", Role.OPERATOR)

pytestmark = pytest.mark.usefixtures("app_context")


@pytest.fixture
def project_ids(make_node: Make, make_project: Make) -> list[int]:
    """Six projects, each on a node of its own."""
    return [make_project(make_node(f"n{number}"), f"p{number}") for number in range(6)]


def begin(members: list[int], concurrency: int = 10, max_failures: int | None = None) -> int:
    return runs.request_run("project.pull", PULL, members, RunOptions(concurrency, max_failures), OTTO).id


def states(run_id: int) -> list[str]:
    """Of its members, in the order of asking."""
    rows = db.session.query(RunMember).filter_by(run_id=run_id).order_by(RunMember.id)
    return [row.state.value for row in rows]


def under_way(run_id: int) -> list[int]:
    rows = db.session.query(RunMember).filter_by(run_id=run_id, state=MemberState.RUNNING).order_by(RunMember.id)
    return [row.job_id for row in rows if row.job_id]


def end(job_id: int, state: JobState = JobState.SUCCEEDED, **values: Any) -> None:
    with unit_of_work() as session:
        job = session.get_one(Job, job_id)
        job.state, job.finished_at = state, utcnow()
        for name, value in values.items():
            setattr(job, name, value)
    run_moves.note_job(job_id)


def set_node(name: str, **values: Any) -> None:
    with unit_of_work() as session:
        node = session.query(Node).filter_by(name=name).one()
        for field, value in values.items():
            setattr(node, field, value)


def test_no_more_jobs_are_under_way_than_was_asked_for(project_ids: list[int]) -> None:
    run_id = begin(project_ids, concurrency=2)
    seen = []
    while queued := under_way(run_id):
        seen.append(len(queued))
        end(queued[0])
    assert seen == [2, 2, 2, 2, 2, 1]
    assert runs.get_run(run_id).state is RunState.SUCCEEDED


def test_the_recap_tells_what_became_of_each(project_ids: list[int]) -> None:
    set_node("n4", status=NodeStatus.OFFLINE)
    set_node("n5", cordoned=True)
    run_id = begin(project_ids)
    same, moved, broken, refused = under_way(run_id)
    end(same, result={"changed": False})
    end(moved, result={"changed": True})
    end(broken, JobState.TIMED_OUT, error_code="timed_out", error_message="too long")
    end(refused, JobState.FAILED, error_code="refused", error_message="no")
    assert states(run_id) == ["ok", "changed", "failed", "unreachable", "unreachable", "skipped"]
    run = runs.with_recap(runs.get_run(run_id))
    counted = {"waiting": 0, "running": 0, "ok": 1, "changed": 1, "failed": 1, "unreachable": 2, "skipped": 1}
    assert (run.state, run.recap) == (RunState.FAILED, counted)


def test_after_so_many_failures_nothing_further_is_begun(project_ids: list[int]) -> None:
    run_id = begin(project_ids, concurrency=2, max_failures=2)
    first, second = under_way(run_id)
    end(first, JobState.FAILED, error_code="tree_dirty")
    third = under_way(run_id)[-1]
    end(second, JobState.FAILED, error_code="tree_dirty")
    assert states(run_id) == ["failed", "failed", "running", "skipped", "skipped", "skipped"]
    end(third)
    assert states(run_id)[2] == "changed"
    assert runs.get_run(run_id).state is RunState.FAILED


def test_refusals_count_as_failures_before_anything_else_is_begun(project_ids: list[int]) -> None:
    set_node("n0", status=NodeStatus.OFFLINE)
    run_id = begin(project_ids, max_failures=1)
    assert states(run_id) == ["unreachable", *["skipped"] * 5]
    assert db.session.query(Job).count() == 0


def test_a_busy_project_waits_and_holds_nobody_up(project_ids: list[int]) -> None:
    other = projects.request_checkout(project_ids[0], "main", SYSTEM)
    run_id = begin(project_ids[:2], concurrency=1)
    assert states(run_id) == ["waiting", "running"]
    end(under_way(run_id)[0])
    assert states(run_id) == ["waiting", "changed"]
    end(other.id)
    run_moves.advance_all()
    assert states(run_id) == ["running", "changed"]


def test_a_job_that_waits_for_a_node_that_went_away_is_withdrawn(project_ids: list[int]) -> None:
    run_id = begin(project_ids[:2])
    job_id = under_way(run_id)[0]
    set_node("n0", status=NodeStatus.OFFLINE)
    run_moves.advance_all()
    assert states(run_id) == ["unreachable", "running"]
    assert jobs.get_job(job_id).state is JobState.CANCELLED


def test_a_job_that_is_cancelled_by_hand_is_skipped(project_ids: list[int]) -> None:
    run_id = begin(project_ids[:1])
    jobs.request_cancel(under_way(run_id)[0], SYSTEM)
    run_moves.advance_all()
    assert states(run_id) == ["skipped"]


def test_cancelling_skips_what_waits_and_asks_the_rest_to_stop(project_ids: list[int]) -> None:
    run_id = begin(project_ids, concurrency=2)
    running, queued = under_way(run_id)
    with unit_of_work() as session:
        session.get_one(Job, running).state = JobState.RUNNING
    runs.request_cancel(run_id, OTTO)
    assert states(run_id) == ["running", *["skipped"] * 5]
    assert jobs.get_job(running).cancel_requested_at is not None
    assert jobs.get_job(queued).state is JobState.CANCELLED
    end(running, JobState.CANCELLED, error_code="cancelled")
    assert runs.get_run(run_id).state is RunState.CANCELLED
    with pytest.raises(WrongState):
        runs.request_cancel(run_id, OTTO)


def test_only_what_failed_is_tried_again(project_ids: list[int]) -> None:
    run_id = begin(project_ids[:3], concurrency=1, max_failures=1)
    end(under_way(run_id)[0])
    end(under_way(run_id)[0], JobState.FAILED, error_code="tree_dirty")
    assert states(run_id) == ["changed", "failed", "skipped"]
    again = runs.request_retry(run_id, OTTO)
    assert (again.retry_of_id, again.kind, again.size, again.max_failures) == (run_id, "project.pull", 1, 1)
    assert jobs.get_job(under_way(again.id)[0]).project_id == project_ids[1]
    runs.request_cancel(again.id, OTTO)
    assert runs.request_retry(run_id, OTTO, with_skipped=True).size == 2


def test_a_run_that_goes_on_or_has_no_failure_is_not_tried_again(project_ids: list[int]) -> None:
    run_id = begin(project_ids[:1])
    with pytest.raises(WrongState, match="not ended"):
        runs.request_retry(run_id, OTTO)
    end(under_way(run_id)[0])
    with pytest.raises(WrongState, match="nothing"):
        runs.request_retry(run_id, OTTO)


def test_a_run_goes_on_from_its_rows_when_every_word_of_an_end_was_lost(project_ids: list[int]) -> None:
    """As after a kill: nobody has told that the jobs ended; the tick finds out."""
    run_id = begin(project_ids, concurrency=3)
    with unit_of_work() as session:
        session.query(Job).update({"state": JobState.SUCCEEDED, "finished_at": utcnow()})
    run_moves.advance_all()
    assert states(run_id) == [*["changed"] * 3, *["running"] * 3]


def test_a_deleted_project_is_a_failure_of_its_own(app: Flask, project_ids: list[int]) -> None:
    run_id = begin(project_ids[:2], concurrency=1)
    with unit_of_work() as session:
        session.delete(projects.get_project(project_ids[1]))
    end(under_way(run_id)[0])
    assert states(run_id) == ["changed", "failed"]


def test_each_member_counts_once(project_ids: list[int]) -> None:
    assert runs.get_run(begin([project_ids[0]] * 3)).size == 1


@pytest.mark.parametrize(
    ("kind", "params", "members", "options", "field"),
    [
        ("project.delete", {}, [1], RunOptions(), "kind"),
        ("project.pull", {"strategy": "x"}, [1], RunOptions(), "params"),
        ("project.checkout", {}, [1], RunOptions(), "params"),
        ("project.checkout", {"ref": "a..b"}, [1], RunOptions(), "params"),
        ("project.command", {}, [1], RunOptions(), "params"),
        ("project.pull", PULL, [], RunOptions(), "project_ids"),
        ("project.pull", PULL, [1, 99], RunOptions(), "project_ids"),
        ("project.pull", PULL, [1], RunOptions(0), "concurrency"),
        ("project.pull", PULL, [1], RunOptions(1, 0), "max_failures"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_field(
    project_ids: list[int], kind: str, params: dict[str, Any], members: list[int], options: RunOptions, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        runs.request_run(kind, params, members, options, OTTO)
    assert list(refused.value.errors) == [field]
    assert db.session.query(Run).count() == 0


def test_a_viewer_begins_none(project_ids: list[int]) -> None:
    with pytest.raises(Forbidden):
        runs.request_run("project.pull", PULL, project_ids, RunOptions(), Actor("viewer", Role.VIEWER))
