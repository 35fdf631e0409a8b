"""What kinds of jobs there are: services register them, the runner looks them up."""

from collections.abc import Callable
from dataclasses import dataclass

from app.jobs.context import JobContext, JobOrder
from app.models import Job, Role


def _nothing(job: Job) -> None:
    """No row of another noun follows this job."""


def _leave(order: JobOrder) -> None:
    """Nothing of it is left on a node."""


def _unheard(job_id: int) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """`perform` does the work and raises a BareboatError when it fails.

    `on_queued`, `on_started` and `on_ended` run inside the transaction that moves the job's state, so that the rows
    of other nouns (a project's status) move with it or not at all. They must not speak to a node. `clean_up` is called
    when an attempt's outcome is stored; it removes what the attempt left on the node, and may raise NodeError.
    `is_repeatable`: doing it again after a failure that may pass does no harm. `role`: who may ask for it, again or to
    stop.
    """

    name: str
    perform: Callable[[JobContext], None]
    on_queued: Callable[[Job], None] = _nothing
    on_started: Callable[[Job], None] = _nothing
    on_ended: Callable[[Job], None] = _nothing
    clean_up: Callable[[JobOrder], None] = _leave
    is_repeatable: bool = False
    role: Role = Role.OPERATOR


class Registry:
    """Job kinds by name, such as `project.clone`. `ended` is told the ids of jobs that a runner is done with, when
    their outcome is committed; it may be lost, and it may come for a job that is not at its end yet."""

    def __init__(self, *kinds: JobKind, ended: Callable[[int], None] = _unheard) -> None:
        self._kinds = {kind.name: kind for kind in kinds}
        self.ended = ended

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._kinds)

    def get(self, name: str) -> JobKind:
        return self._kinds[name]

    def role_of(self, name: str) -> Role:
        """An admin's, for a kind that nobody has wired (any more)."""
        kind = self._kinds.get(name)
        return Role.ADMIN if kind is None else kind.role

    def names_above(self, role: Role) -> frozenset[str]:
        """Of the kinds that this role may not ask for."""
        return frozenset(name for name, kind in self._kinds.items() if not role.includes(kind.role))
