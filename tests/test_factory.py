"""The factory wires every room, starts nothing by itself, and what was started ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from apispec import APISpec
from flask import Flask, url_for
from pytest_mock import MockerFixture
from werkzeug.routing import Rule

from app import create_app, start_background, stop
from app.config import CHECKOUT, SETTINGS
from app.secrets import LockedVault, Vault, create_master_key
from app.services.runtime import EXTENSION
from tests.support.controller_process import wait_until
from tests.support.ports import free_port


def settings_in(folder: Path) -> dict[str, object]:
    create_master_key(folder / "keys" / "master.key")
    return {"KEYS_DIR": str(folder / "keys"), "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/test.db"}


def test_the_factory_leaves_no_thread(tmp_path: Path) -> None:
    """What counts requests in memory begins with a timer of some milliseconds, which ends by itself."""
    before = set(threading.enumerate())
    stop(create_app(settings_in(tmp_path)))
    wait_until(lambda: set(threading.enumerate()) <= before)


def test_every_edge_is_wired(app: Flask) -> None:
    paths = {rule.rule for rule in app.url_map.iter_rules()}
    assert {"/healthz", "/api/v1/nodes", "/login"} <= paths
    assert {"init", "user", "token", "key", "node", "project", "job", "db"} <= app.cli.commands.keys()


def test_a_start_writes_no_document_and_compiles_no_address(tmp_path: Path, mocker: MockerFixture) -> None:
    compiled, documented = mocker.spy(Rule, "_compile_builder"), mocker.spy(APISpec, "path")
    app = create_app(settings_in(tmp_path))
    assert (compiled.call_count, documented.call_count) == (2, 0), "two are of Flask's own /static"
    with app.test_request_context():
        assert url_for("nodes.get_node", node_id=7, why="a b") == "/api/v1/nodes/7?why=a+b"
    client = app.test_client()
    documents = [client.get("/api/v1/openapi.json").json or {} for _ in range(2)]
    assert documents[0] == documents[1]
    assert len(documents[0]["paths"]) <= documented.call_count
    assert compiled.call_count == 3
    stop(app)


def test_without_a_master_key_the_vault_is_locked(tmp_path: Path) -> None:
    app = create_app({"KEYS_DIR": str(tmp_path), "SQLALCHEMY_DATABASE_URI": "sqlite://"})
    assert isinstance(app.extensions[EXTENSION].vault, LockedVault)
    stop(app)


def test_the_session_key_comes_from_the_master_key(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    one, two = create_app(settings), create_app(settings)
    assert isinstance(one.extensions[EXTENSION].vault, Vault)
    assert one.config["SECRET_KEY"] == two.config["SECRET_KEY"]
    assert len(one.config["SECRET_KEY"]) == 32
    stop(one)
    stop(two)


def test_what_a_test_hands_in_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAREBOAT_PROBE_INTERVAL_SECONDS", "7")
    monkeypatch.setenv("BAREBOAT_JOB_THREADS", "5")
    app = create_app(settings_in(tmp_path) | {"JOB_THREADS": 3})
    assert (app.config["PROBE_INTERVAL_SECONDS"], app.config["JOB_THREADS"]) == (7, 3)
    stop(app)


def test_the_instance_folder_has_settings_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.py").write_text("JOB_THREADS = 2\n")
    monkeypatch.setenv("BAREBOAT_INSTANCE_PATH", str(tmp_path))
    app = create_app({"KEYS_DIR": str(tmp_path)})
    assert app.config["JOB_THREADS"] == 2
    assert app.config["SQLALCHEMY_DATABASE_URI"] == f"sqlite:///{tmp_path}/bareboat.db"
    stop(app)


def test_every_setting_has_a_default(app: Flask) -> None:
    assert set(SETTINGS) <= app.config.keys()


def test_background_threads_end_with_stop(make_app: object) -> None:
    app = make_app(SCHEDULER_ENABLED=True)  # type: ignore[operator]
    before = set(threading.enumerate())
    schedule = start_background(app)
    assert schedule is not None
    assert schedule.is_running
    stop(app)
    end = time.monotonic() + 20
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0, end - time.monotonic()))
    assert set(threading.enumerate()) <= before
    stop(app)


def test_an_extra_web_process_has_no_background(app: Flask) -> None:
    assert start_background(app) is None


@pytest.mark.slow
def test_gunicorn_serves_after_init_and_ends_within_seconds(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BAREBOAT_")}
    environment |= {"BAREBOAT_INSTANCE_PATH": str(tmp_path / "i"), "BAREBOAT_KEYS_DIR": str(tmp_path / "keys")}
    options = {"cwd": CHECKOUT, "env": environment, "stdin": subprocess.DEVNULL}
    subprocess.run([sys.executable, "-m", "flask", "--app", "wsgi", "init"], check=True, capture_output=True, **options)  # type: ignore[call-overload]
    port = free_port()
    argv = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "wsgi:app"]
    server = subprocess.Popen(argv, stderr=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    try:
        assert _await_ready(f"http://127.0.0.1:{port}/readyz")["status"] == "ready"
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait()


def _await_ready(url: str) -> dict[str, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            with opener.open(url, timeout=10) as answer:
                return dict(json.load(answer))
        except OSError:
            time.sleep(0.1)  # nothing announces that a server is up
    raise AssertionError("gunicorn is not ready")
