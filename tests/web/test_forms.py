"""Forms refuse the same values as REST, with the same words, and give back what was typed."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.ssh.recording import RecordingNodes
from tests.support.application import GIT_URL
from tests.support.sshd import make_keypair
from tests.web.conftest import Person, said

NODE = {
    "name": "web-1",
    "hostname": "192.0.2.1",
    "ssh_port": "22",
    "ssh_user": "deploy",
    "projects_root": "/data/projects",
}


def test_a_node_is_made_and_its_page_says_what_comes_next(ada: Person, make_key: Callable[..., int]) -> None:
    page = ada.submit("/nodes/new", **NODE, ssh_key_id=str(make_key()), labels="site=berlin\ntier=front")
    assert "Next step" in page
    assert "Scan the node" in page
    assert "site=berlin" in page


def test_a_node_without_a_key_is_first_told_to_choose_one(ada: Person) -> None:
    assert "Edit the node and choose one" in ada.submit("/nodes/new", **NODE)


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("name", "../x", "Starts with a letter or digit"),
        ("hostname", "127.1", "must be an IPv4 address"),
        ("ssh_port", "0", "Must be greater than or equal to 1"),
        ("ssh_port", "x", "Not a valid integer"),
        ("ssh_user", "-oProxyCommand=x", "POSIX user name"),
        ("projects_root", "/data/../etc", "no '.', '..'"),
        ("editor_url", "javascript:alert(1)", "starts with https://"),
        ("name", "<script>alert(1)</script>", "Starts with a letter or digit"),
    ],
)
def test_a_refused_node_keeps_what_was_typed_and_names_the_rule(ada: Person, field: str, value: str, rule: str) -> None:
    answer = ada.post("/nodes/new", **NODE | {field: value, "labels": "kept=yes"})
    assert answer.status_code == 422
    assert rule in said(answer)
    assert "kept=yes" in answer.text
    assert "<script>alert" not in answer.text


def test_a_name_that_is_taken_is_said_at_the_name(ada: Person, make_node: Callable[..., int]) -> None:
    make_node("web-1")
    answer = ada.post("/nodes/new", **NODE)
    assert 'id="name-wrong"' in answer.text


def test_an_edit_clears_what_is_left_empty(ada: Person, make_node: Callable[..., int]) -> None:
    node_id = make_node(editor_url="https://code.example.com/", labels={"a": "b"})
    page = ada.submit(f"/nodes/{node_id}/edit", **NODE, editor_url="", labels="", ssh_key_id="")
    assert "code.example.com" not in page
    assert "a=b" not in page


def test_an_edit_does_not_take_a_field_that_the_form_has_not(ada: Person, make_node: Callable[..., int]) -> None:
    assert ada.post(f"/nodes/{make_node()}/edit", **NODE, status="ONLINE").status_code == 422


@pytest.mark.parametrize("name", ["../x", "a/../../b", "-rf", "x;reboot", "a\nb", "x" * 300, "x.git", "x\0y"])
def test_a_name_that_could_leave_its_place_is_refused(otto: Person, make_node: Callable[..., int], name: str) -> None:
    answer = otto.post("/projects/new", name=name, git_url=GIT_URL, node_id=str(make_node()))
    assert answer.status_code == 422
    assert 'id="name-wrong"' in answer.text
    assert GIT_URL in answer.text


def test_a_refused_address_is_said_at_the_address(otto: Person, make_node: Callable[..., int]) -> None:
    denied = otto.post("/projects/new", name="shop", git_url="https://127.0.0.1/x.git", node_id=str(make_node()))
    assert 'id="git_url-wrong"' in denied.text
    assert 'value="shop"' in denied.text


def test_a_clone_leads_to_the_project(otto: Person, make_node: Callable[..., int]) -> None:
    page = otto.submit(
        "/projects/new", name="shop", git_url=GIT_URL, node_id=str(make_node()), submodules="on", depth="3"
    )
    assert "Pending" in page
    assert "waiting for its turn" in page


def test_nodes_that_take_no_clone_are_disabled_with_the_reason(otto: Person, make_node: Callable[..., int]) -> None:
    make_node("up")
    make_node("away", status="OFFLINE")
    make_node("strange", pinned=False)
    make_node("closed", cordoned=True)
    page = otto.get("/projects/new").text
    assert "disabled>away (offline)" in page
    assert "disabled>strange (no host key pinned)" in page
    assert "disabled>closed (cordoned)" in page
    assert "No node is online" not in page


def test_when_no_node_is_online_the_form_says_where_to_look(otto: Person, make_node: Callable[..., int]) -> None:
    make_node("away", status="OFFLINE")
    assert "No node is online now." in said(otto.get("/projects/new"))


def test_a_private_key_is_never_shown_again(ada: Person, tmp_path: object) -> None:
    answer = ada.post("/keys/import", name="mine", private_key="-----BEGIN sesame-----", passphrase="open sesame")
    assert answer.status_code == 422
    assert 'value="mine"' in answer.text
    assert "sesame" not in answer.text
    assert "This is not a private key" in answer.text


def test_a_key_from_a_browser_is_imported_with_its_line_breaks(ada: Person, tmp_path: object) -> None:
    private = make_keypair(tmp_path).private.reveal().replace("\n", "\r\n")  # type: ignore[arg-type]
    assert "Key mine is stored" in ada.submit("/keys/import", name="mine", private_key=private)


def test_a_key_in_use_cannot_be_deleted_and_says_why(ada: Person, make_node: Callable[..., int]) -> None:
    make_node("web-1")
    assert "In use by web-1" in ada.get("/keys").text
    assert "is in use by web-1" in ada.submit("/keys/1/delete")


def test_a_failed_clone_may_be_mended_and_tried_again(
    otto: Person, make_node: Callable[..., int], make_project: Callable[..., int]
) -> None:
    project_id = make_project(make_node(), cloned_at=None, status="ERROR", branch="old")
    refused = otto.post(f"/projects/{project_id}/edit", git_url="https://127.0.0.1/x.git", branch="")
    assert 'id="git_url-wrong"' in refused.text
    page = otto.submit(f"/projects/{project_id}/edit", git_url="https://git.example.com/right.git", branch="")
    assert "right.git" in page
    assert "old" not in page


def test_a_project_on_its_node_keeps_its_address(
    otto: Person, make_node: Callable[..., int], make_project: Callable[..., int]
) -> None:
    answer = otto.post(f"/projects/{make_project(make_node())}/edit", git_url="https://git.example.com/x.git")
    assert "is on its node already" in said(answer)


def test_a_deletion_needs_the_name_typed(
    otto: Person, make_node: Callable[..., int], make_project: Callable[..., int]
) -> None:
    project_id = make_project(make_node())
    refused = otto.post(f"/projects/{project_id}/delete", typed_name="Shop")
    assert refused.status_code == 422
    assert "Active" in said(otto.get(f"/projects/{project_id}"))
    assert "Delete shop" in otto.submit(f"/projects/{project_id}/delete", typed_name="shop")


def test_a_node_with_projects_is_not_deleted_and_says_why(
    ada: Person, make_node: Callable[..., int], make_project: Callable[..., int]
) -> None:
    node_id = make_node()
    make_project(node_id)
    assert "still has projects (1)" in ada.submit(f"/nodes/{node_id}/delete")
    assert "Delete after its 1 project" in said(ada.get(f"/nodes/{node_id}"))


def test_a_token_is_shown_once(ada: Person) -> None:
    assert "bbt_" in ada.post("/tokens", name="ci", days="30").text
    page = ada.get("/tokens").text
    assert "bbt_" not in page
    assert "ci" in page


def test_a_busy_project_refuses_another_act_and_names_the_job(
    otto: Person, make_node: Callable[..., int], make_project: Callable[..., int]
) -> None:
    project_id = make_project(make_node())
    otto.submit(f"/projects/{project_id}/pull")
    assert "Job 1 (project.pull) is changing" in otto.submit(f"/projects/{project_id}/checkout", ref="main")


def test_a_ref_that_is_none_is_refused_in_words(
    otto: Person, make_node: Callable[..., int], make_project: Callable[..., int]
) -> None:
    project_id = make_project(make_node())
    assert "must not start with '-'" in otto.submit(f"/projects/{project_id}/checkout", ref="--upload-pack=x")


def test_a_node_that_is_not_reached_is_said_on_its_page(
    app: Flask, ada: Person, recording_nodes: RecordingNodes
) -> None:
    ada.submit("/nodes/new", **NODE)
    assert "Probe now" in ada.submit("/nodes/1/probe")
    assert recording_nodes is not None
