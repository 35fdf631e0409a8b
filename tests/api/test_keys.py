from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from flask.testing import FlaskClient

FIELDS = ["id", "name", "type", "bits", "fingerprint", "public_key", "created_at", "last_used_at"]
PATH = "/api/v1/ssh-keys"


def private_key(passphrase: str | None = None) -> str:
    how = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, how).decode()


def test_a_key_is_generated(admin: FlaskClient) -> None:
    answer = admin.post(PATH, json={"name": "fleet", "generate": "ed25519"})
    assert answer.status_code == 201
    assert list(answer.json) == FIELDS
    assert answer.json["public_key"].startswith("ssh-ed25519 AAAA")
    assert admin.get(answer.headers["Location"]).json == answer.json


@pytest.mark.parametrize("passphrase", [None, "open sesame"])
def test_a_key_is_imported(admin: FlaskClient, passphrase: str | None) -> None:
    values: dict[str, Any] = {"name": "legacy", "private_key": private_key(passphrase)}
    if passphrase:
        values["passphrase"] = passphrase
    assert admin.post(PATH, json=values).status_code == 201


def test_nothing_ever_answers_a_private_key(admin: FlaskClient) -> None:
    text = private_key()
    made = admin.post(PATH, json={"name": "legacy", "private_key": text})
    inside = text.splitlines()[2]
    answers = [made, admin.get(made.headers["Location"]), admin.get(PATH), admin.get("/api/v1/events")]
    answers.append(admin.post(PATH, json={"name": "again", "private_key": text}))
    answers.append(admin.post(PATH, json={"name": "broken", "private_key": text[:-60]}))
    assert [answer for answer in answers if inside in answer.text or "PRIVATE" in answer.text] == []
    assert [answer.status_code for answer in answers[-2:]] == [409, 422]


@pytest.mark.parametrize("text", ["x", "ssh-ed25519 AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----\n-----END", "\u00e9"])
def test_what_is_no_key_is_refused_by_field(admin: FlaskClient, text: str) -> None:
    answer = admin.post(PATH, json={"name": "fleet", "private_key": text})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["private_key"])


@pytest.mark.parametrize("passphrase", [None, "wrong"])
def test_a_key_that_does_not_open_is_422(admin: FlaskClient, passphrase: str | None) -> None:
    values = {"name": "legacy", "private_key": private_key("right")} | (
        {"passphrase": passphrase} if passphrase else {}
    )
    assert admin.post(PATH, json=values).status_code == 422


def test_a_name_is_taken_once(admin: FlaskClient) -> None:
    values = {"name": "fleet", "generate": "ed25519"}
    admin.post(PATH, json=values)
    answer = admin.post(PATH, json=values)
    assert (answer.status_code, answer.json["error"]) == (409, "name_taken")


def test_a_key_in_use_stays(admin: FlaskClient, make_key: Callable[..., int], make_node: Callable[..., int]) -> None:
    key_id = make_key()
    make_node(ssh_key_id=key_id)
    answer = admin.delete(f"{PATH}/{key_id}")
    assert (answer.status_code, answer.json["error"]) == (409, "key_in_use")
    assert "web-1" in answer.json["message"]


def test_a_deleted_key_is_gone(admin: FlaskClient, make_key: Callable[..., int]) -> None:
    key_id = make_key()
    assert admin.delete(f"{PATH}/{key_id}").status_code == 204
    assert admin.delete(f"{PATH}/{key_id}").status_code == 404
    assert admin.get(PATH).json == []
