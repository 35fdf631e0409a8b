"""Made-up installations of a chosen size, and what is asked of the database meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from app.db import db, refresh_statistics
from bench.fill import Size, fill
from tests.support.databases import IS_POSTGRESQL, sqlite_file

SMALL = Size(nodes=8, projects=16, jobs=32, under_way=8, schedules=4, probes_per_node=2, events=8)
LARGER = Size(nodes=120, projects=300, jobs=900, under_way=60, schedules=70, probes_per_node=60, events=3_000)
Statement = tuple[str, Any]


def fill_database(app: Flask, size: Size) -> None:
    if IS_POSTGRESQL:
        pytest.skip("what is made up goes straight into an SQLite file")
    fill(sqlite_file(app.config["SQLALCHEMY_DATABASE_URI"]), size)
    with app.app_context():
        refresh_statistics()


@contextmanager
def asked(app: Flask) -> Iterator[list[Statement]]:
    """Every statement with its parameters, in order."""
    statements: list[Statement] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def plan(app: Flask, statement: Statement) -> list[str]:
    """How SQLite would answer it, a line for each table."""
    with app.app_context(), db.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement[0]}", statement[1])
        return [row.detail for row in rows]
