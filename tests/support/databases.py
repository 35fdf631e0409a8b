"""Where the rows of a test are: in an SQLite file of its own, or in a PostgreSQL database of its own.

`BAREBOAT_TEST_DATABASE=postgresql python -m pytest tests/services …` runs the ordinary tests on PostgreSQL.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import pytest
import sqlalchemy

IS_POSTGRESQL: Final = os.environ.get("BAREBOAT_TEST_DATABASE", "sqlite") == "postgresql"
only_on_sqlite = pytest.mark.skipif(IS_POSTGRESQL, reason="claims something of SQLite alone")

_PREFIX: Final = "sqlite:///"


class Databases(Protocol):
    """Makes databases; each is known by its address, as SQLALCHEMY_DATABASE_URI has it."""

    def create(self, path: Path) -> str:
        """An empty one. `path` is where it is if it is a file."""

    def restore(self, address: str, origin: str) -> None:
        """Nothing but a copy of what is in `origin`. Nobody is connected to either."""


class SqliteFiles:
    def create(self, path: Path) -> str:
        return f"{_PREFIX}{path}"

    def restore(self, address: str, origin: str) -> None:
        file = sqlite_file(address)
        for leftover in file.parent.glob(f"{file.name}-*"):
            leftover.unlink()
        shutil.copy(sqlite_file(origin), file)


class PostgresDatabases:
    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make

    def create(self, path: Path) -> str:
        return self._make()

    def restore(self, address: str, origin: str) -> None:
        to, of = sqlalchemy.make_url(address), sqlalchemy.make_url(origin)
        with administration(to.set(database="postgres")).connect() as connection:
            connection.execute(sqlalchemy.text(f"DROP DATABASE IF EXISTS {to.database} WITH (FORCE)"))
            connection.execute(sqlalchemy.text(f"CREATE DATABASE {to.database} TEMPLATE {of.database}"))


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Databases:
    return PostgresDatabases(request.getfixturevalue("postgres")) if IS_POSTGRESQL else SqliteFiles()


def sqlite_file(address: str) -> Path:
    return Path(address.removeprefix(_PREFIX))


def administration(address: sqlalchemy.URL) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
