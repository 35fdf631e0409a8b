"""A throw-away installation whose commands are run as a user would: each in an application of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from app import create_app, stop
from app.config import CHECKOUT
from app.db import db
from app.services import hostkeys, keys, nodes, probes
from app.services.events import SYSTEM
from tests.support.databases import IS_POSTGRESQL, Databases
from tests.support.sshd import SshdServer

PASSWORD = "a long enough password"


@dataclass
class Installation:
    """`run` is quick, in this process; `start` is a real command in a process of its own."""

    home: Path
    settings: dict[str, Any] = field(default_factory=dict)

    def run(self, *words: str, stdin: str | None = None) -> Result:
        app = self.app()
        try:
            return app.test_cli_runner(catch_exceptions=False).invoke(args=words, input=stdin)
        finally:
            end(app)

    def ok(self, *words: str, stdin: str | None = None) -> str:
        result = self.run(*words, stdin=stdin)
        assert result.exit_code == 0, result.output
        return str(result.stdout).strip()

    def json(self, *words: str) -> Any:
        return json.loads(self.ok(*words, "--json"))

    def app(self) -> Flask:
        home = self.home / "instance"
        where = {"KEYS_DIR": str(self.home / "keys"), "SQLALCHEMY_DATABASE_URI": f"sqlite:///{home}/bareboat.db"}
        app = create_app({"RATELIMIT_ENABLED": False, **where, **self.settings})
        app.instance_path = str(home)
        return app

    @contextmanager
    def within(self) -> Iterator[None]:
        """For what a test begins with: by services, in one application."""
        app = self.app()
        try:
            with app.app_context():
                yield
        finally:
            end(app)

    def start(self, argv: Sequence[str], **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", *argv],
            cwd=CHECKOUT,
            env=self.environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("BAREBOAT_")}
        mine = {"BAREBOAT_INSTANCE_PATH": str(self.home / "instance"), "BAREBOAT_KEYS_DIR": str(self.home / "keys")}
        settings = {f"BAREBOAT_{name}": json.dumps(value) for name, value in self.settings.items()}
        return {**clean, **mine, **settings, **more}


def end(app: Flask) -> None:
    stop(app)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def _empty(home: Path, databases: Databases) -> Installation:
    """The address of a file is the default that the instance folder gives."""
    return Installation(home, {"SQLALCHEMY_DATABASE_URI": databases.create(home)} if IS_POSTGRESQL else {})


@pytest.fixture
def bare(tmp_path: Path, databases: Databases) -> Installation:
    """Nothing is made yet."""
    return _empty(tmp_path / "installation", databases)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Installation:
    """What `init` makes, made once and copied for each test."""
    installation = _empty(tmp_path_factory.mktemp("template") / "installation", databases)
    installation.ok("init", "--password-stdin", stdin=PASSWORD + "\n")
    return installation


@pytest.fixture
def installed(bare: Installation, template: Installation, databases: Databases) -> Installation:
    shutil.copytree(template.home, bare.home)
    if address := bare.settings.get("SQLALCHEMY_DATABASE_URI"):
        databases.restore(address, template.settings["SQLALCHEMY_DATABASE_URI"])
    return bare


@pytest.fixture
def enrolled(installed: Installation, fresh_sshd: SshdServer, tmp_path: Path) -> Installation:
    """With a real node `here`, pinned and ONLINE, that may clone from loopback."""
    root = tmp_path / "projects"
    root.mkdir(mode=0o755)
    installed.settings |= {"ALLOWED_GIT_SCHEMES": ["https", "ssh", "git"], "DENIED_NETWORKS": []}
    target = fresh_sshd.target()
    where = {"hostname": target.hostname, "ssh_port": target.port, "ssh_user": target.user, "projects_root": str(root)}
    with installed.within():
        key_id = keys.import_key("main", fresh_sshd.keypair.private, None, SYSTEM).id
        node_id = nodes.create_node({"name": "here", "ssh_key_id": key_id, **where}, SYSTEM).id
        hostkeys.pin_public_key(node_id, target.host_keys[0], SYSTEM)
        probes.probe_node(node_id)
    return installed
