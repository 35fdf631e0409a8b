"""Webhooks over REST: what is queued, what is refused, what is remembered."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import unit_of_work, utcnow
from app.jobs.queue import HeldQueue
from app.models import Job, JobState, Node, NodeStatus, Project
from app.services import hook_deliveries, hook_pulls
from tests.support import pushes
from tests.support.databases import only_on_sqlite, sqlite_file
from tests.support.pushes import FORGES, Delivery

Make = Callable[..., int]


@dataclass(frozen=True)
class Hook:
    client: FlaskClient
    operator: FlaskClient
    project_id: int
    id: int
    forge: str
    path: str
    secret: str

    @property
    def own(self) -> str:
        return f"/api/v1/projects/{self.project_id}/hooks/{self.id}"

    def push(self, branch: str = "main", **payload: Any) -> Delivery:
        return FORGES[self.forge](self.secret, branch, **payload)

    def send(self, delivery: Delivery, **options: Any) -> Any:
        return self.client.post(self.path, data=delivery.body, headers=delivery.headers, **options)

    def log(self) -> list[str]:
        return [row["outcome"] for row in self.operator.get(f"{self.own}/deliveries").json]


@pytest.fixture
def project_id(make_node: Make, make_project: Make) -> int:
    return make_project(make_node(), branch="main")


@pytest.fixture
def make_hook(nobody: FlaskClient, operator: FlaskClient, project_id: int) -> Callable[..., Hook]:
    def make(forge: str = "github", project_id: int = project_id, **values: Any) -> Hook:
        made = operator.post(f"/api/v1/projects/{project_id}/hooks", json={"forge": forge} | values)
        assert made.status_code == 201, made.json
        return Hook(nobody, operator, project_id, made.json["id"], forge, made.json["path"], made.json["secret"])

    return make


@pytest.fixture
def hook(make_hook: Callable[..., Hook]) -> Hook:
    return make_hook()


def refusals(admin: FlaskClient) -> list[tuple[str, str]]:
    rows = admin.get("/api/v1/events").json
    return [(row["actor"], row["detail"]) for row in rows if row["action"] == "hook.refused"]


def set_state(app: Flask, state: JobState) -> None:
    with app.app_context(), unit_of_work() as session:
        for job in session.query(Job):
            job.state, job.finished_at = state, utcnow() if state is JobState.SUCCEEDED else None


@pytest.mark.parametrize("forge", FORGES)
def test_a_push_asks_for_a_pull_in_the_name_of_the_hook(
    make_hook: Callable[..., Hook], held_queue: HeldQueue, forge: str
) -> None:
    hook = make_hook(forge)
    answer = hook.send(hook.push())
    assert (answer.status_code, answer.json) == (202, {"received": True})
    job = hook.operator.get(f"/api/v1/jobs/{held_queue.held[0]}").json
    assert (job["kind"], job["project_id"], job["requested_by"]) == ("project.pull", hook.project_id, f"hook {hook.id}")
    assert hook.log() == ["queued"]
    assert hook.operator.get(hook.own).json["last_outcome"] == "queued"


@only_on_sqlite
def test_token_and_secret_are_shown_once_and_stored_by_hash_and_sealed(app: Flask, hook: Hook) -> None:
    assert re.fullmatch(r"/api/v1/hooks/bbh_[\w-]{43}", hook.path)
    assert re.fullmatch(r"whsec_[\w+/]{43}=", hook.secret)
    told = hook.operator.get(hook.own).text + hook.operator.get(f"/api/v1/projects/{hook.project_id}/hooks").text
    stored = Path(f"{sqlite_file(app.config['SQLALCHEMY_DATABASE_URI'])}-wal").read_bytes()
    for secret in (hook.secret, hook.path.rpartition("/")[2]):
        assert secret not in told
        assert secret.encode() not in stored


def test_the_answer_does_not_tell_whether_the_branch_is_the_hook_s(hook: Hook, held_queue: HeldQueue) -> None:
    there, elsewhere = hook.send(hook.push()), hook.send(hook.push("feature"))
    assert (there.status_code, there.data) == (elsewhere.status_code, elsewhere.data)
    assert len(held_queue.held) == 1
    assert hook.log() == ["ignored", "queued"]


def test_a_hook_may_have_a_branch_of_its_own(make_hook: Callable[..., Hook], held_queue: HeldQueue) -> None:
    hook = make_hook(branch="release")
    hook.send(hook.push("main"))
    hook.send(hook.push("release"))
    assert hook.log() == ["queued", "ignored"]


def test_a_ping_is_answered_and_asks_for_nothing(hook: Hook, held_queue: HeldQueue) -> None:
    assert hook.send(hook.push().but(X_GitHub_Event="ping")).status_code == 202
    assert (held_queue.held, hook.log()) == ([], ["ignored"])


@pytest.mark.parametrize("forge", FORGES)
def test_unsigned_and_wrongly_signed_ones_queue_nothing_and_are_noted(
    make_hook: Callable[..., Hook], admin: FlaskClient, held_queue: HeldQueue, forge: str
) -> None:
    hook = make_hook(forge)
    unsigned = hook.push().but(X_Hub_Signature_256=None, X_Gitea_Signature=None, X_Gitlab_Token=None)
    for delivery in (unsigned, FORGES[forge]("whsec_AAAA")):
        answer = hook.send(delivery)
        assert (answer.status_code, answer.json["error"]) == (403, "signature_invalid")
    assert (held_queue.held, hook.log()) == ([], ["unsigned", "unsigned"])
    assert refusals(admin) == [(f"hook {hook.id}", "signature_invalid")] * 2


@pytest.mark.parametrize("forge", FORGES)
def test_a_replay_queues_nothing_and_is_noted(
    app: Flask, make_hook: Callable[..., Hook], admin: FlaskClient, held_queue: HeldQueue, forge: str
) -> None:
    hook = make_hook(forge)
    delivery = hook.push()
    assert hook.send(delivery).status_code == 202
    set_state(app, JobState.SUCCEEDED)
    answer = hook.send(delivery)
    assert (answer.status_code, answer.json["error"]) == (409, "hook_replayed")
    assert (len(held_queue.held), hook.log()) == (1, ["replayed", "queued"])
    assert refusals(admin) == [(f"hook {hook.id}", "hook_replayed")]


def test_a_replay_under_another_id_is_one_too(hook: Hook, held_queue: HeldQueue) -> None:
    delivery = hook.push()
    hook.send(delivery)
    assert hook.send(delivery.but(X_GitHub_Delivery="c0ffee")).status_code == 409


def test_gitlab_s_signed_form_is_replayed_in_vain(make_hook: Callable[..., Hook], held_queue: HeldQueue) -> None:
    hook = make_hook("gitlab")
    delivery = pushes.gitlab_signed(hook.secret)
    assert [hook.send(delivery).status_code for _ in range(2)] == [202, 409]


def test_a_refused_delivery_may_still_come_rightly(hook: Hook, held_queue: HeldQueue) -> None:
    delivery = hook.push()
    assert hook.send(delivery.but(X_Hub_Signature_256="sha256=0")).status_code == 403
    assert hook.send(delivery).status_code == 202


def test_the_same_delivery_counts_for_each_hook(make_hook: Callable[..., Hook], held_queue: HeldQueue) -> None:
    first, second = make_hook(), make_hook()
    delivery = first.push()
    signed = "sha256=" + pushes.hex_hmac(second.secret, delivery.body)
    assert first.send(delivery).status_code == 202
    assert second.send(delivery.but(X_Hub_Signature_256=signed)).status_code == 202
    assert (len(held_queue.held), second.log()) == (1, ["joined"])


def test_a_huge_body_is_not_read_and_is_noted(hook: Hook, admin: FlaskClient, held_queue: HeldQueue) -> None:
    answer = hook.send(hook.push(commits=["x" * 256 * 1024]))
    assert (answer.status_code, answer.json["error"]) == (413, "body_too_large")
    assert (held_queue.held, hook.log()) == ([], ["unreadable"])
    assert len(refusals(admin)) == 1


def test_a_body_of_256_kib_is_taken(hook: Hook, held_queue: HeldQueue) -> None:
    rest = 256 * 1024 - len(hook.push(commits=[""]).body)
    assert hook.send(hook.push(commits=["x" * rest])).status_code == 202


def test_a_signed_body_that_is_no_push_is_422(hook: Hook, held_queue: HeldQueue) -> None:
    broken = hook.push().but(body=b"{")
    signed = broken.but(X_Hub_Signature_256="sha256=" + pushes.hex_hmac(hook.secret, b"{"))
    assert hook.send(signed).status_code == 422
    assert (held_queue.held, hook.log()) == ([], ["unreadable"])


def test_only_post_is_known(hook: Hook, held_queue: HeldQueue) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = hook.client.open(hook.path, method=method, headers=hook.push().headers)
        assert (answer.status_code, answer.json["error"]) == (405, "method_not_allowed")
    assert held_queue.held == []


def test_an_unknown_token_and_a_hook_that_is_off_are_the_same(hook: Hook, held_queue: HeldQueue) -> None:
    hook.operator.patch(hook.own, json={"enabled": False})
    off, unknown = hook.send(hook.push()), hook.client.post("/api/v1/hooks/bbh_x", data=b"{}")
    assert (off.status_code, off.json) == (unknown.status_code, unknown.json) == (404, off.json)
    assert held_queue.held == []


def test_a_push_during_a_pull_is_remembered_once_and_pulled_after_it(
    app: Flask, hook: Hook, held_queue: HeldQueue
) -> None:
    hook.send(hook.push())
    set_state(app, JobState.RUNNING)
    for _ in range(3):
        assert hook.send(hook.push()).status_code == 202
    assert (len(held_queue.held), hook.log()) == (1, ["waiting", "waiting", "waiting", "queued"])
    with app.app_context():
        hook_pulls.start_wanted_pulls()
    assert len(held_queue.held) == 1
    set_state(app, JobState.SUCCEEDED)
    with app.app_context():
        hook_pulls.start_wanted_pulls()
        hook_pulls.start_wanted_pulls()
    assert (len(held_queue.held), hook.log()) == (2, ["queued"] * 4)


def test_a_push_before_a_waiting_pull_has_begun_joins_it(app: Flask, hook: Hook, held_queue: HeldQueue) -> None:
    hook.send(hook.push())
    hook.send(hook.push())
    set_state(app, JobState.SUCCEEDED)
    with app.app_context():
        hook_pulls.start_wanted_pulls()
    assert (len(held_queue.held), hook.log()) == (1, ["joined", "queued"])


def test_a_push_for_a_node_that_is_away_is_pulled_when_it_is_back(
    app: Flask, hook: Hook, held_queue: HeldQueue
) -> None:
    with app.app_context(), unit_of_work() as session:
        session.query(Node).one().status = NodeStatus.OFFLINE
    assert hook.send(hook.push()).status_code == 202
    assert hook.operator.get(f"{hook.own}/deliveries").json[0]["detail"].startswith("Node web-1 is offline")
    with app.app_context():
        hook_pulls.start_wanted_pulls()
        with unit_of_work() as session:
            session.query(Node).one().status = NodeStatus.ONLINE
        hook_pulls.start_wanted_pulls()
    assert (len(held_queue.held), hook.log()) == (1, ["queued"])


def test_a_project_that_is_not_cloned_is_told_in_the_log(app: Flask, hook: Hook, held_queue: HeldQueue) -> None:
    with app.app_context(), unit_of_work() as session:
        session.query(Project).one().cloned_at = None
    assert hook.send(hook.push()).status_code == 202
    assert (held_queue.held, hook.log()) == ([], ["refused"])


def test_turned_off_it_wants_nothing_any_more(app: Flask, hook: Hook, held_queue: HeldQueue) -> None:
    hook.send(hook.push())
    set_state(app, JobState.RUNNING)
    hook.send(hook.push())
    assert hook.operator.patch(hook.own, json={"enabled": False}).json["pull_wanted_at"] is None


def test_the_log_has_an_end(hook: Hook, held_queue: HeldQueue) -> None:
    for _ in range(hook_deliveries.KEPT + 5):
        hook.send(hook.push("feature"))
    assert len(hook.operator.get(f"{hook.own}/deliveries?page_size=200").json) == hook_deliveries.KEPT


def test_rotated_the_old_address_and_the_old_secret_are_nothing(hook: Hook, held_queue: HeldQueue) -> None:
    fresh = hook.operator.post(f"{hook.own}/rotate").json
    assert hook.send(hook.push()).status_code == 404
    delivery = hook.push()
    assert hook.client.post(fresh["path"], data=delivery.body, headers=delivery.headers).status_code == 403
    signed = FORGES["github"](fresh["secret"])
    assert hook.client.post(fresh["path"], data=signed.body, headers=signed.headers).status_code == 202


def test_another_project_s_hook_does_not_exist(hook: Hook, make_node: Make, make_project: Make) -> None:
    other = make_project(make_node("b-2"), "other")
    path = f"/api/v1/projects/{other}/hooks/{hook.id}"
    answers = [hook.operator.get(path), hook.operator.patch(path, json={"enabled": False}), hook.operator.delete(path)]
    answers += [hook.operator.post(f"{path}/rotate"), hook.operator.get(f"{path}/deliveries")]
    assert {answer.status_code for answer in answers} == {404}


@pytest.mark.parametrize("values", [{}, {"forge": "svn"}, {"forge": "github", "branch": "-x"}, {"secret": "x"}])
def test_a_wrong_hook_is_422(operator: FlaskClient, project_id: int, values: dict[str, Any]) -> None:
    assert operator.post(f"/api/v1/projects/{project_id}/hooks", json=values).status_code == 422


def test_a_project_has_so_many_hooks_and_no_more(make_hook: Callable[..., Hook], project_id: int) -> None:
    hooks = [make_hook() for _ in range(20)]
    answer = hooks[0].operator.post(f"/api/v1/projects/{project_id}/hooks", json={"forge": "github"})
    assert (answer.status_code, answer.json["error"]) == (409, "conflict")


def test_it_goes_with_its_project(app: Flask, hook: Hook, held_queue: HeldQueue) -> None:
    with app.app_context(), unit_of_work() as session:
        session.delete(session.get_one(Project, hook.project_id))
    assert hook.send(hook.push()).status_code == 404


def test_too_many_deliveries_are_throttled(make_app: Callable[..., Flask]) -> None:
    client = make_app(RATELIMIT_ENABLED=True, HOOK_RATE_LIMIT="3 per minute").test_client()
    assert [client.post("/api/v1/hooks/bbh_x").status_code for _ in range(5)] == [404, 404, 404, 429, 429]
