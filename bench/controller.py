"""Bareboat as it is installed: gunicorn in a process of its own, over a database and nodes made for this run."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from flask import Flask
from flask_migrate import upgrade

from app import create_app, stop
from app.cli.demo.rest import Rest
from app.db import db, unit_of_work
from app.models import Role, User
from app.secrets import Secret, create_master_key
from app.services import hostkeys, keys, nodes, tokens
from app.services.events import SYSTEM
from app.services.startup import ensure_servable
from bench.peers.base import Fleet
from tests.support.ports import free_port

CHECKOUT: Final = Path(__file__).parents[1]
END_SECONDS: Final = 20
_SETTINGS: Final = """KEYS_DIR = {keys!r}
PROJECTS_ROOT = {root!r}
ALLOWED_GIT_SCHEMES = ("git", "https", "ssh")
DENIED_NETWORKS = ()
RATELIMIT_ENABLED = False
"""


@contextmanager
def running_controller(folder: Path, fleet: Fleet, more: Mapping[str, Any] | None = None) -> Iterator[tuple[Rest, int]]:
    """Its REST API as an admin, and its process id. All nodes of the fleet are pinned, and probed from the start.
    `more` are settings on top of the bench's own."""
    token = _install(folder, fleet, more or {})
    port = free_port()
    words = [sys.executable, "-m", "gunicorn", "--config", str(CHECKOUT / "gunicorn.conf.py")]
    words += ["--chdir", str(CHECKOUT), "--bind", f"127.0.0.1:{port}", "wsgi:app"]
    environment = os.environ | {"BAREBOAT_INSTANCE_PATH": str(folder)}
    with (folder / "gunicorn.log").open("wb") as log:
        server = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        rest = Rest(f"http://127.0.0.1:{port}", token)
        rest.wait_until_up(lambda: _ensure_alive(server, folder))
        yield rest, server.pid
    finally:
        server.terminate()
        server.wait(END_SECONDS)


def _install(folder: Path, fleet: Fleet, more: Mapping[str, Any]) -> str:
    folder.mkdir()
    create_master_key(folder / "keys" / "master.key")
    lines = "".join(f"{name} = {value!r}\n" for name, value in more.items())
    (folder / "config.py").write_text(_SETTINGS.format(keys=str(folder / "keys"), root=fleet.root) + lines)
    os.environ["BAREBOAT_INSTANCE_PATH"] = str(folder)
    app = create_app()
    try:
        with app.app_context():
            upgrade()
            ensure_servable()
            return _enrol(app, fleet)
    finally:
        del os.environ["BAREBOAT_INSTANCE_PATH"]
        stop(app)


def _enrol(app: Flask, fleet: Fleet) -> str:
    user = User(name="admin", role=Role.ADMIN, password_hash="none")
    with unit_of_work() as session:
        session.add(user)
    key = keys.import_key("bench", Secret(Path(fleet.key_path).read_text()), None, SYSTEM)
    for node in fleet.nodes:
        values = {"name": node.name, "hostname": fleet.address, "ssh_port": node.port, "ssh_user": fleet.user}
        row = nodes.create_node(values | {"ssh_key_id": key.id, "projects_root": fleet.root}, SYSTEM)
        hostkeys.pin_public_key(row.id, fleet.host_key, SYSTEM)
    token = tokens.create_token(db.session.merge(user), "bench", 1, SYSTEM).reveal()
    db.session.remove()
    db.engine.dispose()
    return token


def _ensure_alive(server: "subprocess.Popen[bytes]", folder: Path) -> None:
    if server.poll() is not None:
        raise RuntimeError(f"Bareboat does not start:\n{(folder / 'gunicorn.log').read_text()[-2000:]}")
