"""`python -m app.cli.demo [--once]`: see the package."""

import os
import secrets
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

from flask import Flask
from flask.cli import ScriptInfo

from app.cli.demo.node import DemoNode, find_program, free_port
from app.cli.demo.processes import Processes, end_leftovers
from app.cli.demo.rest import Rest
from app.cli.demo.source import DemoSource
from app.config import CHECKOUT

FOLDER: Final = CHECKOUT / "instance" / "demo"
DEFAULT_PORT: Final = 5000
PACKAGES: Final = {"git": "git", "sshd": "openssh-server", "ssh-keygen": "openssh-client"}
SETTINGS: Final = """\
# Written by `make demo`. The demo clones from loopback by git's own protocol; a real installation allows neither.
DEMO = True
KEYS_DIR = {keys!r}
PROJECTS_ROOT = {root!r}
ALLOWED_GIT_SCHEMES = ["https", "ssh", "git"]
DENIED_NETWORKS = []
PROBE_INTERVAL_SECONDS = 10
"""


class _Stopped(BaseException):
    """A signal asked us to end."""


def main() -> int:
    _ensure_programs()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGHUP, _stop)
    end_leftovers(FOLDER)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True, mode=0o700)
    demo = _Demo(is_once="--once" in sys.argv[1:])
    try:
        return demo.run()
    except _Stopped:
        return 0
    except RuntimeError as error:
        print(f"Error: {error}; logs are in {FOLDER}", file=sys.stderr)
        return 1
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # ending takes seconds, and is not to be cut short
        demo.stop()


class _Demo:
    def __init__(self, *, is_once: bool) -> None:
        self._is_once = is_once
        self._processes = Processes(FOLDER)
        self._node = DemoNode(FOLDER / "node")
        self._source = DemoSource(FOLDER / "source", CHECKOUT)
        self._password = secrets.token_urlsafe(9)

    def run(self) -> int:
        self._say("making a throw-away installation in instance/demo")
        app = self._install()
        self._say("starting a throw-away sshd as a node, and git's own server for this repository")
        self._node.start(self._processes, free_port() or 0)
        git_url = self._source.start(self._processes, free_port() or 0)
        token = self._enrol(app)
        rest = self._serve(token)
        project = self._clone(rest, git_url)
        self._show_result(project, rest)
        if not self._is_once:
            self._wait()
        return 0

    def stop(self) -> None:
        self._say("stopping")
        left = self._processes.stop()
        self._node.clear()
        self._say(f"these processes are still there: {left}" if left else "nothing that was started is left running")

    def _install(self) -> Flask:
        """Settings in a file, so that `BAREBOAT_INSTANCE_PATH=instance/demo flask --app wsgi …` works beside us."""
        settings = SETTINGS.format(keys=str(FOLDER / "keys"), root=str(self._node.projects_root))
        (FOLDER / "config.py").write_text(settings)
        for name in [name for name in os.environ if name.startswith("BAREBOAT_") and name != "BAREBOAT_DEMO_PORT"]:
            del os.environ[name]
        os.environ["BAREBOAT_INSTANCE_PATH"] = str(FOLDER)
        _flask(_create_app(), "init", "--password-stdin", stdin=self._password + "\n")
        return _create_app()

    def _enrol(self, app: Flask) -> str:
        """A key, the node, its pin, an API token: each by the command that a user types."""
        node = self._node
        node.authorize(_flask(app, "key", "add", "demo", "--generate", "ed25519"))
        where = ("--port", str(node.port), "--user", node.user, "--key", "demo", "--root", str(node.projects_root))
        _flask(app, "node", "add", "demo-node", "127.0.0.1", *where)
        _flask(app, "node", "pin", "demo-node", "--public-key", node.host_key)
        return _flask(app, "token", "add", "--user", "admin", "--name", "demo", "--days", "1").splitlines()[-1]

    def _serve(self, token: str) -> Rest:
        self._address = f"http://127.0.0.1:{_web_port()}"
        self._say(f"starting Bareboat on {self._address}")
        bind = self._address.removeprefix("http://")
        config = ["--config", str(CHECKOUT / "gunicorn.conf.py"), "--chdir", str(CHECKOUT), "--bind", bind]
        self._processes.start("bareboat", [sys.executable, "-m", "gunicorn", *config, "wsgi:app"])
        rest = Rest(self._address, token)
        rest.wait_until_up(self._ensure_alive)
        return rest

    def _clone(self, rest: Rest, git_url: str) -> dict[str, Any]:
        node = rest.get("/nodes")[0]
        probe = rest.post(f"/nodes/{node['id']}/probe")
        if not probe["ok"]:
            raise RuntimeError(f"the node is not online: {probe['status_reason']} {probe['detail']}")
        self._say(f"node demo-node is online ({probe['latency_ms']} ms); cloning {git_url} to it")
        job = rest.post("/projects/clone", {"name": "bareboat", "git_url": git_url, "node_id": node["id"]})
        job = rest.follow(job, lambda step: self._say(f"  {step}"))
        if job["state"] != "SUCCEEDED":
            raise RuntimeError(f"the clone ended {job['state']}: {job['error']}")
        project: dict[str, Any] = rest.get(f"/projects/{job['project_id']}")
        return project

    def _show_result(self, project: dict[str, Any], rest: Rest) -> None:
        path = Path(project["path"])
        if project["status"] != "ACTIVE" or project["head"] != self._source.head() or self._source.state_of(path):
            raise RuntimeError(f"the project is not as it should be: {project}")
        print(f"""
  Bareboat      {self._address}
  log in        admin   {self._password}
  project       {project["name"]} is {project["status"]} on demo-node, at {project["head"][:12]}
  its files     {path}
  git status    clean
  API           {self._address}/api/v1/docs   token {rest.token}
""")
        sys.stdout.flush()

    def _wait(self) -> None:
        self._say("Ctrl-C stops everything that was started here")
        while True:
            self._ensure_alive()
            time.sleep(0.5)  # nobody waits for this: it only says soon that a part has ended

    def _ensure_alive(self) -> None:
        name = self._processes.find_ended()
        if name is not None:
            last = "\n".join(self._processes.log_of(name).splitlines()[-15:])
            raise RuntimeError(f"{name} has ended:\n{last}\n")

    @staticmethod
    def _say(text: str) -> None:
        print(f"demo: {text}", file=sys.stderr, flush=True)


def _create_app() -> Flask:
    """By its name, as the flask command finds it: commands import no factory."""
    return ScriptInfo(app_import_path="app:create_app").load_app()


def _flask(app: Flask, *words: str, stdin: str | None = None) -> str:
    """One of the product's commands; answers what it printed."""
    done = app.test_cli_runner().invoke(args=words, input=stdin)
    if done.exit_code != 0:
        raise RuntimeError(f"flask {' '.join(words[:2])}: {done.stderr or done.exception}")
    return str(done.stdout).strip()


def _ensure_programs() -> None:
    absent = [name for name in PACKAGES if find_program(name) is None]
    if absent:
        packages = " ".join(PACKAGES[name] for name in absent)
        sys.exit(f"Error: the demo needs {', '.join(absent)}; install first (Debian: apt-get install {packages})")
    if not (CHECKOUT / ".git").exists():
        sys.exit("Error: the demo clones this checkout's own repository, and here is none; get it with git clone.")


def _web_port() -> int:
    wanted = int(os.environ.get("BAREBOAT_DEMO_PORT", DEFAULT_PORT))
    port = free_port(wanted)
    if port is None:
        port = free_port() or 0
        print(f"demo: port {wanted} is taken; using {port}", file=sys.stderr)
    return port


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise _Stopped


if __name__ == "__main__":
    sys.exit(main())
