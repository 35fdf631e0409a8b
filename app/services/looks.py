"""Looks: probes that may have to connect, in a few threads; what they and others have seen is stored together.

Who does not answer within QUICK_SECONDS is looked at once more with all of PROBE_TIMEOUT_SECONDS, in threads that do
nothing but wait for such nodes: the dead never hold up the rest.
"""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from queue import SimpleQueue
from threading import Lock
from typing import Any, Final

from flask import Flask, current_app

from app.commands.probe import CHANGING, Facts
from app.db import release, utcnow
from app.errors import BareboatError, ConnectTimeout, NodeError, ShuttingDown
from app.models import Node, NodeStatus
from app.models.job import QUARANTINES
from app.services import sightings
from app.services.nodes import get_node
from app.services.runtime import this_app
from app.services.sightings import Sighting
from app.services.targets import build_worker_client

logger = logging.getLogger(__name__)

QUICK_SECONDS: Final = 3.0
PATIENT_THREADS: Final = 4  # for each of PROBE_THREADS; they wait, and cost no CPU


def look(
    node_id: int, seconds: float | None = None, *, is_fresh: bool = False, only_changing: bool = False
) -> Sighting:
    """Round trip and facts, now, connecting where needed; every step within `seconds`, or PROBE_TIMEOUT_SECONDS.
    A node that refused us, or showed another key, is asked over a new connection: one from before proves nothing.
    `only_changing` asks a node that was well, and is connected, for the facts that change, and keeps the others. Raises
    NotFound, ShuttingDown."""
    started_at = utcnow()
    node = get_node(node_id)
    limit = seconds or float(current_app.config["PROBE_TIMEOUT_SECONDS"])
    try:
        client = build_worker_client(node, probe_seconds=limit)
        is_fresh = is_fresh or node.status_reason in QUARANTINES
        is_mark_expected = node.root_marked_at is not None
        lasting = _lasting(node) if only_changing and client.is_connected else {}
        release()
        latency, facts = client.probe(is_fresh=is_fresh, only_changing=bool(lasting))
    except ShuttingDown:
        raise
    except BareboatError as error:
        return sightings.missed(started_at, error)
    reason = _problem(facts, is_mark_expected)
    return Sighting(started_at, latency_ms=round(latency * 1000, 2), facts=lasting | _as_stored(facts), reason=reason)


class Lookers:
    """Threads that look at nodes, each node by one at a time, and the desk where sightings are handed in."""

    def __init__(self, threads: int) -> None:
        self._quick = ThreadPoolExecutor(threads, thread_name_prefix="probe")
        self._patient = ThreadPoolExecutor(threads * PATIENT_THREADS, thread_name_prefix="patient-probe")
        self._seen: SimpleQueue[tuple[int, Sighting]] = SimpleQueue()
        self._writing = Lock()
        self._busy: set[int] = set()

    @property
    def busy(self) -> frozenset[int]:
        return frozenset(self._busy)

    def send(self, node_id: int, *, is_fresh: bool = False, is_quick: bool = True) -> None:
        """Look at it soon. After `close`, nothing happens."""
        app = this_app()
        self._busy.add(node_id)
        threads = self._quick if is_quick else self._patient
        try:
            threads.submit(self._work, app, node_id, is_quick, is_fresh)
        except RuntimeError:  # "cannot schedule new futures after shutdown"
            self._busy.discard(node_id)

    def report(self, node_id: int, seen: Sighting) -> None:
        """Kept for the next `write`."""
        self._seen.put((node_id, seen))

    def write(self) -> None:
        """Store what was reported. Of many threads here, one stores it for those who wait."""
        with self._writing:
            batch: dict[int, Sighting] = {}
            while not self._seen.empty():
                node_id, seen = self._seen.get()
                batch[node_id] = seen
            if batch:
                sightings.store(batch)

    def close(self, *, wait: bool) -> None:
        """Looks that wait for a thread are given up; `wait` until those under way have come to their end."""
        for threads in (self._quick, self._patient):
            threads.shutdown(wait=wait, cancel_futures=True)

    def _work(self, app: Flask, node_id: int, is_quick: bool, is_fresh: bool) -> None:
        with app.app_context():
            try:
                if self._looked(node_id, is_quick, is_fresh):
                    self.write()
                    self._busy.discard(node_id)
                else:
                    self.send(node_id, is_fresh=is_fresh, is_quick=False)
            except ShuttingDown:
                logger.info("probe of node %s given up: we stop", node_id)
            except Exception:
                self._busy.discard(node_id)
                logger.exception("probe of node %s failed by a fault of ours", node_id)

    def _looked(self, node_id: int, is_quick: bool, is_fresh: bool) -> bool:
        """False: too slow for a quick look, which says nothing yet."""
        patience = float(current_app.config["PROBE_TIMEOUT_SECONDS"])
        started = time.monotonic()
        seconds = min(QUICK_SECONDS, patience) if is_quick else None
        seen = look(node_id, seconds, is_fresh=is_fresh, only_changing=not is_fresh)
        took = time.monotonic() - started
        if is_quick and patience > QUICK_SECONDS and _is_slow(seen.error, took):
            return False
        self.report(node_id, seen)
        return True


def _is_slow(error: BareboatError | None, took: float) -> bool:
    return (
        isinstance(error, NodeError)
        and error.retryable
        and (took >= QUICK_SECONDS * 0.9 or isinstance(error, ConnectTimeout))
    )


def _problem(facts: Facts, is_mark_expected: bool) -> str | None:
    """The first that keeps projects from being worked on there."""
    if facts.problems:
        return facts.problems[0]
    return "root_unmarked" if is_mark_expected and not facts.is_root_marked else None


def _lasting(node: Node) -> dict[str, Any]:
    """What is known of a node that is well and need not be asked again. Empty: ask for all."""
    if node.status is not NodeStatus.ONLINE or node.status_reason is not None:
        return {}
    return {name: value for name, value in (node.facts or {}).items() if name not in CHANGING}


def _as_stored(facts: Facts) -> dict[str, Any]:
    """What the node said, by name, and how far its clock is from ours."""
    said = {name: value for name, value in asdict(facts).items() if value is not None and name != "is_root_marked"}
    if (clock := said.pop("clock", None)) is not None:
        said["clock_skew_seconds"] = round(clock - time.time())
    return said
