"""Rotation of the master key: whole, interrupted anywhere, beside a server that runs, and with the key as a setting."""

import base64
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Connection, MetaData, create_engine, select, text

from app import keyring
from app.config import CHECKOUT
from app.db import Base, db, unit_of_work
from app.errors import SecretUnreadable
from app.models import Installation as Row
from app.models.sealed import sealed_columns
from app.secrets import Secret
from app.services import credentials, keys
from app.services.events import SYSTEM
from tests.cli.conftest import Installation, end
from tests.support.databases import only_on_sqlite

SEALED = re.compile(r"v1:([0-9a-f]{16}):[A-Za-z0-9+/=]+")
KEYS = 5


@pytest.fixture
def filled(installed: Installation) -> Installation:
    """With SSH keys and a git credential."""
    token = {"kind": "https", "username": "reader", "token": Secret("a-token-of-the-shop")}
    with installed.within():
        for number in range(KEYS):
            keys.generate_key(f"key-{number}", "ed25519", SYSTEM)
        credentials.create_credential({"name": "shop", "host": "git.example.com", **token}, SYSTEM)
    return installed


@contextmanager
def connected(installation: Installation) -> Iterator[Connection]:
    """To its database, past Bareboat; what is done is committed."""
    address = installation.settings.get(
        "SQLALCHEMY_DATABASE_URI", f"sqlite:///{installation.home}/instance/bareboat.db"
    )
    engine = create_engine(address)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def key_ids(installation: Installation) -> set[str]:
    """Under which anything in the whole database is sealed, by its text alone."""
    with connected(installation) as connection:
        whole = MetaData()
        whole.reflect(connection)
        rows = [row for table in whole.sorted_tables for row in connection.execute(select(table))]
    return {found[1] for found in SEALED.finditer(repr(rows))}


def files(installation: Installation) -> list[str]:
    return sorted(path.name for path in (installation.home / "keys").glob("master.key*"))


def test_every_sealed_column_of_the_metadata_is_rotated_and_its_rows_say_what_they_are_bound_to() -> None:
    named = {f"{table.name}.{column.name}" for table in Base.metadata.tables.values() for column in table.columns}
    known = sealed_columns()
    assert {str(column) for column in known} == {name for name in named if name.endswith("_sealed")}
    assert [str(column) for column in known if not isinstance(vars(column.model).get(column.purpose), property)] == []


def test_sealed_text_is_in_no_column_that_is_not_named_so(filled: Installation) -> None:
    app = filled.app()
    with app.app_context():
        found = {
            f"{table.name}.{column.name}"
            for table in Base.metadata.tables.values()
            for column in table.columns
            for (value,) in db.session.execute(text(f'select "{column.name}" from "{table.name}"'))
            if isinstance(value, str) and SEALED.search(value)
        }
    end(app)
    assert found - {str(column) for column in sealed_columns()} == {"installation.canary"}


def test_whoever_seals_asks_for_the_master_key_that_counts() -> None:
    direct = [
        str(path.relative_to(CHECKOUT))
        for path in (CHECKOUT / "app").rglob("*.py")
        if "vault.seal(" in path.read_text() and path.name != "sealing.py"
    ]
    assert direct == [], "seal with app.services.sealing.seal: a rotation may be under way"


def test_after_a_rotation_everything_is_under_the_new_key_and_opens(filled: Installation) -> None:
    before = key_ids(filled)
    shown = filled.ok("secrets", "rotate")
    after = key_ids(filled)
    assert f"{KEYS + 1} secrets" in shown
    assert len(after) == 1
    assert after.isdisjoint(before)
    assert filled.ok("secrets", "verify") == f"{KEYS + 1} secrets open."


def test_the_old_key_is_put_aside_and_opens_the_database_of_before(filled: Installation) -> None:
    content = (filled.home / "keys" / "master.key").read_text()
    (old,) = key_ids(filled)
    filled.ok("secrets", "rotate")
    assert files(filled) == ["master.key", f"master.key.{old}.retired"]
    assert (filled.home / "keys" / f"master.key.{old}.retired").read_text() == content
    assert {stat.S_IMODE(path.stat().st_mode) for path in (filled.home / "keys").iterdir()} == {0o600}


@only_on_sqlite
def test_killed_at_any_moment_everything_opens_and_the_next_rotation_ends_it(
    filled: Installation, tmp_path: Path
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    ran = subprocess.run(
        [sys.executable, "-m", "tests.support.rotation_process", str(filled.home), str(copies)],
        cwd=CHECKOUT,
        env=filled.environment({}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 8
    for copy in copies.iterdir():
        killed = Installation(copy)
        assert killed.ok("secrets", "verify") == f"{KEYS + 1} secrets open.", files(killed)
        killed.ok("key", "add", "made-between", "--generate", "ed25519")
        killed.ok("secrets", "rotate")
        assert len(key_ids(killed)) == 1
        assert [name for name in files(killed) if name.endswith((".old", ".next"))] == []
        assert killed.ok("secrets", "verify") == f"{KEYS + 2} secrets open."


def test_a_server_that_runs_meanwhile_opens_and_seals_with_the_new_key(filled: Installation) -> None:
    server = filled.app()
    with server.app_context():
        keys.reveal_key(keys.get_key_by_name("key-0"))
        filled.ok("secrets", "rotate")
        db.session.expire_all()
        keys.reveal_key(keys.get_key_by_name("key-0"))
    end(server)
    server = filled.app()
    with server.app_context():
        filled.ok("secrets", "rotate")
        keys.generate_key("later", "ed25519", SYSTEM)
    end(server)
    assert len(key_ids(filled)) == 1


def test_a_process_without_the_new_key_seals_nothing(app: Flask, app_context: None) -> None:
    foreign = f"v1:{'0' * 16}:{base64.b64encode(os.urandom(40)).decode()}"
    with unit_of_work() as session:
        session.add(Row(canary=foreign))
    with pytest.raises(SecretUnreadable, match="start it anew"):
        keys.generate_key("fleet", "ed25519", SYSTEM)


def test_a_secret_that_does_not_open_is_named_and_the_others_are_rotated(filled: Installation) -> None:
    second = "select private_key_sealed from ssh_key where id = 2"
    with connected(filled) as connection:
        connection.execute(text(f"update ssh_key set private_key_sealed = ({second}) where id = 1"))
    verified = filled.run("secrets", "verify")
    assert verified.exit_code == 1
    assert "ssh_key.private_key_sealed of row 1" in verified.stderr
    assert filled.run("secrets", "rotate").exit_code == 1
    assert f"{KEYS} secrets open." in filled.run("secrets", "verify").stdout


def test_with_the_key_as_a_setting_the_admin_brings_the_new_one(filled: Installation) -> None:
    text_of = (filled.home / "keys" / "master.key").read_text().splitlines()[-1]
    filled.settings |= {"MASTER_KEY": text_of}
    refused = filled.run("secrets", "rotate")
    assert refused.exit_code == 1
    assert "MASTER_KEY_PREVIOUS" in refused.stderr
    filled.settings |= {"MASTER_KEY": base64.b64encode(os.urandom(32)).decode(), "MASTER_KEY_PREVIOUS": text_of}
    filled.ok("secrets", "rotate")
    del filled.settings["MASTER_KEY_PREVIOUS"]
    assert filled.ok("secrets", "verify") == f"{KEYS + 1} secrets open."


def test_a_second_rotation_at_the_same_time_is_refused(filled: Installation) -> None:
    with keyring.rotating(filled.home / "keys"):
        assert "under way" in filled.run("secrets", "rotate").stderr


def test_the_log_says_that_it_began_and_that_it_ended(filled: Installation) -> None:
    filled.ok("secrets", "rotate")
    with connected(filled) as connection:
        outcomes = connection.scalars(
            text("select outcome from event where action = 'secrets.rotate' order by id")
        ).all()
    assert outcomes == ["requested", "ok"]
