"""A RabbitMQ and a PostgreSQL of our own on loopback, for tests of several processes; ended by pid."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy

from tests.support.databases import administration
from tests.support.ports import await_port, free_port

RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


class Broker:
    """A RabbitMQ node. It is root's own: Debian's service account is not needed for one on loopback."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port, self._epmd_port, self._dist_port = free_port(), free_port(), free_port()
        self._processes: list[subprocess.Popen[bytes]] = []
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")
        (folder / "plugins").write_text("[].\n")

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        self._run(["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"])
        await_port(self._epmd_port)
        self._run([str(RABBITMQ)])
        await_port(self.port)

    def stop(self) -> None:
        while self._processes:
            process = self._processes.pop()
            process.terminate()
            process.wait(60)

    def _run(self, argv: list[str]) -> None:
        with (self._folder / "log").open("ab") as log:
            made = subprocess.Popen(argv, cwd=self._folder, env=self._environment(), stdout=log, stderr=log)
        self._processes.append(made)

    def _environment(self) -> dict[str, str]:
        folder = str(self._folder)
        return {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"bareboat{os.getpid()}@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
        }


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("rabbitmq"))
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """Makes an empty database and answers its address. The server wants an account that is not root's."""
    programs = max(Path("/usr/lib/postgresql").iterdir(), key=lambda path: int(path.name)) / "bin"
    folder = Path("/var/tmp") / f"bareboat-postgres-{os.getpid()}"
    folder.mkdir(mode=0o700)
    account = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    os.chown(folder, account.pw_uid, account.pw_gid)
    who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    port = free_port()
    init = [programs / "initdb", "--no-sync", "-A", "trust", "-U", "bareboat", "-E", "UTF8", "-D", folder / "data"]
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", f"unix_socket_directories={folder}"]
    subprocess.run(init, check=True, capture_output=True, cwd=folder, **who)  # type: ignore[call-overload]
    server = subprocess.Popen(
        [programs / "postgres", "-D", folder / "data", "-c", "fsync=off", *options],
        cwd=folder,
        stderr=subprocess.DEVNULL,
        **who,  # type: ignore[arg-type]
    )
    made: list[str] = []

    def make() -> str:
        made.append(f"test{len(made)}")
        place = sqlalchemy.make_url(f"postgresql+psycopg://bareboat@127.0.0.1:{port}/postgres")
        with administration(place).connect() as connection:
            connection.execute(sqlalchemy.text(f"CREATE DATABASE {made[-1]}"))
        return place.set(database=made[-1]).render_as_string()

    try:
        await_port(port)
        yield make
    finally:
        server.send_signal(2)  # fast: it waits for no client
        server.wait(60)
        shutil.rmtree(folder)
