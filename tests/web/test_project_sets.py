from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict

from app.db import unit_of_work, utcnow
from app.models import Job, JobState, Node, NodeStatus, Project, ProjectStatus
from app.services import run_moves
from tests.web.conftest import Person, said

URL = "https://git.example.com/shop/web.git"
Make = Callable[..., int]


@pytest.fixture
def node_ids(app: Flask, make_node: Make) -> list[int]:
    """The last one is offline."""
    ids = [make_node(f"n{number}") for number in range(3)]
    with app.app_context(), unit_of_work() as session:
        node = session.get_one(Node, ids[2])
        node.status, node.status_reason = NodeStatus.OFFLINE, "refused"
    return ids


def send(person: Person, path: str, node_ids: list[int], **fields: str) -> str:
    values = MultiDict({"csrf_token": person.csrf_token} | fields)
    values.setlist("node_ids", [str(id_) for id_ in node_ids])
    return said(person.client.post(path, data=values, follow_redirects=True))


def make(app: Flask, person: Person, node_ids: list[int]) -> None:
    """Cloned."""
    page = send(person, "/sets/new", node_ids, name="shop", git_url=URL, concurrency="10")
    assert f"Clone on {len(node_ids)}" in page
    with app.app_context():
        with unit_of_work() as session:
            session.query(Job).update({"state": JobState.SUCCEEDED, "finished_at": utcnow()})
            there = {"head": "a" * 40, "branch": "main", "cloned_at": utcnow(), "last_synced_at": utcnow()}
            session.query(Project).update(there | {"status": ProjectStatus.ACTIVE})
        run_moves.advance_all()


def test_a_set_is_made_and_its_page_compares_pulls_and_adds(app: Flask, otto: Person, node_ids: list[int]) -> None:
    assert "There are no project sets yet" in otto.get("/sets").text
    assert "offline: it refuses connections" in said(otto.get("/sets/new"))
    assert otto.get("/sets/new").text.count(" disabled>") == 1
    make(app, otto, node_ids[:1])
    page = otto.get("/sets/1")
    assert "No difference is known." in said(page)
    assert "Clone on 1" in send(otto, "/sets/1/nodes", [node_ids[1]])
    assert "Pull on 2" in otto.submit("/sets/1/pull", strategy="ff-only", concurrency="1")
    assert "Reset 2 members of the set shop" in otto.submit("/sets/1/pull", strategy="reset", concurrency="1")
    assert "Reset on 2" in otto.submit("/sets/1/pull", strategy="reset", concurrency="1", confirmed="on")
    assert "Pull on 2" in otto.submit("/sets/1/pull", strategy="stash")
    assert "shop" in otto.get("/sets").text
    assert "/sets/1" in otto.get("/projects/1").text


def test_the_grid_shows_flags_and_a_look_that_found_nobody(app: Flask, otto: Person, node_ids: list[int]) -> None:
    make(app, otto, node_ids[:2])
    with app.app_context(), unit_of_work() as session:
        session.get_one(Project, 2).branch = "next"
    assert "Other branch" in said(otto.get("/sets/1"))
    assert "n0" not in otto.get("/sets/1?flag=other_branch").text.split('id="grid"')[1].split("</section>")[0]
    live = said(otto.get("/sets/1?live=true"))
    assert "As it is now" in live
    assert "No answer" in live


def test_a_node_is_taken_out_and_the_set_deleted_after_a_question(
    app: Flask, otto: Person, node_ids: list[int]
) -> None:
    make(app, otto, node_ids[:2])
    assert "stays on" in said(otto.get(f"/sets/1/nodes/{node_ids[0]}/remove"))
    assert "on 1 node" in otto.submit(f"/sets/1/nodes/{node_ids[0]}/remove")
    assert "1 project stay" in said(otto.get("/sets/1/delete"))
    assert "its projects stay on their nodes" in otto.submit("/sets/1/delete")
    assert otto.get("/projects/2").status_code == 200


def test_a_set_is_edited(app: Flask, otto: Person, node_ids: list[int]) -> None:
    make(app, otto, node_ids[:1])
    assert "release" in otto.submit("/sets/1/edit", branch="release")
    assert "the repository's default" in otto.submit("/sets/1/edit", branch="")
    assert "not allowed" in otto.submit("/sets/1/edit", branch="a..b")


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"name": "a/b"}, "Nothing was done"), ({"git_url": "x"}, "Nothing was done"), ({"concurrency": "0"}, "Nothing")],
)
def test_a_wrong_form_says_why_and_keeps_the_choice(
    otto: Person, node_ids: list[int], fields: dict[str, str], words: str
) -> None:
    values = MultiDict({"csrf_token": otto.csrf_token, "name": "shop", "git_url": URL, "node_ids": "1"} | fields)
    answer = otto.client.post("/sets/new", data=values)
    assert (answer.status_code, words in said(answer), " checked>" in answer.text) == (422, True, True)


def test_nothing_chosen_or_nothing_to_pull_is_said(app: Flask, otto: Person, node_ids: list[int]) -> None:
    send(otto, "/sets/new", [], name="shop", git_url=URL)
    assert "Choose at least one node." in send(otto, "/sets/1/nodes", [])
    assert "has no nodes yet" in otto.submit("/sets/1/pull", strategy="ff-only")
    assert "No node has it yet." in said(otto.get("/sets/1"))
