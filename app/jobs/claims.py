"""Which job may start, or be taken up, and the guarded updates that say whose it is."""

import os
import secrets
import socket
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, update
from sqlalchemy.orm import aliased

from app.db import db, release, unit_of_work, utcnow
from app.models import Job, JobState, Node, NodeStatus

CANDIDATES: Final = 20
_HOST: Final = socket.gethostname().replace(":", "-")[:30]
# `host:pid:salt` says whose a lease is, and lets processes of the same machine see whether that one still lives.
OWNER: Final = f"{_HOST}:{os.getpid()}:{secrets.token_hex(4)}"


def candidates(max_jobs_per_node: int) -> list[int]:
    """Ids of some jobs that may be claimed now: the abandoned first, then the oldest."""
    now = utcnow()
    found: list[int] = []
    for condition in (_is_abandoned(now), _may_start(now, max_jobs_per_node)):
        rows = select(Job.id).where(condition, ~_is_away()).order_by(Job.id).limit(CANDIDATES - len(found))
        found += db.session.scalars(rows)
    release()
    return found


def claim(session: Any, job_id: int, owner: str, lease_end: datetime, max_jobs_per_node: int) -> Job | None:
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
    moved = session.execute(update(Job).where(Job.id == job_id, _is_claimable(max_jobs_per_node)).values(values))
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


def take_from_runners(session: Any, node_id: int) -> None:
    """Within the caller's transaction: running jobs of this node leave their runners, which know how it was reached
    before; whoever takes them up asks anew."""
    mine = update(Job).where(Job.node_id == node_id, Job.state == JobState.RUNNING)
    session.execute(mine.values(owner=None, lease_expires_at=utcnow()))


def abandon_dead() -> None:
    """End at once the leases of processes of this machine that are gone, this one's former selves included."""
    running = select(Job.owner).where(Job.state == JobState.RUNNING, Job.owner.is_not(None)).distinct()
    owners = list(db.session.scalars(running))
    release()
    dead = [name for name in owners if name and name != OWNER and _is_dead_here(name)]
    if dead:
        with unit_of_work() as session:
            session.execute(update(Job).where(Job.owner.in_(dead)).values(owner=None, lease_expires_at=utcnow()))


def held() -> list[int]:
    """Ids of queued jobs whose node is offline."""
    queued = select(Job.id).where(Job.state == JobState.QUEUED, _is_away()).limit(CANDIDATES)
    found = list(db.session.scalars(queued))
    release()
    return found


def _is_claimable(max_jobs_per_node: int) -> ColumnElement[bool]:
    now = utcnow()
    return and_(or_(_may_start(now, max_jobs_per_node), _is_abandoned(now)), ~_is_away())


def _may_start(now: datetime, max_jobs_per_node: int) -> ColumnElement[bool]:
    """What runs is few, so the nodes that are full are found once, not for each job that waits."""
    other = aliased(Job)
    running = select(other.node_id).where(other.state == JobState.RUNNING, other.node_id.is_not(None))
    full = running.group_by(other.node_id).having(func.count() >= max_jobs_per_node)
    is_due = or_(Job.run_after.is_(None), Job.run_after <= now)
    has_room = or_(Job.node_id.is_(None), Job.node_id.not_in(full))
    return and_(Job.state == JobState.QUEUED, is_due, has_room)


def _is_abandoned(now: datetime) -> ColumnElement[bool]:
    """Its lease is over: it goes on on its node, and nobody follows it."""
    return and_(Job.state == JobState.RUNNING, Job.lease_expires_at <= now)


def _is_away() -> ColumnElement[bool]:
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
