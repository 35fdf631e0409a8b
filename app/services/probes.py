"""Probes: who is there, how fast, with what facts. Each node is probed by itself, so a hung one delays nobody."""

import logging
import random
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from flask import Flask, current_app
from sqlalchemy import delete, or_, select, update

from app.commands.probe import Facts
from app.db import db, release, unit_of_work, utcnow
from app.errors import (
    AuthFailed,
    BareboatError,
    HostKeyError,
    HostKeyMismatch,
    HostKeyUnpinned,
    KeyMissing,
    NodeError,
    ShuttingDown,
)
from app.models import Node, NodeStatus, Probe
from app.services.events import SYSTEM, event
from app.services.nodes import get_node
from app.services.paging import Page, paginate
from app.services.runtime import runtime
from app.services.targets import build_worker_client
from app.services.worker_client import WorkerClient

logger = logging.getLogger(__name__)

NODES_PER_TICK: Final = 500
DEFINITE: Final = (HostKeyError, AuthFailed, HostKeyUnpinned, KeyMissing)  # no second look needed, none made soon


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one probe saw. `error` is why the node counts as missed; `reason` may also be a defect of a node online."""

    started_at: datetime
    latency_ms: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    error: BareboatError | None = None


def list_probes(node_id: int, page: int, page_size: int) -> Page[Probe]:
    get_node(node_id)
    return paginate(select(Probe).where(Probe.node_id == node_id).order_by(Probe.id.desc()), page, page_size)


def probe_node(node_id: int) -> Probe:
    """Probe now, whatever the schedule says; the node's status follows."""
    started_at = utcnow()
    node = get_node(node_id)
    try:
        client = build_worker_client(node, is_probe=True)
    except (HostKeyUnpinned, KeyMissing) as error:
        return _store(node_id, Sighting(started_at, reason=_reason(error), error=error))
    release()
    return _store(node_id, _look(client, started_at))


def probe_due_nodes() -> None:
    """One tick: claim the nodes whose time has come and probe them side by side, without waiting for any."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    for node_id in _claim_due():
        runtime().probers.submit(_probe_in_thread, app, node_id)


def note_refusal(node_id: int, error: NodeError) -> None:
    """A job was refused at the node's door: that counts as a probe."""
    _store(node_id, Sighting(utcnow(), reason=_reason(error), error=error))


def forget_old_probes() -> None:
    oldest = utcnow() - timedelta(days=current_app.config["PROBE_HISTORY_DAYS"])
    with unit_of_work() as session:
        session.execute(delete(Probe).where(Probe.started_at < oldest))


def _probe_in_thread(app: Flask, node_id: int) -> None:
    with app.app_context():
        try:
            probe_node(node_id)
        except ShuttingDown:
            logger.info("probe of node %s given up: we stop", node_id)
        except Exception:
            logger.exception("probe of node %s failed by a fault of ours", node_id)


def _claim_due() -> list[int]:
    """Guarded per node: of two schedulers only one gets it. The claim outlasts the probe's own limits."""
    now = utcnow()
    hold = current_app.config["PROBE_INTERVAL_SECONDS"] + 3 * current_app.config["PROBE_TIMEOUT_SECONDS"]
    is_due = (Node.cordoned.is_(False)) & or_(Node.next_probe_at.is_(None), Node.next_probe_at <= now)
    due = db.session.scalars(select(Node.id).where(is_due).order_by(Node.next_probe_at).limit(NODES_PER_TICK)).all()
    release()
    if not due:
        return []
    claim = update(Node).where(Node.id.in_(due), is_due).values(next_probe_at=now + timedelta(seconds=hold))
    with unit_of_work() as session:
        return list(session.scalars(claim.returning(Node.id)))


def _look(client: WorkerClient, started_at: datetime) -> Sighting:
    try:
        latency, facts = client.probe()
    except ShuttingDown:
        raise
    except NodeError as error:
        return Sighting(started_at, reason=_reason(error), error=error)
    reason = facts.problems[0] if facts.problems else None
    return Sighting(started_at, latency_ms=round(latency * 1000, 2), facts=_as_stored(facts), reason=reason)


def _as_stored(facts: Facts) -> dict[str, Any]:
    """What the node said, by name, and how far its clock is from ours."""
    said = {name: value for name, value in asdict(facts).items() if value is not None}
    if (clock := said.pop("clock", None)) is not None:
        said["clock_skew_seconds"] = round(clock - time.time())
    return said


def _store(node_id: int, seen: Sighting) -> Probe:
    """The probe's row and the node's new status, in one transaction."""
    probe = Probe(
        node_id=node_id,
        started_at=seen.started_at,
        ok=seen.error is None,
        status_reason=seen.reason,
        detail=seen.error.message if seen.error else None,
        latency_ms=seen.latency_ms,
    )
    with unit_of_work() as session:
        node = session.get_one(Node, node_id)
        before = node.status
        if seen.error is None:
            _note_success(node, seen)
        else:
            _note_miss(node, seen.error, seen.reason)
        if node.status != before:
            node.status_since = utcnow()
            logger.info("node %s is %s %s", node.id, node.status.value, node.status_reason or "")
            session.add(event(SYSTEM, "node.status", f"node {node.name}", node.status.value, node.status_reason))
        session.add(probe)
    return probe


def _note_success(node: Node, seen: Sighting) -> None:
    node.status, node.status_reason, node.status_detail = NodeStatus.ONLINE, seen.reason, None
    node.last_seen_at, node.latency_ms, node.failures = utcnow(), seen.latency_ms, 0
    node.facts = seen.facts
    node.next_probe_at = _later(current_app.config["PROBE_INTERVAL_SECONDS"])


def _note_miss(node: Node, error: BareboatError, reason: str | None) -> None:
    """A node that was online is given a second chance, unless the answer was definite."""
    node.failures += 1
    is_definite = isinstance(error, DEFINITE)
    if is_definite or node.status is not NodeStatus.ONLINE or node.failures >= _misses_allowed():
        node.status, node.status_reason, node.status_detail = NodeStatus.OFFLINE, reason, error.message[:1024]
    if isinstance(error, HostKeyMismatch) and error.offered:
        node.offered_host_keys, node.offered_at = [error.offered], utcnow()
    node.next_probe_at = _later(_back_off(node.failures, is_definite))


def _misses_allowed() -> int:
    return int(current_app.config["PROBE_FAILURES_BEFORE_OFFLINE"])


def _back_off(failures: int, is_definite: bool) -> float:
    """Seconds: doubling from the interval; a refused login or wrong key at the slowest rate (fail2ban exists)."""
    slowest = float(current_app.config["PROBE_MAX_BACKOFF_SECONDS"])
    if is_definite:
        return slowest
    missed = max(0, failures - _misses_allowed() + 1)
    return min(slowest, float(current_app.config["PROBE_INTERVAL_SECONDS"]) * 2 ** min(missed, 16))


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
