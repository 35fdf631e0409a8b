import json

from flask.testing import FlaskClient


def test_every_act_is_noted_with_who_and_from_where(admin: FlaskClient) -> None:
    admin.post("/api/v1/ssh-keys", json={"name": "fleet", "generate": "ed25519"})
    newest = admin.get("/api/v1/events?page_size=1").json[0]
    assert set(newest) >= {"id", "at", "actor", "address", "action", "subject", "outcome", "detail", "hash"}
    assert (newest["actor"], newest["address"], newest["action"]) == ("admin", "127.0.0.1", "key.generate")


def test_events_cannot_be_changed_from_here(admin: FlaskClient) -> None:
    answers = [admin.open("/api/v1/events", method=method) for method in ("POST", "PUT", "PATCH", "DELETE")]
    assert [answer.status_code for answer in answers] == [405] * 4


def test_the_chain_is_verified_and_exported_over_rest(admin: FlaskClient) -> None:
    for name in ("one", "two"):
        admin.post("/api/v1/ssh-keys", json={"name": name, "generate": "ed25519"})
    verified = admin.post("/api/v1/events/verify").json
    lines = [json.loads(line) for line in admin.get("/api/v1/events/export").text.splitlines()]
    assert verified["fault"] is None
    assert verified["count"] == len(lines)
    assert lines[-1]["hash"] == verified["head_hash"] == admin.get("/api/v1/events/chain").json["head_hash"]
    after = admin.get(f"/api/v1/events/export?after={lines[-2]['id']}").text
    assert json.loads(after) == lines[-1]


def test_only_admins_export_and_verify(operator: FlaskClient) -> None:
    asked = [operator.get("/api/v1/events/export"), operator.post("/api/v1/events/verify")]
    assert [answer.status_code for answer in asked] == [403, 403]
