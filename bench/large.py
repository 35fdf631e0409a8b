"""Lists, searches and pages on a large installation, asked in this process: what a request costs."""

import gc
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from flask import Flask
from flask.testing import FlaskClient

from app import create_app, stop
from app.db import db, refresh_statistics, unit_of_work
from app.jobs import claims
from app.models import Role, User
from app.secrets import create_master_key
from app.services import sessions, tokens
from app.services.events import SYSTEM
from app.services.sessions import Browser
from bench.fill import Size, fill

LIST_MS: Final = 50.0
PAGE_MS: Final = 150.0
API: Final = "/api/v1"


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing to ask for. `limit_ms` is what p95 should stay under."""

    name: str
    path: str
    limit_ms: float = LIST_MS


@dataclass(frozen=True, slots=True)
class Taken:
    name: str
    path: str
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    limit_ms: float
    answer_bytes: int


def asks(size: Size) -> list[Ask]:
    """`middle` of everything is an id that exists."""
    project, job, node = size.projects // 2, size.jobs // 2, size.nodes // 2
    last_page = max(1, size.projects // 50)
    return [
        Ask("projects", f"{API}/projects"),
        Ask("projects, last page", f"{API}/projects?page={last_page}"),
        Ask("projects by last_synced_at", f"{API}/projects?sort=-last_synced_at"),
        Ask("projects with an error", f"{API}/projects?status=ERROR"),
        Ask("projects of a node", f"{API}/projects?node_id={node}"),
        Ask("search, many found", f"{API}/projects?search=shop"),
        Ask("search, one found", f"{API}/projects?search=-{project:06}"),
        Ask("search, none found", f"{API}/projects?search=nosuchname"),
        Ask("a project", f"{API}/projects/{project}"),
        Ask("nodes", f"{API}/nodes"),
        Ask("search of nodes", f"{API}/nodes?search=de-0{node}"),
        Ask("a node", f"{API}/nodes/{node}"),
        Ask("probes of a node", f"{API}/nodes/{node}/probes"),
        Ask("jobs", f"{API}/jobs"),
        Ask("jobs, page 1,000", f"{API}/jobs?page=1000"),
        Ask("jobs, last page", f"{API}/jobs?page={max(1, size.jobs // 50)}"),
        Ask("jobs that failed", f"{API}/jobs?state=FAILED"),
        Ask("jobs that succeeded", f"{API}/jobs?state=SUCCEEDED"),
        Ask("jobs of a kind", f"{API}/jobs?kind=project.pull"),
        Ask("jobs of a project", f"{API}/jobs?project_id={project}"),
        Ask("jobs of a node", f"{API}/jobs?node_id={node}"),
        Ask("jobs by finished_at", f"{API}/jobs?sort=-finished_at"),
        Ask("a job", f"{API}/jobs/{job}"),
        Ask("schedules", f"{API}/schedules"),
        Ask("events", f"{API}/events"),
        Ask("events, from the middle", f"{API}/events?before={size.events // 2}"),
        Ask("events of a node", f"{API}/events?node=node-{node:05}"),
        Ask("events of a kind and a user", f"{API}/events?action=project.pull&actor=nobody", PAGE_MS),
        Ask("events with a text, none found", f"{API}/events?search=nosuchtext", PAGE_MS),
        Ask("page: dashboard", "/", PAGE_MS),
        Ask("page: projects", "/projects", PAGE_MS),
        Ask("page: projects, last page", f"/projects?page={last_page}", PAGE_MS),
        Ask("page: search of projects", "/projects?q=shop", PAGE_MS),
        Ask("page: a project", f"/projects/{project}", PAGE_MS),
        Ask("page: clone form", "/projects/new", PAGE_MS),
        Ask("page: nodes", "/nodes", PAGE_MS),
        Ask("page: a node", f"/nodes/{node}", PAGE_MS),
        Ask("page: jobs", "/jobs", PAGE_MS),
        Ask("page: jobs that failed", "/jobs?state=FAILED", PAGE_MS),
        Ask("page: a job", f"/jobs/{job}", PAGE_MS),
        Ask("page: schedules", "/schedules", PAGE_MS),
        Ask("page: keys", "/keys", PAGE_MS),
        Ask("page: events", "/events", PAGE_MS),
        Ask("page: search of events", f"/events?node=node-{node:05}&search=shop", PAGE_MS),
    ]


def measure(folder: Path, size: Size, rounds: int) -> dict[str, Any]:
    """Fill, ask everything `rounds` times in turn, and the same for what runners ask the table."""
    app = _wired(folder)
    started = time.monotonic()
    fill(folder / "large.db", size)
    filled = time.monotonic() - started
    with app.app_context():
        refresh_statistics()
    try:
        taken = _ask_all(app, asks(size), rounds)
        return {
            "size": asdict(size),
            "fill_seconds": filled,
            "asked": [asdict(one) for one in taken],
            "claims": _ask_runner(app, rounds),
        }
    finally:
        stop(app)


def _wired(folder: Path) -> Flask:
    folder.mkdir(parents=True, exist_ok=True)
    create_master_key(folder / "keys" / "master.key")
    app = create_app(
        {
            "TESTING": True,
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/large.db",
            "KEYS_DIR": str(folder / "keys"),
            "SCHEDULER_ENABLED": False,
            "RATELIMIT_ENABLED": False,
        }
    )
    with app.app_context():
        db.create_all()
        with unit_of_work() as session:
            session.add(User(name="admin", role=Role.ADMIN, password_hash="none"))
    return app


def _ask_all(app: Flask, wanted: list[Ask], rounds: int) -> list[Taken]:
    rest, person = clients(app)
    times: dict[str, list[tuple[float, float]]] = {ask.name: [] for ask in wanted}
    sizes: dict[str, int] = {}
    for _ in range(rounds + 1):
        gc.collect()
        for ask in wanted:
            client = rest if ask.path.startswith(API) else person
            took, sizes[ask.name] = _ask(client, ask.path)
            times[ask.name].append(took)
    return [_taken(ask, times[ask.name][1:], sizes[ask.name]) for ask in wanted]  # the first round warms caches


def clients(app: Flask) -> tuple[FlaskClient, FlaskClient]:
    """A client with an API token, and one with a browser's session; both are an admin's."""
    with app.app_context():
        user = db.session.query(User).filter_by(name="admin").one()
        token = tokens.create_token(user, "bench", 1, SYSTEM).reveal()
        user = db.session.query(User).filter_by(name="admin").one()
        cookie = sessions.start_session(user, Browser()).reveal()
    rest, person = app.test_client(), app.test_client()
    rest.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    with person.session_transaction() as session:
        session["_user_id"] = cookie
    return rest, person


def _ask(client: FlaskClient, path: str) -> tuple[tuple[float, float], int]:
    """Seconds by the clock and of CPU, and the size of the answer."""
    started, cpu = time.perf_counter(), time.process_time()
    answer = client.get(path)
    data = answer.data
    took = time.perf_counter() - started, time.process_time() - cpu
    if answer.status_code != 200:
        raise RuntimeError(f"{path} answered {answer.status_code}: {re.sub(r'<[^>]*>', ' ', answer.text)[:500]}")
    return took, len(data)


def _taken(ask: Ask, taken: list[tuple[float, float]], size: int) -> Taken:
    seconds, cpu = [clock for clock, _ in taken], statistics.median(cpu for _, cpu in taken)
    return Taken(ask.name, ask.path, _ms(statistics.median(seconds)), _ms(p95(seconds)), _ms(cpu), ask.limit_ms, size)


def p95(values: list[float]) -> float:
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


def _ask_runner(app: Flask, rounds: int) -> dict[str, float]:
    with app.app_context():
        return {
            "candidates_ms": _median_ms(lambda: claims.candidates(claims.Most.of(app.config)), rounds),
            "held_ms": _median_ms(claims.held, rounds),
            "abandon_dead_ms": _median_ms(claims.abandon_dead, rounds),
        }


def _median_ms(call: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return _ms(statistics.median(times))
