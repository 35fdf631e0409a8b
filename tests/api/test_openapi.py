"""The document tells the truth: every route is in it, with its role, its refusals, and references that exist."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.api.test_access import PUBLIC


@pytest.fixture
def document(nobody: FlaskClient) -> dict[str, Any]:
    answer = nobody.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        yield from ((path, method, about) for method, about in item.items() if method != "parameters")


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (value for name, value in part.items() if name == "$ref")
        part = list(part.values())
    for inner in part if isinstance(part, list) else []:
        yield from references(inner)


def test_it_is_openapi_3(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.0.")
    assert document["info"]["title"] == "Bareboat"


def test_every_route_is_documented(app: Flask, document: dict[str, Any]) -> None:
    plain = PUBLIC - {"internal.report_project_status", "hooks.receive_hook"}
    routes = {
        (re.sub(r"<[^>]+:(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and rule.endpoint not in plain
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, method, _ in operations(document)} == routes


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in references(document):
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
        assert place


def test_every_operation_says_what_it_does_who_may_and_what_it_answers(document: dict[str, Any]) -> None:
    for path, method, about in operations(document):
        assert about["summary"], (method, path)
        assert "Role: **" in about["description"] or about["security"] in ([{"node_token": []}], []), (method, path)
        assert {"403", "default"} <= set(about["responses"]), (method, path)
        assert [status for status in about["responses"] if status.startswith("2")], (method, path)


def test_operation_names_are_unique(document: dict[str, Any]) -> None:
    names = [about["operationId"] for _, _, about in operations(document)]
    assert len(names) == len(set(names))


def test_parameters_of_a_path_are_declared(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        declared = {parameter["name"] for parameter in item.get("parameters", [])}
        assert declared == set(re.findall(r"{(\w+)}", path)), path


def test_whatever_has_an_id_may_be_missing(document: dict[str, Any]) -> None:
    assert [path for path, _, about in operations(document) if "{" in path and "404" not in about["responses"]] == []


def test_every_refusal_has_the_one_shape(document: dict[str, Any]) -> None:
    schemas = {
        name: response["content"]["application/json"]["schema"]["$ref"]
        for name, response in document["components"]["responses"].items()
    }
    assert set(schemas.values()) == {"#/components/schemas/Problem"}
    assert list(document["components"]["schemas"]["Problem"]["properties"]) == [
        "code",
        "status",
        "error",
        "message",
        "errors",
    ]


def test_queued_work_is_documented_with_its_location(document: dict[str, Any]) -> None:
    asked = [about["responses"] for path, _, about in operations(document) if not path.startswith("/api/v1/hooks/")]
    queued = [answers["202"] for answers in asked if "202" in answers]
    assert len(queued) >= 7
    assert [response for response in queued if "Location" not in response["headers"]] == []


def test_no_schema_puts_a_private_half_or_a_password_out(document: dict[str, Any]) -> None:
    answered = {
        reference.rpartition("/")[2]
        for _, _, about in operations(document)
        for reference in references(about["responses"])
    }
    secret = {"private_key", "passphrase", "password", "password_hash", "token_hash", "private_key_sealed"}
    schemas = document["components"]["schemas"]
    assert [name for name in answered & set(schemas) if secret & set(schemas[name].get("properties", {}))] == []
