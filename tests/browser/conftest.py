"""Bareboat as people meet it: served on loopback with its scheduler running, and a real Chromium before it."""

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from werkzeug.serving import make_server

from app import start_background
from app.services.runtime import EXTENSION
from app.ssh.pool import ConnectionPool
from tests.support.application import PASSWORD

PATIENCE_MS = 30_000  # for a busy machine; nothing waits longer than it must
_CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True, slots=True)
class Site:
    app: Flask
    url: str


class Gate:
    """A TCP relay that lets nothing through until it is opened, so that what waits behind it can be watched."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._opened = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def open(self) -> None:
        self._opened.set()

    def close(self) -> None:
        self.open()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near = self._listener.accept()[0]
            except OSError:
                return
            self._opened.wait()
            far = socket.create_connection(self._target)
            pairs = ((near, far), (far, near))
            self._threads += [threading.Thread(target=_relay, args=pair) for pair in pairs]
            for thread in self._threads[-2:]:
                thread.start()


@pytest.fixture
def make_gate() -> Iterator[Callable[[int], Gate]]:
    gates: list[Gate] = []

    def make(port: int) -> Gate:
        gates.append(Gate(port))
        return gates[-1]

    yield make
    for gate in gates:
        gate.close()


@pytest.fixture
def site(make_app: Callable[..., Flask]) -> Iterator[Site]:
    app = make_app(
        ALLOWED_GIT_SCHEMES=["https", "ssh", "git"],
        DENIED_NETWORKS=[],
        SCHEDULER_ENABLED=True,
        JOB_SWEEP_SECONDS=1,
        DEMO=True,
    )
    app.extensions[EXTENSION].nodes = ConnectionPool()
    start_background(app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Site(app, f"http://127.0.0.1:{server.port}")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not _CHROMIUM:
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=list(_ARGS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """A page on the login, in a browser of its own. What its console complains of fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_(**options: Any) -> Page:
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: _note(complaints, message.type, message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(site.url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def log_in(page: Page, name: str = "admin") -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Dashboard").wait_for()


def projects_root(tmp_path: Path) -> Path:
    folder = tmp_path / "projects"
    folder.mkdir(mode=0o755)
    return folder


def _note(complaints: list[str], kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        complaints.append(text)


def _relay(source: socket.socket, sink: socket.socket) -> None:
    """Until the source ends; each socket is closed by the relay that reads it."""
    with source:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return
