"""The migrations and the models describe the same tables; a database of another version is not served."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import select, text

from app import MIGRATIONS, create_app, stop
from app.config import CHECKOUT
from app.db import db, unit_of_work
from app.errors import DatabaseNotCurrent, MasterKeyMissing, SecretUnreadable
from app.models import Event, Installation, SSHKey
from app.secrets import LockedVault, MasterKey, Secret, Vault, create_master_key
from app.services.audit import verify_events
from app.services.events import SYSTEM, record
from app.services.runtime import runtime
from app.services.startup import ensure_current_schema, ensure_servable


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[Flask]:
    create_master_key(tmp_path / "keys" / "master.key")
    settings = {"KEYS_DIR": str(tmp_path / "keys"), "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/test.db"}
    app = create_app(settings)
    with app.app_context():
        upgrade()
        yield app
        db.session.remove()
        db.engine.dispose()
    stop(app)


def structure() -> dict[str, list[str]]:
    """The statement of every table and index, its lines in any order."""
    with db.engine.connect() as connection:
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        return {name: sorted(line.strip(" ,\t") for line in _lines(sql)) for name, sql in rows}


def _lines(sql: str) -> list[str]:
    """Without quotes and the last bracket; a column that was added stands on the last line, where SQLite puts it."""
    return re.split(r"\n|, (?=[a-z_]+ [A-Z])", sql.replace('"', "").removesuffix(")").rstrip())


def test_upgrading_from_nothing_makes_what_the_models_say(migrated: Flask) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []


def test_the_migrations_write_the_same_statements_as_the_models(migrated: Flask) -> None:
    """Checks and partial indexes too, which alembic does not compare."""
    by_migrations = structure()
    with db.engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    db.drop_all()
    db.create_all()
    assert structure() == {name: lines for name, lines in by_migrations.items() if name != "alembic_version"}


def insert(table: str, **values: object) -> None:
    """A row of whatever version: what must not be empty is zero or an empty text unless it is given."""
    with db.engine.begin() as connection:
        columns = connection.execute(text(f"SELECT name, type, pk FROM pragma_table_info('{table}') WHERE \"notnull\""))
        needed = {name: "" if type_.startswith(("VARCHAR", "TEXT", "JSON")) else 0 for name, type_, _ in columns}
        row = {name: value for name, value in (needed | values).items() if name != "created_at"}
        names = ", ".join([*row, "created_at"])
        marks = ", ".join([*(f":{name}" for name in row), "CURRENT_TIMESTAMP"])
        connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), row)


def test_a_table_that_is_copied_keeps_its_rows_what_refers_to_them_and_its_numbers(migrated: Flask) -> None:
    downgrade(revision="0004")
    insert("node", id=1, name="web-1", status="ONLINE")
    insert("project", id=7, name="shop", name_folded="shop", node_id=1, status="ACTIVE")
    insert("project", id=9, name="gone", name_folded="gone", node_id=1, status="ACTIVE")
    insert("schedule", id=1, name="nightly", project_id=7, overlap="skip", catch_up="skip")
    with db.engine.begin() as connection:
        connection.execute(text("DELETE FROM project WHERE id = 9"))
    upgrade()
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT id, name, git_credential_id FROM project")).all() == [(7, "shop", None)]
        assert connection.execute(text("SELECT project_id FROM schedule")).all() == [(7,)]
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
    insert("project", name="new", name_folded="new", node_id=1, status="ACTIVE", id=None)
    with db.engine.connect() as connection:
        assert connection.scalar(text("SELECT max(id) FROM project")) == 10


def test_downgrading_removes_everything(migrated: Flask) -> None:
    downgrade(revision="base")
    assert set(structure()) - {"sqlite_sequence"} == {"alembic_version"}


def test_the_history_is_one_line() -> None:
    scripts = ScriptDirectory(MIGRATIONS)
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_tables_of_this_version_are_served(migrated: Flask) -> None:
    ensure_servable()


def test_a_wrong_master_key_is_refused_in_one_line_that_names_the_right_one(migrated: Flask) -> None:
    ensure_servable()
    right = runtime().vault
    runtime().vault = Vault(MasterKey(os.urandom(32)))
    with pytest.raises(SecretUnreadable, match=right.seal_canary().split(":")[1]) as refusal:
        ensure_servable()
    assert "\n" not in refusal.value.message


def test_a_database_without_canary_is_not_given_to_a_key_that_does_not_open_its_secrets(migrated: Flask) -> None:
    with unit_of_work() as session:
        session.add(stored_key(Vault(MasterKey(os.urandom(32)))))
    with pytest.raises(SecretUnreadable):
        ensure_servable()
    assert db.session.scalar(select(Installation)) is None


def test_a_database_without_canary_gets_one_at_the_next_start(migrated: Flask) -> None:
    with unit_of_work() as session:
        session.add(stored_key(runtime().vault))
    ensure_servable()
    ensure_servable()
    assert db.session.scalar(select(Installation.canary))


def stored_key(vault: Vault | LockedVault) -> SSHKey:
    sealed = vault.seal(Secret("private"), "ssh_key.private_key:1")
    return SSHKey(name="main", type="ssh-ed25519", bits=256, fingerprint="f", public_key="p", private_key_sealed=sealed)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE alembic_version SET version_num = 'from-the-future'", "newer"),
        ("DELETE FROM alembic_version", "no tables yet"),
    ],
)
def test_other_tables_are_refused_in_one_line(migrated: Flask, statement: str, words: str) -> None:
    with db.engine.begin() as connection:
        connection.execute(text(statement))
    with pytest.raises(DatabaseNotCurrent, match=words) as refusal:
        ensure_current_schema()
    assert "\n" not in refusal.value.message


def test_older_tables_are_refused_with_the_command_that_mends_them(migrated: Flask, mocker: object) -> None:
    heads = mocker.patch.object(ScriptDirectory, "get_heads", return_value=["next"])  # type: ignore[attr-defined]
    with pytest.raises(DatabaseNotCurrent, match=r"older.*db upgrade"):
        ensure_current_schema()
    heads.assert_called_once()


def test_a_database_that_is_none_is_refused_in_one_line(migrated: Flask, tmp_path: Path) -> None:
    db.engine.dispose()
    for name in ("test.db-wal", "test.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "test.db").write_bytes(b"this is not a database " * 100)
    with pytest.raises(DatabaseNotCurrent, match="cannot be read"):
        ensure_current_schema()


def test_without_a_master_key_nothing_is_served(tmp_path: Path) -> None:
    app = create_app({"KEYS_DIR": str(tmp_path), "SQLALCHEMY_DATABASE_URI": "sqlite://"})
    with app.app_context(), pytest.raises(MasterKeyMissing):
        ensure_servable()
    stop(app)


@pytest.mark.slow
def test_gunicorn_without_a_master_key_ends_with_one_clear_line(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BAREBOAT_")}
    environment |= {"BAREBOAT_INSTANCE_PATH": str(tmp_path), "BAREBOAT_KEYS_DIR": str(tmp_path / "keys")}
    argv = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "wsgi:app"]
    done = subprocess.run(argv, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3
    assert "Error: There is no master key" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_gunicorn_with_a_wrong_master_key_ends_with_one_clear_line(migrated: Flask, tmp_path: Path) -> None:
    ensure_servable()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BAREBOAT_")}
    environment |= {
        "BAREBOAT_INSTANCE_PATH": str(tmp_path),
        "BAREBOAT_SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/test.db",
        "BAREBOAT_MASTER_KEY": os.urandom(32).hex(),
    }
    argv = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "wsgi:app"]
    done = subprocess.run(argv, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3
    assert "[secret_unreadable]" in done.stderr


def test_events_of_before_the_chain_are_chained_as_they_are(migrated: Flask) -> None:
    downgrade(revision="0010")
    values = "'2026-01-31 12:00:00.000000', 'admin', 'test.act', 'thing é', 'ok'"
    with db.engine.begin() as connection:
        for _ in range(3):
            connection.execute(text(f"INSERT INTO event (at, actor, action, subject, outcome) VALUES ({values})"))
        connection.execute(text("DELETE FROM event WHERE id = 2"))
    upgrade()
    assert (verify_events().fault, verify_events().count) == (None, 2)
    record(SYSTEM, "test.act", "the next", "ok")
    assert (verify_events().fault, verify_events().count) == (None, 3)


def test_events_of_before_the_search_are_found_by_what_they_are_about(migrated: Flask) -> None:
    downgrade(revision="0017")
    subjects = (
        "node web-1",
        "node web-2 (job 3)",
        "project shop (job 7)",
        "hook 3 of project shop",
        "project old (job 8)",
        "user ada",
    )
    at = "'2026-01-31 12:00:00.000000'"
    job = "'u', 'project.pull', 'shop', 'web-9', '{}', 'SUCCEEDED', 1, 3, 'ada', 0, 0, " + at
    with db.engine.begin() as connection:
        for subject in subjects:
            values = f"{at}, 'ada', 'test.act', '{subject}', 'ok'"
            connection.execute(text(f"INSERT INTO event (at, actor, action, subject, outcome) VALUES ({values})"))
        columns = "uid, kind, project_name, node_name, params, state, attempt, max_attempts, requested_by, is_attached"
        connection.execute(text(f"INSERT INTO job (id, {columns}, log_offset, created_at) VALUES (7, {job})"))
    upgrade()
    found = [(row.node_name, row.project_name) for row in db.session.scalars(select(Event).order_by(Event.id))]
    assert found == [("web-1", None), ("web-2", None), ("web-9", "shop"), (None, "shop"), (None, "old"), (None, None)]
