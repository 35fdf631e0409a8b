"""Fixtures for tests that speak to a real sshd; loaded through `pytest_plugins` in tests/conftest.py."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.ssh.pool import ConnectionPool
from tests.support.sshd import KeyPair, SshdServer, make_keypair

_SETTLE_SECONDS = 30


@pytest.fixture(scope="session")
def ssh_keypair(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return make_keypair(tmp_path_factory.mktemp("login"))


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory, ssh_keypair: KeyPair) -> Iterator[SshdServer]:
    """One sshd for all tests of a worker; tests that change it take `fresh_sshd`."""
    with SshdServer(tmp_path_factory.mktemp("sshd"), ssh_keypair) as server:
        yield server


@pytest.fixture
def make_sshd(tmp_path: Path, ssh_keypair: KeyPair) -> Iterator[Callable[..., SshdServer]]:
    """Start further servers: `make_sshd(key_types=("rsa",), extra=("ForceCommand true",))`."""
    servers: list[SshdServer] = []

    def start(**options: object) -> SshdServer:
        server = SshdServer(tmp_path / f"sshd-{len(servers)}", ssh_keypair, **options)  # type: ignore[arg-type]
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def fresh_sshd(make_sshd: Callable[..., SshdServer]) -> SshdServer:
    return make_sshd()


@pytest.fixture
def no_leaked_threads() -> Iterator[None]:
    """Fails the test that leaves a thread behind."""
    before = set(threading.enumerate())
    yield
    assert _leaked(before) == []


@pytest.fixture
def pool(no_leaked_threads: None) -> Iterator[ConnectionPool]:
    with ConnectionPool() as pool:
        yield pool


def _leaked(before: set[threading.Thread]) -> list[threading.Thread]:
    """Threads that are still there after a while: one that is just ending is none."""
    end = time.monotonic() + _SETTLE_SECONDS
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, end - time.monotonic()))
    return [thread for thread in threading.enumerate() if thread not in before]
