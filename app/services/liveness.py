"""Liveness: one tick claims the nodes whose time has come and asks for the least that each needs.

A node with a warm connection gets a keepalive; nobody waits for its answer, so thousands cost no thread. A look (see
`looks`) goes to nodes without a connection, to those whose facts are due or whose connection is old, and to those that
did not answer. What is due is in the database; when a node's facts were seen, and who is being asked, only here.
"""

import logging
import random
import time
from collections.abc import Mapping, Set
from datetime import datetime, timedelta
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Final

from flask import current_app
from sqlalchemy import func, or_, select, update

from app.db import db, release, unit_of_work, utcnow
from app.models import Node
from app.services import sightings
from app.services.looks import Lookers
from app.services.runtime import runtime
from app.services.sightings import Sighting
from app.services.targets import Watched, watched_nodes
from app.ssh.descriptors import descriptors_for, raise_limit
from app.ssh.target import Target
from app.ssh.watch import Heard

logger = logging.getLogger(__name__)

NODES_PER_TICK: Final = 5_000
BEATS_AT_ONCE: Final = 64  # more at once would only wait in our own process, and be measured with that
GATHER_SECONDS: Final = 0.02


class Sweep:
    """What this process knows of the nodes that it watches. `tick` is for one thread at a time."""

    def __init__(self, threads: int) -> None:
        self.lookers = Lookers(threads)
        self._heard: Heard = SimpleQueue()
        self._asked: dict[int, tuple[datetime, float]] = {}  # when, and until when by the monotonic clock
        self._facts_due: dict[int, float] = {}

    def tick(self) -> None:
        """Ask all that are due and store what was heard. Takes as long as nodes take that are well."""
        silent = self._gather_late()
        busy = self.lookers.busy
        watched, refused = watched_nodes(_claim_due() - busy - self._asked.keys())
        release()
        for node_id, error in refused.items():
            self.lookers.report(node_id, sightings.missed(utcnow(), error))
        warm, old = self._sorted(watched)
        ended = self._ask(warm)
        self.lookers.write()
        for node_id in (watched.keys() - warm.keys()) | ended:
            self._look(node_id, is_fresh=node_id in old)
        for node_id in silent - busy:
            self._look(node_id, is_fresh=True)

    def close(self, *, wait: bool = False) -> None:
        """Close what speaks to nodes too, or those that are silent are waited for."""
        self.lookers.close(wait=wait)

    def _look(self, node_id: int, *, is_fresh: bool) -> None:
        interval = float(current_app.config["FACTS_INTERVAL_SECONDS"])
        self._facts_due[node_id] = time.monotonic() + interval * random.uniform(0.8, 1.0)  # noqa: S311 - spreads load
        self.lookers.send(node_id, is_fresh=is_fresh)

    def _sorted(self, watched: Mapping[int, Watched]) -> tuple[dict[int, Target], set[int]]:
        """Those for whom a keepalive is enough, and those whose connection is old."""
        now = time.monotonic()
        old = {node_id for node_id, node in watched.items() if _is_old(node_id, node.target)}
        warm = {
            node_id: node.target
            for node_id, node in watched.items()
            if node.is_steady and node_id not in old and self._facts_due.get(node_id, 0.0) > now
        }
        return warm, old

    def _ask(self, warm: Mapping[int, Target]) -> set[int]:
        """Returns who could not be asked, or hung up. Answers that come within moments are taken at once."""
        lost: set[int] = set()
        rest = iter(warm.items())
        patience = float(current_app.config["PROBE_TIMEOUT_SECONDS"])
        while part := dict(islice(rest, BEATS_AT_ONCE)):
            self._asked.update(dict.fromkeys(part, (utcnow(), time.monotonic() + patience)))
            cold = runtime().nodes.beat(part, self._heard)
            for node_id in cold:
                del self._asked[node_id]
            lost |= cold | self._gather(part.keys() - cold)
        return lost

    def _gather(self, waiting: Set[int]) -> set[int]:
        """Take answers until these have answered or a moment has passed. Returns who hung up."""
        end = time.monotonic() + GATHER_SECONDS
        left, ended = set(waiting), set[int]()
        while left:
            try:
                node_id, seconds = self._heard.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                break
            left.discard(node_id)
            ended |= self._take(node_id, seconds)
        return ended

    def _gather_late(self) -> set[int]:
        """Take the answers that came after their tick. Returns who was silent for too long, or hung up."""
        silent: set[int] = set()
        while not self._heard.empty():
            silent |= self._take(*self._heard.get())
        now = time.monotonic()
        late = {node_id for node_id, (_, until) in self._asked.items() if until < now}
        for node_id in late:
            del self._asked[node_id]
        return silent | late

    def _take(self, node_id: int, seconds: float | None) -> set[int]:
        asked = self._asked.pop(node_id, None)
        if asked is None:
            return set()  # given up before
        if seconds is None:
            return {node_id}
        self.lookers.report(node_id, Sighting(asked[0], latency_ms=round(seconds * 1000, 2)))
        return set()


def probe_due_nodes() -> None:
    """One tick of this process's sweep."""
    runtime().sweep.tick()


def announce_limit() -> None:
    """Raise the limit of open files as far as we may, and say for how many nodes it is enough."""
    enough = raise_limit()
    enrolled = db.session.scalar(select(func.count()).select_from(Node)) or 0
    release()
    if enrolled > enough:
        logger.error(
            "open files are limited (ulimit -n) to what %s nodes need, and %s are enrolled: raise the hard limit to %s "
            "(LimitNOFILE= in systemd), or connections will fail",
            enough,
            enrolled,
            descriptors_for(enrolled),
        )
    else:
        logger.info("open files (ulimit -n) are enough for %s nodes; %s are enrolled", enough, enrolled)


def _is_old(node_id: int, target: Target) -> bool:
    """By node, spread by a third, since many nodes are connected to at the same time."""
    age = runtime().nodes.age(target)
    spread = random.Random(node_id).uniform(0.67, 1.0)  # noqa: S311 - spreads load, guards nothing
    return age is not None and age > spread * float(current_app.config["FRESH_CONNECTION_SECONDS"])


def _claim_due() -> set[int]:
    """Guarded per node: of two schedulers only one gets it. The claim outlasts the probe's own limits. A row that
    somebody is changing is left for the next tick."""
    now = utcnow()
    hold = current_app.config["PROBE_INTERVAL_SECONDS"] + 3 * current_app.config["PROBE_TIMEOUT_SECONDS"]
    is_due = (Node.cordoned.is_(False)) & or_(Node.next_probe_at.is_(None), Node.next_probe_at <= now)
    due = db.session.scalars(select(Node.id).where(is_due).order_by(Node.next_probe_at).limit(NODES_PER_TICK)).all()
    release()
    if not due:
        return set()
    free = select(Node.id).where(Node.id.in_(due), is_due).with_for_update(key_share=True, skip_locked=True)
    claim = update(Node).where(Node.id.in_(free)).values(next_probe_at=now + timedelta(seconds=hold))
    with unit_of_work() as session:
        return set(session.scalars(claim.returning(Node.id), execution_options={"synchronize_session": False}))
