"""Looks at all working trees of a project set at once: so many threads in all, so many seconds, and no longer."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from app.commands.gitstatus import ProjectStatus as LiveStatus
from app.commands.giturl import GitUrl
from app.commands.paths import ProjectName
from app.db import db, release
from app.errors import BareboatError
from app.models import Node, Project
from app.services.projects import ensure_ready
from app.services.targets import build_worker_client

SECONDS: Final = 6.0
THREADS: Final = 16  # of the process; looks of several pages share them
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="set-look")


@dataclass(frozen=True, slots=True)
class Look:
    """What one working tree is like now, or the `problem` that kept us from seeing it."""

    tree: LiveStatus | None = None
    problem: str | None = None


Ask = Callable[[], LiveStatus]


def look(set_id: int, seconds: float) -> dict[int, Look]:
    """By id of the project, of each that is on its node. Those that have not answered in time are left to end by
    themselves, within as many seconds again; those that nobody has begun to ask are not asked any more."""
    asks: dict[int, Ask] = {}
    looks: dict[int, Look] = {}
    for project in _members(set_id):
        try:
            asks[project.id] = _ask(project, seconds)
        except BareboatError as error:
            looks[project.id] = Look(problem=error.message)
    release()
    return looks | _answers(asks, seconds)


def _members(set_id: int) -> list[Project]:
    whole = joinedload(Project.node).options(joinedload(Node.ssh_key), selectinload(Node.host_keys))
    rows = select(Project).filter_by(set_id=set_id).where(Project.cloned_at.is_not(None)).options(whole)
    return list(db.session.scalars(rows).unique())


def _ask(project: Project, seconds: float) -> Ask:
    """To be called in any thread: nothing of the database is in it."""
    ensure_ready(project.node, is_change=False)
    client = build_worker_client(project.node, max(1, round(seconds)), probe_seconds=seconds)
    name, url = ProjectName(project.name), GitUrl.parse(project.git_url)
    return lambda: client.project_status(name, url)


def _answers(asks: dict[int, Ask], seconds: float) -> dict[int, Look]:
    asked = {project_id: _threads.submit(ask) for project_id, ask in asks.items()}
    wait(asked.values(), timeout=seconds)
    return {project_id: _answer(future, seconds) for project_id, future in asked.items()}


def _answer(future: "Future[LiveStatus]", seconds: float) -> Look:
    if not future.done():
        future.cancel()
        return Look(problem=f"No answer within {seconds:g} seconds.")
    try:
        return Look(future.result())
    except BareboatError as error:
        return Look(problem=error.message)
