"""Project sets on doubles: who is cloned to, who joins, what the grid says of what is stored."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.db import db, unit_of_work, utcnow
from app.errors import CredentialInUse, Invalid, NameTaken, NotFound, ProjectBusy, WrongState
from app.models import Job, JobState, Node, NodeStatus, Project, ProjectSet, ProjectStatus, Role, Run, RunMember
from app.secrets import Secret
from app.services import credentials, jobs, project_sets, projects, run_moves, runs, set_drift
from app.services.events import SYSTEM, Actor
from app.services.runs import RunOptions

Make = Callable[..., int]
URL = "https://git.example.com/shop/web.git"
OTTO = Actor("operator", Role.OPERATOR)
OPTIONS = RunOptions()

pytestmark = pytest.mark.usefixtures("app_context")


@pytest.fixture
def node_ids(make_node: Make) -> list[int]:
    return [make_node(f"n{number}") for number in range(3)]


def make_set(node_ids: list[int], **values: Any) -> project_sets.Grown:
    return project_sets.create_set({"name": "shop", "git_url": URL} | values, node_ids, OPTIONS, OTTO)


def settle(project_id: int, **values: Any) -> None:
    with unit_of_work() as session:
        project = session.get_one(Project, project_id)
        for name, value in values.items():
            setattr(project, name, value)


def end_jobs(state: JobState = JobState.SUCCEEDED, **values: Any) -> None:
    with unit_of_work() as session:
        session.query(Job).filter(Job.finished_at.is_(None)).update({"state": state, "finished_at": utcnow()} | values)
    run_moves.advance_all()


@pytest.fixture
def set_id(node_ids: list[int]) -> int:
    """On three nodes, cloned a minute ago, one after the other."""
    set_id = make_set(node_ids).id
    end_jobs()
    for number, project_id in enumerate(project_sets.member_ids(set_id)):
        at = utcnow() - timedelta(seconds=60 - number)
        here = {"branch": "main", "head": "a" * 40, "head_subject": "first", "cloned_at": at, "last_synced_at": at}
        settle(project_id, status=ProjectStatus.ACTIVE, **here)
    return set_id


def flags(set_id: int) -> dict[str, tuple[str, ...]]:
    members = set_drift.read_drift(set_id).members
    return {one.node_name: one.flags for one in sorted(members, key=lambda one: one.node_id)}


def test_a_set_is_cloned_to_its_nodes_by_one_run(node_ids: list[int]) -> None:
    made = make_set(node_ids, branch="main")
    assert (made.size, made.run and made.run.kind) == (3, "project.clone")
    found = [(one.name, one.node_id, one.branch, one.status.value) for one in project_sets.list_members(made.id)]
    assert found == [("shop", node_id, "main", "PENDING") for node_id in node_ids]
    assert {job.kind for job in db.session.query(Job)} == {"project.clone"}


def test_a_node_that_is_away_is_cloned_to_when_the_run_is_tried_again(node_ids: list[int]) -> None:
    with unit_of_work() as session:
        session.get_one(Node, node_ids[1]).status = NodeStatus.OFFLINE
    made = make_set(node_ids)
    end_jobs()
    run_id = made.run_id or 0
    assert runs.with_recap(runs.get_run(run_id)).recap["unreachable"] == 1
    with unit_of_work() as session:
        session.get_one(Node, node_ids[1]).status = NodeStatus.ONLINE
    runs.request_retry(run_id, OTTO)
    assert len(project_sets.member_ids(made.id)) == 3


def test_a_clone_that_failed_is_tried_again_as_the_same_project(node_ids: list[int]) -> None:
    made = make_set(node_ids[:1])
    (project_id,) = project_sets.member_ids(made.id)
    end_jobs(JobState.FAILED, error_code="git_unreachable", error_message="no")
    again = project_sets.request_add(made.id, node_ids[:1], OPTIONS, OTTO)
    assert again.run
    end_jobs()
    assert [job.project_id for job in db.session.query(Job)] == [project_id, project_id]


def test_who_has_the_same_repository_joins_and_nothing_is_cloned(node_ids: list[int], make_project: Make) -> None:
    there = make_project(node_ids[0], "shop", git_url=URL)
    made = make_set(node_ids[:1])
    assert (made.run, project_sets.member_ids(made.id)) == (None, [there])


def test_another_project_of_that_name_is_in_the_way_and_nothing_is_made(
    node_ids: list[int], make_project: Make
) -> None:
    make_project(node_ids[1], "SHOP", git_url="https://git.example.com/other.git")
    with pytest.raises(NameTaken) as refused:
        make_set(node_ids)
    assert "n1" in refused.value.errors["node_ids"][0]
    assert (db.session.query(ProjectSet).count(), db.session.query(Run).count()) == (0, 0)


@pytest.mark.parametrize(
    ("values", "node_ids_asked", "field"),
    [
        ({}, [99], "node_ids"),
        ({"git_url": "ftp://x/y"}, [], "git_url"),
        ({"git_credential_id": 9}, [], "git_credential_id"),
    ],
)
def test_a_wrong_set_is_refused_by_field_and_nothing_is_made(
    values: dict[str, Any], node_ids_asked: list[int], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        make_set(node_ids_asked, **values)
    assert field in refused.value.errors
    assert db.session.query(ProjectSet).count() == 0


def test_a_name_is_taken_once_upper_and_lower_case_alike() -> None:
    make_set([])
    with pytest.raises(NameTaken):
        make_set([], name="SHOP")


def test_a_run_of_clones_wants_a_set(node_ids: list[int]) -> None:
    for params in ({}, {"set_id": 9}, {"set_id": True}, {"set_id": "1"}, {"set_id": 1, "x": 1}):
        with pytest.raises(Invalid):
            runs.request_run("project.clone", params, node_ids, OPTIONS, OTTO)


def test_all_are_pulled_in_waves(set_id: int) -> None:
    run = project_sets.request_pull(set_id, "reset", RunOptions(2, 1), OTTO)
    assert (run.size, run.concurrency, run.max_failures, run.params) == (3, 2, 1, {"strategy": "reset"})
    with pytest.raises(WrongState):
        project_sets.request_pull(make_set([], name="empty").id, "ff-only", OPTIONS, OTTO)


def test_a_set_that_is_deleted_leaves_its_projects(set_id: int) -> None:
    project_sets.delete_set(set_id, OTTO)
    db.session.expire_all()
    assert [one.set_id for one in db.session.query(Project)] == [None, None, None]
    with pytest.raises(NotFound):
        set_drift.read_drift(set_id)


def test_clones_of_a_set_that_is_gone_are_not_made(node_ids: list[int]) -> None:
    made = project_sets.create_set({"name": "shop", "git_url": URL}, node_ids, RunOptions(concurrency=1), OTTO)
    project_sets.delete_set(made.id, OTTO)
    end_jobs()
    states = [(row.state.value, row.error_code) for row in db.session.query(RunMember).order_by(RunMember.id)]
    assert states == [("changed", None), ("failed", "not_found"), ("failed", "not_found")]


def test_a_credential_is_given_to_all_members_and_is_in_use(set_id: int) -> None:
    values = {"name": "bot", "kind": "https", "host": "git.example.com", "username": "bot", "token": Secret("t0ken")}
    credential_id = credentials.create_credential(values, SYSTEM).id
    project_sets.update_set(set_id, {"git_credential_id": credential_id, "branch": "next"}, OTTO)
    members = project_sets.list_members(set_id)
    assert {(one.git_credential_id, one.branch) for one in members} == {(credential_id, "main")}
    for project in members:
        projects.update_project(project.id, {"git_credential_id": None}, SYSTEM)
    with pytest.raises(CredentialInUse) as refused:
        credentials.delete_credential(credential_id, SYSTEM)
    assert "set shop" in refused.value.message
    projects.request_pull(members[0].id, "ff-only", SYSTEM)
    with pytest.raises(ProjectBusy):
        project_sets.update_set(set_id, {"git_credential_id": None}, OTTO)


def test_members_on_one_head_have_no_flag(set_id: int) -> None:
    assert flags(set_id) == {"n0": (), "n1": (), "n2": ()}


def test_who_has_not_the_head_that_was_synced_last_is_behind(set_id: int) -> None:
    settle(project_sets.member_ids(set_id)[0], head="b" * 40, last_synced_at=utcnow())
    assert flags(set_id) == {"n0": (), "n1": ("behind",), "n2": ("behind",)}
    assert set_drift.read_drift(set_id).reference.node_name == "n0"


@pytest.mark.parametrize(("kind", "params"), [("project.undo", {}), ("project.pull", {"strategy": "rebase"})])
def test_what_an_undo_or_a_rebase_has_left_is_no_measure(set_id: int, kind: str, params: dict[str, str]) -> None:
    project = project_sets.list_members(set_id)[0]
    jobs.enqueue(projects.act_job(kind, project, params | {"key": "x"}), OTTO)
    end_jobs()
    settle(project_sets.member_ids(set_id)[0], head="b" * 40, last_synced_at=utcnow())
    assert flags(set_id) == {"n0": ("behind",), "n1": (), "n2": ()}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"branch": "next"}, ("other_branch",)),
        ({"branch": None}, ("other_branch",)),
        ({"status": ProjectStatus.ERROR, "error_code": "not_fast_forward"}, ("error", "diverged")),
        ({"status": ProjectStatus.ERROR, "error_code": "tree_dirty"}, ("error", "dirty")),
        ({"cloned_at": None, "head": None, "status": ProjectStatus.PENDING}, ()),
    ],
)
def test_what_is_stored_of_a_member_is_flagged(set_id: int, values: dict[str, Any], expected: tuple[str, ...]) -> None:
    settle(project_sets.member_ids(set_id)[1], **values)
    assert flags(set_id) == {"n0": (), "n1": expected, "n2": ()}


def test_a_node_that_is_offline_is_flagged_and_not_asked(set_id: int, node_ids: list[int]) -> None:
    with unit_of_work() as session:
        session.get_one(Node, node_ids[0]).status = NodeStatus.OFFLINE
    drift = set_drift.read_drift(set_id)
    assert (flags(set_id)["n0"], drift.counts["offline"]) == (("offline",), 1)


def test_a_set_on_a_tag_goes_by_what_most_are_on(node_ids: list[int], set_id: int) -> None:
    project_sets.update_set(set_id, {"branch": "v1"}, OTTO)
    for project_id in project_sets.member_ids(set_id):
        settle(project_id, branch=None)
    assert flags(set_id) == {"n0": (), "n1": (), "n2": ()}
