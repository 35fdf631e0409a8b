"""What the scheduler ticks beside probes: clearing away what is too old, here and on the nodes."""

import logging
import re
from datetime import timedelta
from typing import Final

from flask import current_app
from sqlalchemy import delete, select

from app.commands.durable import Orphan
from app.db import db, refresh_statistics, release, unit_of_work, utcnow
from app.errors import BareboatError
from app.models import CHANGING_STATES, Job, Node, NodeStatus
from app.services import runs, schedule_runs
from app.services.alerts import forget_old as forget_old_alerts
from app.services.audit import forget_old_events
from app.services.hook_deliveries import forget_seen
from app.services.probes import forget_old_probes
from app.services.sessions import forget_ended
from app.services.steps_client import StepsClient, build_steps_client

logger = logging.getLogger(__name__)

_KEY: Final = re.compile(r"job-([0-9]{1,18})-[0-9]+-[0-9a-f]{8}")


def clear_history() -> None:
    """Probes, finished jobs (with their logs), runs, due times of schedules: what the settings keep no longer."""
    forget_old_probes()
    schedule_runs.forget_old_runs()
    runs.forget_old_runs()
    forget_old_events()
    forget_seen()
    forget_ended()
    forget_old_alerts()
    oldest = utcnow() - timedelta(days=current_app.config["JOB_HISTORY_DAYS"])
    with unit_of_work() as session:
        session.execute(delete(Job).where(Job.finished_at < oldest, Job.state.not_in(CHANGING_STATES)))
    refresh_statistics()


def clear_nodes() -> None:
    """Folders that processes of our ended jobs have left on nodes; those of other installations are not touched."""
    online = db.session.scalars(select(Node.id).where(Node.status == NodeStatus.ONLINE)).all()
    release()
    for node_id in online:
        try:
            _clear_node(node_id)
        except BareboatError as error:
            logger.warning("node %s was not cleared: %s", node_id, error.message)


def _clear_node(node_id: int) -> None:
    """In the projects root, and in the account's home, where playbooks on nodes run; one may be there without the
    other."""
    node = db.session.get(Node, node_id)
    if node is None:
        return
    client, errors = build_steps_client(node), []
    release()
    for place in (lambda: client, lambda: client.at(client.home())):
        try:
            _clear_place(place())
        except BareboatError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _clear_place(client: StepsClient) -> None:
    for orphan in client.list_processes():
        if _is_over(orphan):
            if orphan.state == "running":
                client.stop(orphan.key)
            client.collect(orphan.key)


def _is_over(orphan: Orphan) -> bool:
    """Ours, and not what its job is doing now."""
    named = _KEY.fullmatch(orphan.key)
    job = db.session.get(Job, int(named[1])) if named else None
    is_ours = job is not None and orphan.key.endswith(job.uid[:8])
    is_over = is_ours and job is not None and (job.is_finished or job.process_key != orphan.key)
    release()
    return is_over
