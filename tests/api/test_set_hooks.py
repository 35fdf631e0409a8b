"""Webhooks of project sets over REST: one run for a push, one at a time, and none that is lost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import unit_of_work, utcnow
from app.jobs.queue import HeldQueue
from app.models import Job, JobState, Node, NodeStatus, Project, ProjectSet
from app.services import hook_pulls, run_moves
from tests.support.pushes import FORGES, Delivery

URL = "https://git.example.com/shop/web.git"
Make = Callable[..., int]


@dataclass(frozen=True)
class SetHook:
    app: Flask
    client: FlaskClient
    operator: FlaskClient
    own: str
    forge: str
    path: str
    secret: str

    def push(self, branch: str = "main", **payload: Any) -> Delivery:
        return FORGES[self.forge](self.secret, branch, **payload)

    def send(self, delivery: Delivery | None = None) -> int:
        delivery = delivery or self.push()
        return int(self.client.post(self.path, data=delivery.body, headers=delivery.headers).status_code)

    def log(self) -> list[tuple[str, int | None]]:
        return [(row["outcome"], row["run_id"]) for row in self.operator.get(f"{self.own}/deliveries").json]

    def runs(self) -> list[dict[str, Any]]:
        """The first first."""
        return list(reversed(self.operator.get("/api/v1/runs").json))

    def set_jobs(self, state: JobState) -> None:
        ended = utcnow() if state is JobState.SUCCEEDED else None
        with self.app.app_context():
            with unit_of_work() as session:
                session.query(Job).update({"state": state, "finished_at": ended, "started_at": utcnow()})
            run_moves.advance_all()

    def tick(self) -> None:
        with self.app.app_context():
            hook_pulls.start_wanted_pulls()


@pytest.fixture
def set_id(app: Flask, make_node: Make, make_project: Make, held_queue: HeldQueue) -> int:
    """On three nodes, all on the branch main; the set itself names none."""
    ids = [make_project(make_node(f"n{number}"), branch="main", git_url=URL) for number in range(3)]
    with app.app_context(), unit_of_work() as session:
        session.add(ProjectSet(name="shop", name_folded="shop", git_url=URL))
        session.flush()
        session.query(Project).filter(Project.id.in_(ids)).update({"set_id": 1})
    return 1


@pytest.fixture
def make_hook(app: Flask, nobody: FlaskClient, operator: FlaskClient, set_id: int) -> Callable[..., SetHook]:
    def make(forge: str = "github", **values: Any) -> SetHook:
        made = operator.post(f"/api/v1/project-sets/{set_id}/hooks", json={"forge": forge} | values)
        assert made.status_code == 201, made.json
        own = f"/api/v1/project-sets/{set_id}/hooks/{made.json['id']}"
        return SetHook(app, nobody, operator, own, forge, made.json["path"], made.json["secret"])

    return make


@pytest.fixture
def hook(make_hook: Callable[..., SetHook]) -> SetHook:
    return make_hook()


@pytest.mark.parametrize("forge", FORGES)
def test_a_push_asks_for_one_run_on_all_members_in_the_name_of_the_hook(
    make_hook: Callable[..., SetHook], forge: str
) -> None:
    hook = make_hook(forge, concurrency=2, max_failures=1)
    assert hook.send() == 202
    (run,) = hook.runs()
    assert (run["kind"], run["params"], run["size"]) == ("project.pull", {"strategy": "ff-only"}, 3)
    assert (run["concurrency"], run["max_failures"], run["requested_by"]) == (2, 1, "hook 1")
    assert run["recap"]["running"] == 2
    assert hook.log() == [("queued", run["id"])]
    shown = hook.operator.get(hook.own).json
    assert (shown["set_id"], shown["project_id"], shown["concurrency"]) == (1, None, 2)


def test_pushes_before_anything_of_the_run_has_begun_join_it(hook: SetHook) -> None:
    assert [hook.send(), hook.send(), hook.send()] == [202] * 3
    assert hook.log() == [("joined", 1), ("joined", 1), ("queued", 1)]
    hook.set_jobs(JobState.SUCCEEDED)
    hook.tick()
    assert len(hook.runs()) == 1


def test_pushes_while_a_run_goes_on_are_one_run_when_it_has_ended(hook: SetHook) -> None:
    hook.send()
    hook.set_jobs(JobState.RUNNING)
    assert [hook.send(), hook.send()] == [202, 202]
    hook.tick()
    assert (len(hook.runs()), hook.log()) == (1, [("waiting", None), ("waiting", None), ("queued", 1)])
    hook.set_jobs(JobState.SUCCEEDED)
    hook.tick()
    hook.tick()
    assert [run["state"] for run in hook.runs()] == ["SUCCEEDED", "RUNNING"]
    assert hook.log() == [("queued", 2), ("queued", 2), ("queued", 1)]


def test_a_push_when_a_member_of_the_run_has_ended_and_others_wait_is_not_taken_for_pulled(
    make_hook: Callable[..., SetHook],
) -> None:
    hook = make_hook(concurrency=1)
    hook.send()
    hook.set_jobs(JobState.SUCCEEDED)
    assert hook.send() == 202
    assert hook.log()[0] == ("waiting", None)
    for _ in range(3):
        hook.set_jobs(JobState.SUCCEEDED)
    hook.tick()
    assert hook.log()[0] == ("queued", 2)


def test_two_hooks_of_one_set_ask_for_one_run_at_a_time(make_hook: Callable[..., SetHook]) -> None:
    first, second = make_hook(), make_hook("gitlab")
    first.send()
    second.send()
    assert second.log() == [("joined", 1)]
    first.set_jobs(JobState.RUNNING)
    second.send()
    first.set_jobs(JobState.SUCCEEDED)
    first.tick()
    assert (second.log()[0], len(first.runs())) == (("queued", 2), 2)


def test_a_run_that_somebody_cancels_is_not_joined(hook: SetHook) -> None:
    hook.send()
    hook.operator.post("/api/v1/runs/1/cancel")
    hook.send()
    hook.tick()
    assert (len(hook.runs()), hook.log()[0]) == (2, ("queued", 2))


@pytest.mark.parametrize(
    ("hook_branch", "set_branch", "pushed", "outcome"),
    [
        (None, None, "main", "queued"),
        (None, None, "next", "ignored"),
        (None, "next", "next", "queued"),
        (None, "next", "main", "ignored"),
        ("rc", "next", "rc", "queued"),
        ("rc", "next", "next", "ignored"),
    ],
)
def test_the_branch_is_the_hook_s_or_the_set_s_or_one_that_members_are_on(
    make_hook: Callable[..., SetHook], hook_branch: str | None, set_branch: str | None, pushed: str, outcome: str
) -> None:
    hook = make_hook(branch=hook_branch)
    with hook.app.app_context(), unit_of_work() as session:
        session.query(ProjectSet).one().branch = set_branch
    assert hook.send(hook.push(pushed)) == 202
    assert [each[0] for each in hook.log()] == [outcome]


def test_a_node_that_is_away_is_told_by_the_run(hook: SetHook) -> None:
    with hook.app.app_context(), unit_of_work() as session:
        session.get_one(Node, 2).status = NodeStatus.OFFLINE
    hook.send()
    recap = hook.runs()[0]["recap"]
    assert (recap["unreachable"], recap["running"], hook.log()) == (1, 2, [("queued", 1)])


def test_a_set_without_members_is_told_in_the_log(hook: SetHook) -> None:
    with hook.app.app_context(), unit_of_work() as session:
        session.query(Project).update({"set_id": None})
    assert (hook.send(), hook.log(), hook.runs()) == (202, [("refused", None)], [])


@pytest.mark.parametrize("forge", FORGES)
def test_a_replay_and_a_wrong_signature_begin_nothing(make_hook: Callable[..., SetHook], forge: str) -> None:
    hook = make_hook(forge)
    delivery = hook.push()
    assert [hook.send(delivery), hook.send(delivery), hook.send(FORGES[forge]("whsec_AAAA"))] == [202, 409, 403]
    assert [each[0] for each in hook.log()] == ["unsigned", "replayed", "queued"]
    assert len(hook.runs()) == 1


def test_it_is_changed_rotated_turned_off_and_deleted(hook: SetHook) -> None:
    changed = hook.operator.patch(hook.own, json={"concurrency": 3, "max_failures": None, "branch": "main"}).json
    assert (changed["concurrency"], changed["branch"]) == (3, "main")
    assert hook.operator.post(f"{hook.own}/rotate").json["secret"] != hook.secret
    assert hook.send() == 404
    assert hook.operator.patch(hook.own, json={"enabled": False}).json["enabled"] is False
    assert [row["id"] for row in hook.operator.get("/api/v1/project-sets/1/hooks").json] == [1]
    assert hook.operator.delete(hook.own).status_code == 204
    assert hook.operator.get(hook.own).status_code == 404


def test_a_project_s_address_does_not_show_a_set_s_hook_nor_the_other_way_round(hook: SetHook) -> None:
    of_project = hook.operator.post("/api/v1/projects/1/hooks", json={"forge": "github"}).json["id"]
    for path in ("/api/v1/projects/1/hooks/1", f"/api/v1/project-sets/1/hooks/{of_project}"):
        assert hook.operator.get(path).status_code == 404
        assert hook.operator.delete(path).status_code == 404
    wrong = hook.operator.post("/api/v1/projects/1/hooks", json={"forge": "github", "concurrency": 2})
    assert (wrong.status_code, "concurrency" in wrong.json["errors"]) == (422, True)


def test_it_goes_with_its_set(hook: SetHook) -> None:
    assert hook.operator.delete("/api/v1/project-sets/1").status_code == 204
    assert hook.send() == 404
