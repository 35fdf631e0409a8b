"""What a schedule may ask for: by the kind of its job, how the parameters are checked and the job is built."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.errors import Invalid
from app.models import Job
from app.services import projects

_STRATEGIES: Final = ("ff-only", "reset")


@dataclass(frozen=True, slots=True)
class ScheduleKind:
    """`complete` answers the parameters with what was left out, or raises Invalid; `build` the job of a project, not
    yet stored, or raises the conflict that is in the way."""

    complete: Callable[[dict[str, Any]], dict[str, Any]]
    build: Callable[[int, dict[str, Any]], Job]


def get_kind(name: str) -> ScheduleKind:
    kind = SCHEDULE_KINDS.get(name)
    if kind is None:
        raise Invalid(errors={"kind": [f"One of: {', '.join(SCHEDULE_KINDS)}."]})
    return kind


def _pull_params(params: dict[str, Any]) -> dict[str, Any]:
    wanted = {"strategy": "ff-only"} | params
    if wanted.keys() != {"strategy"} or wanted["strategy"] not in _STRATEGIES:
        raise Invalid(errors={"params": [f"A pull has 'strategy' only: {' or '.join(_STRATEGIES)}."]})
    return wanted


SCHEDULE_KINDS: Final[Mapping[str, ScheduleKind]] = {
    "project.pull": ScheduleKind(_pull_params, lambda project_id, params: projects.pull_job(project_id, **params)),
}
