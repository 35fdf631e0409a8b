"""The database: one session per application context, write transactions that never race on SQLite, UTC times."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime, Dialect, Engine, MetaData, TypeDecorator, event, text
from sqlalchemy.engine import Connection
from sqlalchemy.orm import DeclarativeBase

BUSY_TIMEOUT_MS: Final = 15_000
_WRITES: Final = "bareboat_writes"
_PATIENCE: Final = "bareboat_patience"
_SAMPLES: Final = 1_000


class Base(DeclarativeBase):
    """Constraint names are fixed, so that migrations can name them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base)
migrate = Migrate(db=db, render_as_batch=True, compare_type=True)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time; naive values are refused, and SQLite's naive answers are made aware again."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time must carry its zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


def utcnow() -> datetime:
    return datetime.now(UTC)


@contextmanager
def unit_of_work(patience_ms: int | None = None) -> Iterator[Any]:
    """One write transaction: commits at the end, rolls back on any error.

    It ends the read transaction that the session may hold and begins anew with the write lock taken, so that what is
    read inside is what is changed. Not to be nested: a use case has one. `patience_ms`: how long the lock is waited
    for, where that is to be less than usual; then OperationalError.
    """
    session = db.session
    if session.new or session.dirty or session.deleted:
        raise RuntimeError("rows were changed outside a unit of work")
    session.rollback()
    session.connection(execution_options={_WRITES: True, _PATIENCE: patience_ms})
    try:
        if patience_ms is not None and db.engine.dialect.name == "postgresql":
            session.execute(text(f"SET LOCAL lock_timeout = {int(patience_ms)}"))
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise


def release() -> None:
    """End the session's transaction and give its connection back: nothing is held open while SSH runs."""
    db.session.rollback()


def take_turns(session: Any, name: str) -> None:
    """Until the caller's transaction ends, nobody else is past this line with this name: for limits that are counted.
    SQLite lets one writer at a time do anything at all."""
    if db.engine.dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"bareboat {name}"})


def refresh_statistics() -> None:
    """Where two indexes would do, SQLite knows the better one by samples only; PostgreSQL takes its own."""
    if db.engine.dialect.name != "sqlite":
        return
    with unit_of_work() as session:
        session.execute(text(f"PRAGMA analysis_limit={_SAMPLES}"))
        session.execute(text("ANALYZE"))


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, record: Any) -> None:
    """WAL for readers beside a writer; transactions are begun by us (the driver's own way loses updates)."""
    if not isinstance(connection, sqlite3.Connection):
        return
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}"):
        connection.execute(f"PRAGMA {pragma}")


@event.listens_for(Engine, "begin")
def _begin_on_sqlite(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    options = connection.get_execution_options()
    if (patience_ms := options.get(_PATIENCE)) is None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITES) else "BEGIN")
        return
    connection.exec_driver_sql(f"PRAGMA busy_timeout={int(patience_ms)}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
