"""Every form, with every field that any form has, in each of which stands the same nonsense: no fault of ours."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from pytest_mock import MockerFixture

from app.config import CHECKOUT
from tests.web.conftest import Person
from tests.web.test_access import rules_of

NAME = re.compile(r"""name="([a-z_]+)"|\('([a-z_]+)'""")
FIELDS = sorted(
    {
        name
        for path in CHECKOUT.glob("app/web/templates/**/*.html")
        for found in NAME.findall(path.read_text())
        for name in found
        if name
    }
)


@pytest.mark.parametrize("value", ["{{7*7}}<script>\x00\r\nX: y", "9" * 30])
def test_no_field_of_no_form_is_a_fault(
    app: Flask, ada: Person, request_clone: Callable[..., tuple[int, int]], mocker: MockerFixture, value: str
) -> None:
    for door in ("hostkeys", "githosts"):
        mocker.patch(f"app.services.{door}.scan", return_value=())
    assert request_clone() == (1, 1)
    forms = [path.replace("999999", "1") for _, method, path, _ in rules_of(app) if method == "POST"]
    forms = [
        path for path in forms if "logout" not in path and "sessions" not in path and not path.startswith("/login")
    ]
    assert (len(FIELDS) > 60, len(forms) > 60) == (True, True)
    answers = {path: ada.post(path, **dict.fromkeys(FIELDS, value)).status_code for path in forms}
    assert {path: status for path, status in answers.items() if status >= 500 or status in (400, 401)} == {}


def test_a_field_that_no_form_has_is_refused_in_words(ada: Person) -> None:
    """What an error tells beside its fields, such as the project in the way, is not read from what was typed."""
    answer = ada.post("/projects/new", project="x", name="shop")
    assert answer.status_code == 422
