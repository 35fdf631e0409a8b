"""Which job may start, or be taken up, and the guarded updates that say whose it is."""

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Subquery, and_, case, exists, func, or_, select, update
from sqlalchemy.orm import aliased

from app.db import db, release, take_turns, unit_of_work, utcnow
from app.models import Job, JobState, Node, NodeStatus

CANDIDATES: Final = 20
_HOST: Final = socket.gethostname().replace(":", "-")[:30]
# `host:pid:salt` says whose a lease is, and lets processes of the same machine see whether that one still lives.
OWNER: Final = f"{_HOST}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Most:
    """So many jobs may run at a time: on one node, and in all, by whatever runners."""

    per_node: int
    in_all: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Most":
        return cls(config["MAX_JOBS_PER_NODE"], config["MAX_JOBS"])


def candidates(most: Most) -> list[int]:
    """Ids of some jobs that may be claimed now: the abandoned first; then those of whoever has the fewest running, so
    that thousands of one requester keep nobody else waiting; then the oldest. Of one project there is only one."""
    now = utcnow()
    abandoned = select(Job.id).where(_is_abandoned(now), ~is_away()).order_by(Job.id).limit(CANDIDATES)
    found = list(db.session.scalars(abandoned))
    running = _running_by_requester()
    queued = select(Job.id).outerjoin(running, running.c.requested_by == Job.requested_by)
    queued = queued.where(_may_start(now, most), ~is_away()).order_by(func.coalesce(running.c.count, 0), Job.id)
    found += db.session.scalars(queued.limit(CANDIDATES - len(found)))
    release()
    return found


def claim(session: Any, job_id: int, owner: str, lease_end: datetime, most: Most) -> Job | None:
    """Within the caller's transaction: the job, now RUNNING and ours; None when somebody else was quicker.

    A queued job begins a new attempt; an abandoned one goes on with the attempt that it is in.
    """
    is_new = Job.state == JobState.QUEUED
    values = {
        "state": JobState.RUNNING,
        "owner": owner,
        "lease_expires_at": lease_end,
        "attempt": case((is_new, Job.attempt + 1), else_=Job.attempt),
        "is_attached": case((is_new, False), else_=Job.is_attached),
        "log_offset": case((is_new, 0), else_=Job.log_offset),
        "started_at": func.coalesce(Job.started_at, utcnow()),
        "run_after": None,
    }
    take_turns(session, "claims")
    moved = session.execute(update(Job).where(Job.id == job_id, _is_claimable(most)).values(values))
    return session.get(Job, job_id, populate_existing=True) if moved.rowcount else None


def renew(owner: str, job_ids: list[int], lease_end: datetime) -> None:
    if not job_ids:
        return
    mine = update(Job).where(Job.owner == owner, Job.id.in_(job_ids), Job.state == JobState.RUNNING)
    with unit_of_work() as session:
        session.execute(mine.values(lease_expires_at=lease_end))


def park(job_id: int, owner: str, seconds: float, detail: str) -> None:
    """Let a running job go: its process goes on, and whoever has time takes it up when this time is over."""
    mine = update(Job).where(Job.id == job_id, Job.owner == owner, Job.state == JobState.RUNNING)
    until = utcnow() + timedelta(seconds=seconds)
    with unit_of_work() as session:
        session.execute(mine.values(owner=None, lease_expires_at=until, run_after=until, detail=detail[:255]))


def take_from_runners(session: Any, node_id: int, *, but: int = 0) -> None:
    """Within the caller's transaction: running jobs of this node, `but` one, leave their runners, which know how it was
    reached before; whoever takes them up asks anew."""
    mine = update(Job).where(Job.node_id == node_id, Job.state == JobState.RUNNING, Job.id != but)
    session.execute(mine.values(owner=None, lease_expires_at=utcnow()))


def abandon_dead() -> None:
    """End at once the leases of processes of this machine that are gone, this one's former selves included."""
    running = select(Job.owner).where(Job.state == JobState.RUNNING, Job.owner.is_not(None)).distinct()
    owners = list(db.session.scalars(running))
    release()
    dead = [name for name in owners if name and name != OWNER and _is_dead_here(name)]
    if dead:
        with unit_of_work() as session:
            theirs = update(Job).where(Job.state == JobState.RUNNING, Job.owner.in_(dead))
            session.execute(theirs.values(owner=None, lease_expires_at=utcnow()))


def held() -> dict[int, tuple[str, str]]:
    """Queued jobs whose node is offline: by id, the node's name and what is waited for (see `Job.waiting_for`)."""
    queued = select(Job).where(Job.state == JobState.QUEUED, is_away()).limit(CANDIDATES)
    found = {job.id: (job.node_name or "", job.waiting_for or "node_offline") for job in db.session.scalars(queued)}
    release()
    return found


def _running_by_requester() -> Subquery:
    other = aliased(Job)
    running = select(other.requested_by, func.count().label("count")).where(other.state == JobState.RUNNING)
    return running.group_by(other.requested_by).subquery()


def _is_claimable(most: Most) -> ColumnElement[bool]:
    now = utcnow()
    return and_(or_(_may_start(now, most), _is_abandoned(now)), ~is_away())


def _may_start(now: datetime, most: Most) -> ColumnElement[bool]:
    """What runs is few, so the nodes that are full are found once, not for each job that waits."""
    other = aliased(Job)
    running = select(other.node_id).where(other.state == JobState.RUNNING, other.node_id.is_not(None))
    full = running.group_by(other.node_id).having(func.count() >= most.per_node)
    is_due = or_(Job.run_after.is_(None), Job.run_after <= now)
    has_room = or_(Job.node_id.is_(None), Job.node_id.not_in(full))
    return and_(Job.state == JobState.QUEUED, is_due, has_room, _followed() < most.in_all)


def _followed() -> Any:
    """How many jobs runners are busy with; one that was let go, its node being away, keeps no other from starting."""
    other = aliased(Job)
    is_followed = (other.state == JobState.RUNNING) & other.owner.is_not(None)
    return select(func.count()).select_from(other).where(is_followed).scalar_subquery()


def _is_abandoned(now: datetime) -> ColumnElement[bool]:
    """Its lease is over: it goes on on its node, and nobody follows it."""
    return and_(Job.state == JobState.RUNNING, Job.lease_expires_at <= now)


def is_away() -> ColumnElement[bool]:
    """Jobs of a node that is offline wait."""
    return exists().where(Node.id == Job.node_id, Node.status == NodeStatus.OFFLINE)


def _is_dead_here(owner: str) -> bool:
    """Only for this machine's processes; of others, the lease decides. Our own pid, other salt: a former self."""
    host, _, rest = owner.partition(":")
    pid = int(rest.partition(":")[0] or 0)
    if host != _HOST or not pid:
        return False
    return pid == os.getpid() or not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
