"""Who may do what: every route of the API, as every role and as nobody."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.models import Role

PUBLIC = {
    "api-docs.openapi_json",
    "api-pages.docs",
    "api-pages.static",
    "health.healthz",
    "health.readyz",
    "health.metrics",
    "internal.report_project_status",  # judged by a node's token
    "hooks.receive_hook",  # judged by the forge's signature
}
MISSING_ID = 999_999
NEVER_WITH_A_TOKEN = {"users.reset_second_factor"}  # nor are users and tokens made: those look at the body first
ADMINS_ONLY = {
    "jobs.abandon_job",
    "nodes.create_node",
    "nodes.update_node",
    "nodes.delete_node",
    "nodes.renew_node_token",
    "nodes.accept_root",
    "host-keys.scan_node",
    "host-keys.approve_host_key",
    "host-keys.expect_host_key",
    "host-keys.cancel_expected_host_key",
    "host-keys.pin_host_key",
    "host-keys.import_host_keys",
    "host-keys.unpin_host_key",
    "ssh-keys.create_ssh_key",
    "ssh-keys.delete_ssh_key",
    "ssh-keys.rotate_ssh_key",
    "git-credentials.create_git_credential",
    "git-credentials.delete_git_credential",
    "git-hosts.create_git_host",
    "git-hosts.delete_git_host",
    "git-hosts.scan_git_host",
    "git-hosts.pin_git_host_key",
    "git-hosts.unpin_git_host_key",
    "notification-channels.list_notification_channels",
    "notification-channels.create_notification_channel",
    "notification-channels.get_notification_channel",
    "notification-channels.update_notification_channel",
    "notification-channels.delete_notification_channel",
    "notification-channels.rotate_notification_channel",
    "notification-channels.test_notification_channel",
    "notification-channels.list_notification_deliveries",
    "notification-channels.send_notification_again",
    "users.list_users",
    "users.create_user",
    "users.get_user",
    "users.update_user",
    "users.end_user_sessions",
    "users.reset_second_factor",
    "events.export_events",
    "events.get_event_chain",
    "events.list_events",
    "events.verify_events",
}


def rules_of(app: Flask) -> Iterator[tuple[str, str, str, Role]]:
    """Endpoint, method, path and needed role of all that is not public."""
    with app.test_request_context():
        adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/") and rule.endpoint not in PUBLIC:
            path = adapter.build(rule.endpoint, dict.fromkeys(rule.arguments, MISSING_ID))
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule.endpoint, method, path, app.view_functions[rule.endpoint].required_role  # type: ignore[attr-defined]


def is_allowed(client: FlaskClient, method: str, path: str) -> bool:
    return client.open(path, method=method).status_code not in (401, 403)


def test_every_route_has_a_role_or_is_listed_as_public(app: Flask) -> None:
    api = {rule.endpoint for rule in app.url_map.iter_rules() if not rule.endpoint.startswith("web.")} - {"static"}
    unguarded = {endpoint for endpoint in api if not hasattr(app.view_functions[endpoint], "required_role")}
    assert unguarded == PUBLIC


@pytest.mark.parametrize("role", list(Role))
def test_each_route_lets_in_its_role_and_those_above(
    app: Flask, client_of: Callable[[str | None], FlaskClient], role: Role
) -> None:
    client = client_of(role.value)
    wrong = [
        (method, path)
        for endpoint, method, path, needed in rules_of(app)
        if is_allowed(client, method, path) != (role.includes(needed) and endpoint not in NEVER_WITH_A_TOKEN)
    ]
    assert wrong == []


def test_what_no_token_may_do_an_admin_does_in_a_browser(app: Flask, person_of: Callable[[str], FlaskClient]) -> None:
    wanted = [(method, path) for endpoint, method, path, _ in rules_of(app) if endpoint in NEVER_WITH_A_TOKEN]
    assert [person_of("admin").open(path, method=method).status_code for method, path in wanted] == [404]


@pytest.mark.parametrize("name", ["token", "access_token", "x"])
def test_a_token_in_the_address_is_refused_whatever_else_is_sent(admin: FlaskClient, name: str) -> None:
    answer = admin.get("/api/v1/nodes", query_string={name: "bbt_" + "x" * 43})
    assert (answer.status_code, answer.json["error"]) == (401, "unauthenticated")
    assert "Revoke" in answer.json["message"]


def test_nobody_gets_in_anywhere(app: Flask, nobody: FlaskClient) -> None:
    answers = {(method, path): nobody.open(path, method=method) for _, method, path, _ in rules_of(app)}
    assert len(answers) > 30
    assert {key: answer.status_code for key, answer in answers.items() if answer.status_code != 401} == {}
    assert {answer.json["error"] for answer in answers.values() if answer.json} == {"unauthenticated"}


def test_nodes_keys_users_and_events_are_for_admins(app: Flask) -> None:
    needed = {endpoint: role for endpoint, _, _, role in rules_of(app)}
    assert {endpoint for endpoint, role in needed.items() if role is Role.ADMIN} == ADMINS_ONLY


def test_only_reading_is_for_viewers_but_for_their_own_tokens_and_sessions(app: Flask) -> None:
    acts = {endpoint for endpoint, method, _, role in rules_of(app) if role is Role.VIEWER and method != "GET"}
    assert acts == {"tokens.create_token", "tokens.delete_token", "sessions.delete_session"}


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer bbt_wrong", "Basic YWRtaW46eA==", "bbt_x", "Bearer \xff"]
)
def test_a_wrong_token_is_nobody(nobody: FlaskClient, header: str) -> None:
    answer = nobody.get("/api/v1/nodes", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_refused_role_is_told_what_is_needed_and_noted(viewer: FlaskClient, admin: FlaskClient) -> None:
    answer = viewer.delete("/api/v1/nodes/1")
    assert (answer.status_code, answer.json["error"]) == (403, "forbidden")
    assert "admin" in answer.json["message"]
    noted = admin.get("/api/v1/events").json
    assert [event["subject"] for event in noted if event["action"] == "access.refused"] == ["DELETE /api/v1/nodes/1"]


def test_what_is_not_allowed_is_not_even_read(viewer: FlaskClient) -> None:
    assert viewer.post("/api/v1/nodes", data=b"{broken", content_type="application/json").status_code == 403
