"""Fixtures for tests of the wired application: a database of its own, users of each role, doubles at the doors."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade

from app import create_app, stop
from app.db import db, unit_of_work, utcnow
from app.edge.identity import limiter
from app.jobs.queue import HeldQueue
from app.jobs.runner import Runner
from app.models import Node, NodeStatus, Project, ProjectStatus, Role, User
from app.secrets import create_master_key
from app.services import hostkeys, keys, nodes, projects, refusals, sessions, tokens
from app.services.events import SYSTEM
from app.services.runtime import EXTENSION, Runtime
from app.services.sessions import Browser
from app.services.users import _hasher
from app.ssh.recording import RecordingNodes
from tests.support.databases import Databases

PASSWORD = "a long enough password"
GIT_URL = "https://git.example.com/shop/web.git"


@pytest.fixture(scope="session")
def password_hash() -> str:
    """Made once: a good hash is slow by design."""
    return _hasher.hash(PASSWORD)


@pytest.fixture
def make_app(tmp_path: Path, wired_once: tuple[Flask, str], databases: Databases) -> Iterator[Callable[..., Flask]]:
    """Applications with settings of a test's own; ended after it. A database that is a file is in `database_folder`."""
    made: list[Flask] = []

    def make(database_folder: Path | None = None, **settings: Any) -> Flask:
        home = tmp_path / f"app-{len(made)}"
        home.mkdir()
        address = databases.create((database_folder or home) / "test.db")
        databases.restore(address, wired_once[1])
        made.append(_wired(home, {"SQLALCHEMY_DATABASE_URI": address} | settings))
        return made[-1]

    yield make
    for app in made:
        _end(app)
    # One limiter is for all applications of a process, set as the last one that was wired; tests come in any order.
    if limiter.enabled:
        limiter.reset()
        limiter.enabled = False


@pytest.fixture
def bare_app(tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Applications without tables, users or doubles, as they are served; ended after the test."""
    made: list[Flask] = []

    def make(**settings: Any) -> Flask:
        home = tmp_path / f"bare-{len(made)}"
        create_master_key(home / "keys" / "master.key")
        made.append(create_app({"SCHEDULER_ENABLED": False, "KEYS_DIR": str(home / "keys")} | settings))
        return made[-1]

    yield make
    for app in made:
        stop(app)


@contextmanager
def upgraded(app: Flask) -> Iterator[Flask]:
    """In its context, its database brought to the schema of today by the migrations; its connections are closed."""
    with app.app_context():
        upgrade()
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="session")
def wired_once(
    tmp_path_factory: pytest.TempPathFactory, password_hash: str, databases: Databases
) -> Iterator[tuple[Flask, str]]:
    """Wiring is slow, so it is done once; with the address of what a test's database begins as."""
    home = tmp_path_factory.mktemp("application") / "home"
    address, fresh = databases.create(home / "test.db"), databases.create(home / "fresh.db")
    app = _wired(home, {"SQLALCHEMY_DATABASE_URI": address})
    with app.app_context():
        db.create_all()
        _add_users(password_hash)
        _disconnect()
    databases.restore(fresh, address)
    yield app, fresh
    _end(app)


@pytest.fixture
def app(wired_once: tuple[Flask, str], databases: Databases) -> Iterator[Flask]:
    """The application with a fresh database and fresh doubles; routes of a test's own need `make_app`."""
    app, fresh = wired_once
    databases.restore(app.config["SQLALCHEMY_DATABASE_URI"], fresh)
    settings = dict(app.config)
    _put_doubles(app)
    yield app
    with app.app_context():
        _disconnect()
    app.config.clear()
    app.config.update(settings)


@pytest.fixture
def app_context(app: Flask) -> Iterator[None]:
    """For tests that call services themselves. Not together with clients: theirs are contexts of their own."""
    with app.app_context():
        yield


@pytest.fixture
def runtime(app: Flask) -> Runtime:
    part: Runtime = app.extensions[EXTENSION]
    return part


@pytest.fixture
def recording_nodes(runtime: Runtime) -> RecordingNodes:
    assert isinstance(runtime.nodes, RecordingNodes)
    return runtime.nodes


@pytest.fixture
def held_queue(runtime: Runtime) -> HeldQueue:
    assert isinstance(runtime.queue, HeldQueue)
    return runtime.queue


@pytest.fixture
def run_jobs(app: Flask, held_queue: HeldQueue, runtime: Runtime) -> Callable[[], None]:
    """Run all that is queued, in this thread."""
    runner = Runner(app, runtime.registry)
    return lambda: held_queue.deliver(runner.run)


@pytest.fixture
def client_of(app: Flask) -> Callable[[str | None], FlaskClient]:
    """A client with an API token of the user of this name (`viewer`, `operator`, `admin`); None: nobody."""
    return lambda name: client_with_token(app, token_of(app, name) if name else None)


@pytest.fixture
def person_of(app: Flask) -> Callable[[str], FlaskClient]:
    """A client with a browser's session of the user of this name, which sends its CSRF token."""
    return lambda name: client_with_session(app, name)


@pytest.fixture
def nobody(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def viewer(client_of: Callable[[str | None], FlaskClient]) -> FlaskClient:
    return client_of("viewer")


@pytest.fixture
def operator(client_of: Callable[[str | None], FlaskClient]) -> FlaskClient:
    return client_of("operator")


@pytest.fixture
def admin(client_of: Callable[[str | None], FlaskClient]) -> FlaskClient:
    return client_of("admin")


@pytest.fixture
def make_key(app: Flask) -> Callable[..., int]:
    """The id of a new SSH key."""

    def make(name: str = "fleet") -> int:
        with app.app_context():
            return keys.generate_key(name, "ed25519", SYSTEM).id

    return make


@pytest.fixture
def make_node(app: Flask, make_key: Callable[..., int]) -> Callable[..., int]:
    """The id of a new node: pinned, with a key, ONLINE; `pinned=False` and any field may be given."""

    def make(name: str = "web-1", *, pinned: bool = True, **fields: Any) -> int:
        values = {"hostname": "192.0.2.1", "ssh_user": "deploy", "projects_root": "/data/projects"} | fields
        values.setdefault("ssh_key_id", make_key(f"key of {name}"))
        status = values.pop("status", NodeStatus.ONLINE)
        with app.app_context():
            node_id = nodes.create_node({"name": name} | values, SYSTEM).id
            if pinned:
                hostkeys.pin_public_key(node_id, host_key_line(), SYSTEM)
            with unit_of_work() as session:
                session.get_one(Node, node_id).status = status
        return node_id

    return make


@pytest.fixture
def make_project(app: Flask) -> Callable[..., int]:
    """The id of a project that is on its node already; any column may be given."""

    def make(node_id: int, name: str = "shop", **fields: Any) -> int:
        values = {"git_url": GIT_URL, "status": ProjectStatus.ACTIVE, "cloned_at": utcnow()} | fields
        with app.app_context(), unit_of_work() as session:
            project = Project(name=name, name_folded=name.lower(), node_id=node_id, **values)
            session.add(project)
            session.flush()
            return project.id

    return make


@pytest.fixture
def request_clone(app: Flask, make_node: Callable[..., int]) -> Callable[..., tuple[int, int]]:
    """The ids of a project whose clone is queued, and of that job."""

    def request(name: str = "shop", **values: Any) -> tuple[int, int]:
        node_id = values.pop("node_id", None) or make_node()
        with app.app_context():
            job = projects.request_clone({"name": name, "git_url": GIT_URL, "node_id": node_id} | values, SYSTEM)
            assert job.project_id is not None
            return job.project_id, job.id

    return request


def host_key_line() -> str:
    """A fresh host key, as `type base64`."""
    public = Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def token_of(app: Flask, name: str) -> str:
    with app.app_context():
        user = db.session.query(User).filter_by(name=name).one()
        return tokens.create_token(user, "test", 1, SYSTEM).reveal()


def client_with_token(app: Flask, token: str | None) -> FlaskClient:
    client = app.test_client()
    if token:
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def client_with_session(app: Flask, name: str) -> FlaskClient:
    """Without the password, whose checking is slow by design."""
    with app.app_context():
        user = db.session.query(User).filter_by(name=name).one()
        token = sessions.start_session(user, Browser("127.0.0.1", "a test")).reveal()
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = token
    found = re.search(r'name="csrf-token" content="([^"]+)"', client.get("/api/v1/docs").text)
    assert found
    client.environ_base["HTTP_X_CSRFTOKEN"] = found[1]
    return client


def _wired(home: Path, settings: dict[str, Any]) -> Flask:
    """Nothing of it leaves the folder, speaks to a node, or runs by itself."""
    home.mkdir(exist_ok=True)
    create_master_key(home / "keys" / "master.key")
    defaults = {
        "TESTING": True,
        "KEYS_DIR": str(home / "keys"),
        "SCHEDULER_ENABLED": False,
        "RATELIMIT_ENABLED": False,
        "JOB_MAX_ATTEMPTS": 1,  # a failure is final at once; tests of retries say otherwise
    }
    app = create_app(defaults | settings)
    app.extensions[EXTENSION].nodes.close()
    _put_doubles(app)
    return app


def _put_doubles(app: Flask) -> None:
    runtime: Runtime = app.extensions[EXTENSION]
    runtime.nodes, runtime.queue = RecordingNodes(), HeldQueue()
    app.extensions.pop(refusals.EXTENSION, None)


def _add_users(password_hash: str) -> None:
    with unit_of_work() as session:
        for role in Role:
            session.add(User(name=role.value, role=role, password_hash=password_hash))


def _end(app: Flask) -> None:
    stop(app)
    with app.app_context():
        _disconnect()


def _disconnect() -> None:
    db.session.remove()
    db.engine.dispose()
