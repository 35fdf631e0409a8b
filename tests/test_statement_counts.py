"""No list and no page asks the database once for each row that it shows."""

import pytest
from flask import Flask

from bench.fill import Size
from bench.large import API, asks
from tests.support.application import client_with_session, client_with_token, token_of
from tests.support.large import LARGER, SMALL, asked, fill_database

MOST = 14  # who asks, up to three lists with their totals, what belongs to their rows; the larger has full pages


@pytest.mark.parametrize("size", [SMALL, LARGER], ids=["a few rows", "full pages"])
def test_lists_and_pages_ask_few_questions_however_many_rows_they_show(app: Flask, size: Size) -> None:
    fill_database(app, size)
    rest, person = client_with_token(app, token_of(app, "admin")), client_with_session(app, "admin")
    counts = {}
    for ask in asks(size):
        with asked(app) as statements:
            assert (rest if ask.path.startswith(API) else person).get(ask.path).status_code == 200, ask
        counts[ask.name] = len([statement for statement, _ in statements if statement.startswith("SELECT")])
    assert {name: count for name, count in counts.items() if count > MOST} == {}
