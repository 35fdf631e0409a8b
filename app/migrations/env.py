"""Alembic's entry: runs the migrations on the database of the current Flask application."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy import Connection

from app.db import db


def _skip_empty(migration_context: Any, revision: Any, directives: list[Any]) -> None:
    """`db migrate` without a difference writes no file."""
    if getattr(context.config.cmd_opts, "autogenerate", False) and directives[0].upgrade_ops.is_empty():
        directives[:] = []


def _options() -> dict[str, Any]:
    # SQLite cannot alter most things in place: batch mode (set where Migrate is made) copies the table.
    return {"process_revision_directives": _skip_empty, **current_app.extensions["migrate"].configure_args}


def _offline() -> None:
    url = db.engine.url.render_as_string(hide_password=False)
    context.configure(url=url, target_metadata=db.metadata, literal_binds=True, **_options())
    with context.begin_transaction():
        context.run_migrations()


def _online() -> None:
    with db.engine.connect() as connection, _copied_tables_keep_their_children(connection):
        context.configure(connection=connection, target_metadata=db.metadata, **_options())
        with context.begin_transaction():
            context.run_migrations()


@contextmanager
def _copied_tables_keep_their_children(connection: Connection) -> Iterator[None]:
    """SQLite deletes what refers to a table when its old copy is dropped, unless foreign keys are off meanwhile."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
        connection.rollback()
        if lost := driver.execute("PRAGMA foreign_key_check").fetchall():
            raise RuntimeError(f"these rows refer to rows that are not there: {lost[:10]}")
    finally:
        connection.rollback()
        driver.execute("PRAGMA foreign_keys=ON")


if context.is_offline_mode():
    _offline()
else:
    _online()
