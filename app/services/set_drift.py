"""The drift grid: how far the members of a project set are from each other, as known, or as looked at now.

What they are compared with is the head of the member that was synced last from upstream, on the set's branch: what a
checkout, an undo or a rebase has left says nothing about upstream, nor does a tree with commits of its own.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select

from app.db import db
from app.models import Job, JobState, NodeStatus, Project, ProjectStatus
from app.services import set_looks
from app.services.project_sets import get_set, list_members

FLAGS: Final = ("no_answer", "error", "diverged", "other_branch", "ahead", "behind", "dirty", "offline")
_UPSTREAM: Final = ("project.clone", "project.pull")
_MOVES: Final = (*_UPSTREAM, "project.checkout", "project.undo")


@dataclass(frozen=True, slots=True)
class Standing:
    """One member. `ahead`, `behind` (as of its last fetch) and `dirty` None: not looked at. `is_live`: it was asked
    just now; `problem`: why it could not be."""

    project_id: int
    node_id: int
    node_name: str
    node_status: NodeStatus
    status: ProjectStatus
    is_cloned: bool
    branch: str | None
    head: str | None
    subject: str | None
    last_synced_at: datetime | None
    error: dict[str, str | None] | None
    ahead: int | None = None
    behind: int | None = None
    dirty: bool | None = None
    is_live: bool = False
    problem: str | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """What the members are compared with. `head` None: nothing that could serve is known."""

    branch: str | None
    head: str | None = None
    subject: str | None = None
    node_name: str | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    set_id: int
    reference: Reference
    is_live: bool
    counts: dict[str, int]
    members: tuple[Standing, ...]

    @property
    def flagged(self) -> int:
        return sum(1 for member in self.members if member.flags)


def read_drift(set_id: int, *, live: bool = False, seconds: float = set_looks.SECONDS) -> Drift:
    """`live` looks at every working tree at once, for so many seconds; what has not answered by then is shown as such.

    Raises NotFound.
    """
    project_set = get_set(set_id)
    wanted = project_set.branch
    seen = set_looks.look(set_id, seconds) if live else {}
    members = list_members(set_id)
    rows = [_with_look(_stored(project), seen.get(project.id)) for project in members]
    reference = _reference(members, rows, wanted)
    rows = [replace(row, flags=tuple(flag for flag in FLAGS if flag in set(_flags(row, reference)))) for row in rows]
    counts = Counter(flag for row in rows for flag in row.flags)
    return Drift(set_id, reference, live, {flag: counts[flag] for flag in FLAGS}, _worst_first(rows))


def _stored(project: Project) -> Standing:
    return Standing(
        project.id, project.node_id, project.node.name, project.node.status, project.status,
        project.cloned_at is not None, project.branch, project.head, project.head_subject, project.last_synced_at,
        project.error, project.ahead,
    )  # fmt: skip


def _with_look(row: Standing, look: set_looks.Look | None) -> Standing:
    if look is None or look.tree is None:
        return replace(row, problem=look.problem) if look else row
    tree = look.tree
    row = replace(row, branch=tree.branch, ahead=tree.ahead, behind=tree.behind, dirty=tree.dirty, is_live=True)
    return replace(row, head=tree.head.sha, subject=tree.head.subject) if tree.head else replace(row, head=None)


def _reference(members: Sequence[Project], rows: Sequence[Standing], wanted: str | None) -> Reference:
    """From what Bareboat itself has left there: what was done by hand since then is what drifts from it."""
    there = [project for project in members if project.cloned_at is not None]
    branch = _branch(there, wanted)
    own = {row.project_id for row in rows if row.ahead}
    on_it = [one for one in there if one.branch == branch and one.head and one.id not in own]
    moved = _moved_otherwise([project.id for project in on_it])
    synced = [(one.last_synced_at, one.id, one) for one in on_it if one.last_synced_at and one.id not in moved]
    newest = max(synced)[2] if synced else None
    return Reference(branch, newest.head, newest.head_subject, newest.node.name) if newest else Reference(branch)


def _branch(members: Sequence[Project], wanted: str | None) -> str | None:
    """The set's own where a member is on it, or else that of most: a set may name none, or a tag."""
    found = Counter(project.branch for project in members)
    if not found or (wanted is not None and wanted in found):
        return wanted
    return found.most_common(1)[0][0]


def _moved_otherwise(project_ids: Sequence[int]) -> set[int]:
    """Those whose stored head was left by something else than a clone or a pull."""
    done = select(func.max(Job.id)).where(Job.project_id.in_(project_ids), Job.kind.in_(_MOVES))
    last = done.where(Job.state == JobState.SUCCEEDED).group_by(Job.project_id)
    rows: Any = db.session.execute(select(Job.project_id, Job.kind, Job.params).where(Job.id.in_(last)))
    return {row.project_id for row in rows if row.kind not in _UPSTREAM or row.params.get("strategy") == "rebase"}


def _flags(row: Standing, reference: Reference) -> Iterator[str]:
    if row.node_status is NodeStatus.OFFLINE:
        yield "offline"
    elif row.problem:
        yield "no_answer"
    if row.status is ProjectStatus.ERROR:
        yield "error"
    if row.is_cloned:
        yield from _tree_flags(row, reference)


def _tree_flags(row: Standing, reference: Reference) -> Iterator[str]:
    """Without a look, what the last pull was refused for is all that is known of the tree."""
    refused_for = None if row.is_live or not row.error else row.error["code"]
    if row.dirty or refused_for == "tree_dirty":
        yield "dirty"
    if row.branch != reference.branch:
        yield "other_branch"
    if (row.ahead and row.behind) or refused_for == "not_fast_forward":
        yield "diverged"
    elif row.ahead:
        yield "ahead"
    elif row.behind or (row.branch == reference.branch and reference.head and row.head != reference.head):
        yield "behind"


def _worst_first(rows: Sequence[Standing]) -> tuple[Standing, ...]:
    return tuple(sorted(rows, key=lambda row: (FLAGS.index(row.flags[0]) if row.flags else len(FLAGS), row.node_name)))
