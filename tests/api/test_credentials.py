from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.db import db
from app.models import GitCredential
from app.services import credentials
from app.services.runtime import Runtime
from tests.api.test_keys import private_key

PATH = "/api/v1/git-credentials"
TOKEN = "tok3n-of-the-shop-42"
HTTPS: dict[str, Any] = {"name": "shop", "kind": "https", "host": "git.example.com", "username": "bot", "token": TOKEN}
FIELDS = ["id", "name", "kind", "host", "port", "username", "public_key", "fingerprint", "created_at", "last_used_at"]


def ssh(**changes: Any) -> dict[str, Any]:
    return {"name": "shop key", "kind": "ssh", "host": "git.example.com", "private_key": private_key()} | changes


def test_a_token_is_stored_and_never_answered(admin: FlaskClient, app: Flask) -> None:
    made = admin.post(PATH, json=HTTPS)
    assert (made.status_code, list(made.json)) == (201, FIELDS)
    answers = [made, admin.get(made.headers["Location"]), admin.get(PATH), admin.get("/api/v1/events")]
    answers.append(admin.post(PATH, json=HTTPS))
    assert [answer.text for answer in answers if TOKEN in answer.text] == []
    with app.app_context():
        rows = [row for table in db.metadata.sorted_tables for row in db.session.execute(db.select(table))]
    assert rows
    assert TOKEN not in repr(rows)


def test_a_key_is_stored_and_only_its_public_half_is_answered(admin: FlaskClient) -> None:
    values = ssh()
    made = admin.post(PATH, json=values)
    assert made.status_code == 201
    assert made.json["public_key"].startswith("ssh-ed25519 ")
    assert values["private_key"].splitlines()[2] not in made.text + admin.get(PATH).text


def test_a_secret_that_was_moved_to_another_row_does_not_open(admin: FlaskClient, app: Flask, runtime: Runtime) -> None:
    one = admin.post(PATH, json=HTTPS).json["id"]
    two = admin.post(PATH, json=HTTPS | {"name": "other"}).json["id"]
    with app.app_context():
        rows = db.session.get_one(GitCredential, one), db.session.get_one(GitCredential, two)
        with pytest.raises(Exception, match="does not open"):
            runtime.vault.open(rows[0].secret_sealed, rows[1].seal_purpose)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({**HTTPS, "token": "a b"}, "token"),
        ({**HTTPS, "token": "a\nb"}, "token"),
        ({**HTTPS, "host": "https://git.example.com"}, "host"),
        ({**HTTPS, "kind": "ftp"}, "kind"),
        ({**HTTPS, "private_key": "x"}, "private_key"),
        ({**HTTPS, "username": "a\nb"}, "username"),
        ({**HTTPS, "port": 0}, "port"),
        ({"name": "x", "kind": "https", "host": "git.example.com"}, "token"),
        ({"name": "x", "kind": "ssh", "host": "git.example.com"}, "private_key"),
        ({"name": "x", "kind": "ssh", "host": "git.example.com", "private_key": "broken"}, "private_key"),
    ],
)
def test_a_bad_value_is_refused_by_field(admin: FlaskClient, values: dict[str, Any], field: str) -> None:
    answer = admin.post(PATH, json=values)
    assert (answer.status_code, field in answer.json["errors"]) == (422, True), answer.json


CLONE: dict[str, Any] = {"name": "shop", "git_url": "https://git.example.com/shop/web.git"}


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://git.example.com/shop/web.git", True),
        ("https://GIT.example.com:443/shop/web.git", True),
        ("https://git.example.com:8443/shop/web.git", False),
        ("https://evil.example.com/shop/web.git", False),
        ("https://git.example.com.evil.org/shop/web.git", False),
        ("ssh://git@git.example.com/shop/web.git", False),
        ("git@git.example.com:shop/web.git", False),
    ],
)
def test_a_credential_goes_only_with_its_own_server_and_scheme(
    admin: FlaskClient, operator: FlaskClient, make_node: Callable[..., int], url: str, fits: bool
) -> None:
    values = CLONE | {
        "git_url": url,
        "node_id": make_node(),
        "git_credential_id": admin.post(PATH, json=HTTPS).json["id"],
    }
    answer = operator.post("/api/v1/projects/clone", json=values)
    assert answer.status_code == (202 if fits else 422), answer.json
    assert fits or list(answer.json["errors"]) == ["git_credential_id"]


def test_a_credential_that_is_not_there_is_refused_by_field(admin: FlaskClient, make_node: Callable[..., int]) -> None:
    answer = admin.post("/api/v1/projects/clone", json=CLONE | {"node_id": make_node(), "git_credential_id": 99})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["git_credential_id"])


def test_a_credential_in_use_stays_and_may_be_changed_on_a_cloned_project(
    admin: FlaskClient, make_node: Callable[..., int], make_project: Callable[..., int]
) -> None:
    credential_id, project_id = admin.post(PATH, json=HTTPS).json["id"], make_project(make_node())
    project = f"/api/v1/projects/{project_id}"
    assert admin.patch(project, json={"git_credential_id": credential_id}).json["git_credential_id"] == credential_id
    refused = admin.delete(f"{PATH}/{credential_id}")
    assert (refused.status_code, refused.json["error"]) == (409, "credential_in_use")
    assert "shop on web-1" in refused.json["message"]
    assert admin.patch(project, json={"git_credential_id": None}).status_code == 200
    assert admin.delete(f"{PATH}/{credential_id}").status_code == 204


def test_an_address_may_not_be_moved_away_from_under_its_credential(
    admin: FlaskClient, make_node: Callable[..., int], make_project: Callable[..., int]
) -> None:
    credential_id = admin.post(PATH, json=HTTPS).json["id"]
    project_id = make_project(make_node(), cloned_at=None, git_credential_id=credential_id)
    answer = admin.patch(f"/api/v1/projects/{project_id}", json={"git_url": "https://evil.example.com/a/b.git"})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["git_credential_id"])


def test_a_git_server_is_added_pinned_and_forgotten(admin: FlaskClient, app: Flask) -> None:
    made = admin.post("/api/v1/git-hosts", json={"host": "git.example.com", "port": 2222})
    assert (made.status_code, made.json["host_keys"]) == (201, [])
    assert admin.post("/api/v1/git-hosts", json={"host": "GIT.example.com", "port": 2222}).status_code == 409
    path = made.headers["Location"]
    early = admin.post(f"{path}/host-keys", json={"fingerprint": "SHA256:" + "A" * 43})
    assert (early.status_code, early.json["error"]) == (409, "wrong_state")
    line = " ".join(admin.post(PATH, json=ssh()).json["public_key"].split()[:2])
    pin = admin.post(f"{path}/host-keys", json={"public_key": line}).json
    assert [key["fingerprint"] for key in admin.get(path).json["host_keys"]] == [pin["fingerprint"]]
    assert admin.delete(f"{path}/host-keys/{pin['id']}").status_code == 204
    assert admin.delete(path).status_code == 204
    assert admin.get("/api/v1/git-hosts").json == []


def test_a_forge_begins_with_the_shipped_pins_which_can_be_taken_back(admin: FlaskClient) -> None:
    made = admin.post("/api/v1/git-hosts", json={"host": "github.com"})
    keys = made.json["host_keys"]
    assert "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU" in [key["fingerprint"] for key in keys]
    assert {key["pinned_by"][:7] for key in keys} == {"shipped"}
    for key in keys:
        admin.delete(f"{made.headers['Location']}/host-keys/{key['id']}")
    assert admin.get(made.headers["Location"]).json["host_keys"] == []


def test_the_master_key_is_what_opens_it(admin: FlaskClient, app: Flask) -> None:
    admin.post(PATH, json=HTTPS)
    with app.app_context():
        sealed = db.session.execute(text("SELECT secret_sealed FROM git_credential")).scalar_one()
        assert sealed.startswith("v1:")
        assert credentials.get_credential_by_name("shop").seal_purpose.startswith("git_credential.secret:")
