from flask.testing import FlaskClient


def test_every_act_is_noted_with_who_and_from_where(admin: FlaskClient) -> None:
    admin.post("/api/v1/ssh-keys", json={"name": "fleet", "generate": "ed25519"})
    newest = admin.get("/api/v1/events?page_size=1").json[0]
    assert list(newest) == ["id", "at", "actor", "address", "action", "subject", "outcome", "detail"]
    assert (newest["actor"], newest["address"], newest["action"]) == ("admin", "127.0.0.1", "key.generate")


def test_events_cannot_be_changed_from_here(admin: FlaskClient) -> None:
    answers = [admin.open("/api/v1/events", method=method) for method in ("POST", "PUT", "PATCH", "DELETE")]
    assert [answer.status_code for answer in answers] == [405] * 4
