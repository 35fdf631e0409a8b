"""Requests made from the running server's own document, for each role: no fault of ours, no undocumented status."""

from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
import requests
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from pytest_mock import MockerFixture
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import status_code_conformance
from werkzeug.serving import make_server

from app.models import Role
from tests.support.application import token_of

EXAMPLES = 3  # for each operation and role
LONGEST_ANSWER_SECONDS = 60
pytestmark = pytest.mark.slow


@pytest.fixture
def address(app: Flask, request_clone: Callable[..., tuple[int, int]], mocker: MockerFixture) -> Iterator[str]:
    """A server on loopback, with a node, a project and a job behind it, each with the id 1. Nothing is sent further."""
    for door in ("hostkeys", "githosts"):
        mocker.patch(f"app.services.{door}.scan", return_value=())
    assert request_clone() == (1, 1)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("role", list(Role))
def test_what_the_document_allows_and_what_it_does_not_is_answered_as_documented(
    app: Flask, address: str, role: Role
) -> None:
    document = requests.get(f"{address}/api/v1/openapi.json", timeout=LONGEST_ANSWER_SECONDS).json()
    schema = schemathesis.openapi.from_dict(document)
    headers, tried = {"Authorization": f"Bearer {token_of(app, role.value)}"}, 0
    with requests.Session() as session:
        for found in schema.get_all_operations():
            _try(found.ok(), address, session, headers)
            tried += 1
    assert tried == sum(len(set(item) - {"parameters"}) for item in document["paths"].values())


def _try(operation: Any, address: str, session: requests.Session, headers: dict[str, str]) -> None:
    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        case.call_and_validate(
            base_url=address,
            session=session,
            headers=headers,
            timeout=LONGEST_ANSWER_SECONDS,
            checks=[not_a_server_error, status_code_conformance],
        )

    ask()
