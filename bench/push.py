"""A push: from the POST of a forge's webhook to the new commit in the project's folder on its node."""

import statistics
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

from app.cli.demo.rest import Rest
from bench.repositories import git
from tests.support.pushes import FORGES, Delivery

_NAME: Final = "pushed"
_PATIENCE_SECONDS: Final = 60
_LOOK_SECONDS: Final = 0.002
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback needs no proxy


def measure(folder: Path, rest: Rest, base: str, root: Path, rounds: int) -> list[dict[str, Any]]:
    """A project of the small repository, and so many pushes for each forge, one at a time."""
    work = folder / "work"
    git("clone", "--quiet", str(folder / "git" / "small.git"), str(work))
    job = rest.post("/projects/clone", {"name": _NAME, "git_url": f"{base}small.git", "node_id": 1})
    rest.follow(job, lambda step: None)
    return [_of_forge(rest, job["project_id"], forge, work, root / _NAME, rounds) for forge in FORGES]


def _of_forge(rest: Rest, project_id: int, forge: str, work: Path, tree: Path, rounds: int) -> dict[str, Any]:
    hook = rest.post(f"/projects/{project_id}/hooks", {"forge": forge})
    times = []
    for _ in range(rounds):
        sha, delivery = _push(work), FORGES[forge](hook["secret"])
        started = time.perf_counter()
        _deliver(f"{rest.address}{hook['path']}", delivery)
        _await_commit(tree, sha)
        times.append(time.perf_counter() - started)
        _await_rest(rest, project_id)
    numbers = {"median_seconds": statistics.median(times), "slowest_seconds": max(times)}
    return {"forge": forge, "rounds": rounds} | numbers


def _push(work: Path) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    git("-C", str(work), *who, "commit", "--quiet", "--allow-empty", "--message", "more")
    git("-C", str(work), "push", "--quiet", "origin", "HEAD")
    return git("-C", str(work), "rev-parse", "HEAD").strip()


def _deliver(url: str, delivery: Delivery) -> None:
    request = urllib.request.Request(url, data=delivery.body, headers=delivery.headers)
    with _OPENER.open(request, timeout=_PATIENCE_SECONDS):
        pass


def _await_commit(tree: Path, sha: str) -> None:
    """Looked for in the folder itself, which costs the controller nothing."""
    branch, deadline = tree / ".git/refs/heads/main", time.monotonic() + _PATIENCE_SECONDS
    while branch.read_text().strip() != sha:
        if time.monotonic() > deadline:
            raise RuntimeError("the push does not reach the node")
        time.sleep(_LOOK_SECONDS)


def _await_rest(rest: Rest, project_id: int) -> None:
    """The pull is stored as done, so that the next push finds the project free."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while rest.get(f"/projects/{project_id}")["status"] != "ACTIVE":
        if time.monotonic() > deadline:
            raise RuntimeError("the pull does not end")
        time.sleep(0.02)
