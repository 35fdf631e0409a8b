"""The first page: what is there, what runs, what happened, and the first steps of a new installation."""

from dataclasses import dataclass

from flask import render_template

from app.edge.identity import may, requires
from app.services import choices, events, jobs, keys, nodes, projects
from app.web.blueprint import web

RECENT_JOBS = 8
RECENT_EVENTS = 8


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """How far a new installation has come; shown until all is done."""

    has_key: bool
    has_node: bool
    is_pinned: bool
    has_project: bool

    @property
    def are_done(self) -> bool:
        return self.has_key and self.has_node and self.is_pinned and self.has_project


@web.get("/")
@requires("viewer")
def home() -> str:
    project_counts = projects.status_counts()
    return render_template(
        "dashboard.html",
        node_counts=nodes.status_counts(),
        project_counts=project_counts,
        steps=_first_steps(has_project=any(project_counts.values())),
        jobs=jobs.latest_jobs(RECENT_JOBS),
        events=events.latest_events(RECENT_EVENTS) if may("admin") else None,
    )


def _first_steps(has_project: bool) -> FirstSteps:
    return FirstSteps(
        has_key=keys.list_keys(1, 1).total > 0,
        has_node=choices.has_nodes(),
        is_pinned=choices.has_pins(),
        has_project=has_project,
    )
