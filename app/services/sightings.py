"""Sightings: what probes saw of nodes, stored many at a time: one transaction, and only what has changed."""

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from flask import current_app
from sqlalchemy import Row, Table, bindparam, insert, or_, select, update

from app.db import unit_of_work, utcnow
from app.errors import (
    ACT_FAILURES,
    AuthFailed,
    BareboatError,
    HostKeyError,
    HostKeyMismatch,
    HostKeyUnpinned,
    KeyMissing,
    NodeError,
)
from app.models import Node, NodeStatus, Probe
from app.models.job import QUARANTINES
from app.services.changes_told import note_node, standing_of
from app.services.events import SYSTEM, event
from app.services.rebuilds import take_offered
from app.services.runtime import runtime
from app.services.targets import find_target
from app.ssh.target import Target

logger = logging.getLogger(__name__)

DEFINITE: Final = (HostKeyError, AuthFailed, HostKeyUnpinned, KeyMissing)  # no second look needed, none made soon


_STEADY: Final = (
    update(cast(Table, Node.__table__))
    .where(Node.id == bindparam("node"))
    .values(last_seen_at=bindparam("seen_at"), latency_ms=bindparam("latency"), next_probe_at=bindparam("next"))
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one probe saw. `error` is why the node counts as missed; `facts` None: it was not asked for them.

    `reason` may also be a defect of a node online, and then goes with `facts`.
    """

    started_at: datetime
    latency_ms: float | None = None
    facts: dict[str, Any] | None = None
    reason: str | None = None
    error: BareboatError | None = None


def missed(started_at: datetime, error: BareboatError) -> Sighting:
    return Sighting(started_at, reason=_reason(error), error=error)


def store(seen: Mapping[int, Sighting]) -> set[int]:
    """By node id. A node that was there and is there costs a row in two bulk statements; a node deleted meanwhile is
    passed over. Answers the nodes that were refused for a host key that is pinned now: ask those anew."""
    renewed: dict[int, Target | None] = {}
    columns = (Node.id, Node.status, Node.status_reason, Node.failures)
    held = select(*columns).where(Node.id.in_(seen)).order_by(Node.id).with_for_update(key_share=True)
    with unit_of_work() as session:
        known = session.execute(held).all()  # in one order, so that of two who store neither waits for the other
        _keep_steady(session, {row.id: seen[row.id] for row in known if _is_steady(row, seen[row.id])})
        for row in known:
            if not _is_steady(row, seen[row.id]):
                node = session.get_one(Node, row.id)
                before = find_target(node) if isinstance(seen[row.id].error, HostKeyMismatch) else None
                if _follow(session, node, seen[row.id]):
                    renewed[row.id] = before
        probes = [_history(row, seen[row.id]) for row in known]
        if probes:
            session.execute(insert(Probe), probes)
    for target in filter(None, renewed.values()):
        runtime().nodes.forget(target)
    return set(renewed)


def note_alive(node_id: int) -> None:
    """A job has just been done there: as good as a probe for a node that is ONLINE; others are probed at once, but for
    those that refuse us: there it was done over a connection from before."""
    is_steady = (Node.status == NodeStatus.ONLINE) & (Node.failures == 0)
    alive = update(Node).where(Node.id == node_id, is_steady).values(last_seen_at=utcnow(), next_probe_at=_next())
    with unit_of_work() as session:
        if not session.execute(alive).rowcount:
            is_open = or_(Node.status_reason.is_(None), Node.status_reason.not_in(QUARANTINES))
            session.execute(update(Node).where(Node.id == node_id, is_open).values(next_probe_at=None))


def _is_steady(row: Row[Any], seen: Sighting) -> bool:
    is_as_before = row.status is NodeStatus.ONLINE and row.failures == 0
    return is_as_before and seen.error is None and seen.facts is None


def _keep_steady(session: Any, seen: Mapping[int, Sighting]) -> None:
    if not seen:
        return
    now = utcnow()
    values = [
        {"node": node_id, "seen_at": now, "latency": each.latency_ms, "next": _next()} for node_id, each in seen.items()
    ]
    session.connection().execute(_STEADY, values)


def _follow(session: Any, node: Node, seen: Sighting) -> bool:
    """Whether the key that the node was refused for is pinned now."""
    before, stood, error = node.status, standing_of(node), seen.error
    mismatch = _own_mismatch(error, node)
    is_renewed = mismatch is not None and take_offered(session, node, mismatch)
    if is_renewed:
        node.next_probe_at = None
    elif error is None:
        _note_success(node, seen)
    else:
        _note_miss(node, error, seen.reason)
    if node.status != before:
        node.status_since = utcnow()
        logger.info("node %s is %s %s", node.id, node.status.value, node.status_reason or "")
        session.add(event(SYSTEM, "node.status", f"node {node.name}", node.status.value, node.status_reason))
    if standing_of(node) != stood:
        note_node(session, node)
    return is_renewed


def _history(row: Row[Any], seen: Sighting) -> dict[str, Any]:
    """The probe's row. What facts were not asked for is as it was."""
    is_as_before = seen.error is None and seen.facts is None and row.status is NodeStatus.ONLINE
    return {
        "node_id": row.id,
        "started_at": seen.started_at,
        "ok": seen.error is None,
        "status_reason": row.status_reason if is_as_before else seen.reason,
        "detail": seen.error.message[:1024] if seen.error else None,
        "latency_ms": seen.latency_ms,
    }


def _note_success(node: Node, seen: Sighting) -> None:
    node.last_seen_at, node.latency_ms, node.failures = utcnow(), seen.latency_ms, 0
    node.next_probe_at = _next()
    if seen.facts is not None:
        node.facts = seen.facts
        node.status_reason, node.status_detail = seen.reason, _defect(node, seen.reason)
    elif node.status is not NodeStatus.ONLINE:
        node.status_reason = node.status_detail = None
    node.status = NodeStatus.ONLINE


def _defect(node: Node, reason: str | None) -> str | None:
    """What keeps projects from being worked on there, and where, as a sentence."""
    if reason is None or reason == "git_missing":
        return ACT_FAILURES.get(reason or "")
    return f"{node.projects_root}: {ACT_FAILURES[reason]}"


def _note_miss(node: Node, error: BareboatError, reason: str | None) -> None:
    """A node that was online is given a second chance, unless the answer was definite."""
    node.failures += 1
    is_definite = isinstance(error, DEFINITE)
    if is_definite or node.status is not NodeStatus.ONLINE or node.failures >= _misses_allowed():
        node.status, node.status_reason, node.status_detail = NodeStatus.OFFLINE, reason, error.message[:1024]
    if (mismatch := _own_mismatch(error, node)) is not None:
        node.offered_host_keys, node.offered_at = [mismatch.offered], utcnow()
    node.next_probe_at = _later(_back_off(node.failures, is_definite))


def _own_mismatch(error: BareboatError | None, node: Node) -> HostKeyMismatch | None:
    """None also when a jump host on the way shows a wrong key: that says nothing about the node's own."""
    if not isinstance(error, HostKeyMismatch) or not error.offered:
        return None
    is_of_a_hop = node.jump_node_id is not None and not error.who.startswith(f"{node.name} (")
    return None if is_of_a_hop else error


def _misses_allowed() -> int:
    return int(current_app.config["PROBE_FAILURES_BEFORE_OFFLINE"])


def _back_off(failures: int, is_definite: bool) -> float:
    """Seconds: doubling from the interval; a refused login or wrong key at the slowest rate (fail2ban exists)."""
    slowest = float(current_app.config["PROBE_MAX_BACKOFF_SECONDS"])
    if is_definite:
        return slowest
    beyond = max(0, failures - _misses_allowed() + 1)
    return min(slowest, float(current_app.config["PROBE_INTERVAL_SECONDS"]) * 2 ** min(beyond, 16))


def _next() -> datetime:
    return _later(current_app.config["PROBE_INTERVAL_SECONDS"])


def _later(seconds: float) -> datetime:
    """Spread by a tenth, so that nodes do not march in step."""
    return utcnow() + timedelta(seconds=seconds * random.uniform(0.9, 1.1))  # noqa: S311 - spreading load, no secret


def _reason(error: BareboatError) -> str:
    """A `status_reason` of the contract."""
    words = {"key_missing": "auth_failed", "connection_lost": "timeout"}
    return (
        words.get(error.code, error.code)
        if isinstance(error, NodeError | HostKeyUnpinned | KeyMissing)
        else "protocol_error"
    )
