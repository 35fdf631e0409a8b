"""Probes: a node looked at now, and the history of what was seen. Who is looked at when is in `liveness`."""

from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import Select, delete, or_, select, update

from app.db import db, unit_of_work, utcnow
from app.errors import NodeError
from app.models import Node, Probe
from app.services import sightings
from app.services.looks import look
from app.services.nodes import get_node
from app.services.paging import Page, paginate


def list_probes(node_id: int, page: int, page_size: int) -> Page[Probe]:
    get_node(node_id)
    return paginate(_of(node_id), page, page_size)


def probe_node(node_id: int) -> Probe:
    """Probe now, with facts, whatever the schedule says; the node's status follows."""
    _hold(node_id)
    if sightings.store({node_id: look(node_id)}):
        sightings.store({node_id: look(node_id)})  # the new key that was expected is pinned: now it is verified
    get_node(node_id)
    probe: Probe = db.session.scalars(_of(node_id).limit(1)).one()
    return probe


def note_refusal(node_id: int, error: NodeError) -> bool:
    """A job did not get through the node's door: that counts as a probe. True: the host key for which it was refused is
    pinned now, and the job has left its runner to be taken up anew."""
    return node_id in sightings.store({node_id: sightings.missed(utcnow(), error)})


def note_success(node_id: int) -> None:
    """A job was done there: that counts as a probe, too."""
    sightings.note_alive(node_id)


def forget_old_probes() -> None:
    oldest = utcnow() - timedelta(days=current_app.config["PROBE_HISTORY_DAYS"])
    with unit_of_work() as session:
        session.execute(delete(Probe).where(Probe.started_at < oldest))


def _hold(node_id: int) -> None:
    """The schedule does not look at the same node meanwhile: one question, one answer in the history."""
    until = utcnow() + timedelta(seconds=3 * current_app.config["PROBE_TIMEOUT_SECONDS"])
    is_due_before = or_(Node.next_probe_at.is_(None), Node.next_probe_at < until)
    with unit_of_work() as session:
        session.execute(update(Node).where(Node.id == node_id, is_due_before).values(next_probe_at=until))


def _of(node_id: int) -> Select[Any]:
    return select(Probe).where(Probe.node_id == node_id).order_by(Probe.id.desc())
