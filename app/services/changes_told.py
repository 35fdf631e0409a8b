"""Of what alerts tell: nodes that come and go, jobs that fail and recover, schedules that do."""

import hashlib
import json
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from app.db import db
from app.jobs.registry import JobKind
from app.models import Job, JobState, Node, NodeStatus, Schedule, ScheduledRun
from app.redaction import printable
from app.services import alerts
from app.services.alerts import Change

_BAD = frozenset({JobState.FAILED, JobState.TIMED_OUT})


def watched(*kinds: JobKind) -> list[JobKind]:
    """The same kinds; the end of each job of theirs is noted in the transaction that ends it."""
    return [_watched(kind) for kind in kinds]


def standing_of(node: Node) -> str | None:
    """What is told of a node: `online`, `offline`, `quarantined` (it shows another host key); None: nothing yet."""
    if node.status is NodeStatus.UNKNOWN:
        return None
    if node.status is NodeStatus.ONLINE:
        return "online"
    return "quarantined" if node.status_reason == "host_key_mismatch" else "offline"


def note_node(session: Any, node: Node) -> None:
    """Within the caller's transaction."""
    standing = standing_of(node)
    if standing is None:
        return
    why = _line(node.status_detail) or node.status_reason or "it did not answer"
    text = f"Node {node.name} is online again." if standing == "online" else f"Node {node.name} is {standing}: {why}"
    data = {"node_id": node.id, "node": node.name, "status": node.status.value, "status_reason": node.status_reason}
    event = f"node.{standing}"
    alerts.note(
        session, Change(f"node:{node.id}", standing, standing == "online", event, f"node {node.name}", text, data)
    )


def note_job(session: Any, job: Job) -> None:
    """Within the transaction that ends it. What a schedule has asked for is the schedule's; a cancel tells nothing."""
    if job.state is not JobState.SUCCEEDED and job.state not in _BAD:
        return
    is_good = job.state is JobState.SUCCEEDED
    run = session.scalar(select(ScheduledRun).where(ScheduledRun.job_id == job.id))
    if run is not None:
        note_schedule(session, run.schedule, None if is_good else (job.error_code, job.error_message), job.id)
        return
    what = f"{job.kind} of {_subject(job)}"
    text = f"{what} works again (job {job.id})." if is_good else f"{what} failed (job {job.id}): {_said(job)}"
    event = "job.recovered" if is_good else "job.failed"
    state = "ok" if is_good else "failed"
    alerts.note(session, Change(_key(job), state, is_good, event, _subject(job), text, _data_of(job)))


def note_schedule(
    session: Any, schedule: Schedule, failure: tuple[str | None, str | None] | None, job_id: int | None = None
) -> None:
    """Within the caller's transaction. `failure`: code and message of a job that failed, or of a refusal."""
    code, message = failure or (None, None)
    name, project = schedule.name, schedule.project.name
    data = {"schedule_id": schedule.id, "schedule": name, "project": project, "job_id": job_id}
    if failure is None:
        change = ("ok", True, "schedule.recovered", f"Schedule {name} of project {project} works again.")
    else:
        why = _line(message) or code or "see its page"
        change = ("failing", False, "schedule.failing", f"Schedule {name} of project {project} is failing: {why}")
        data["error"] = {"code": code, "message": _line(message)}
    state, is_good, event, text = change
    key = f"schedule:{schedule.id}"
    alerts.note(session, Change(key, state, is_good, event, f"schedule {name}", text, data))


def _watched(kind: JobKind) -> JobKind:
    def on_ended(job: Job) -> None:
        note_job(db.session, job)
        kind.on_ended(job)

    return replace(kind, on_ended=on_ended)


def _key(job: Job) -> str:
    """Commands are told apart by their words: one that works does not mend another."""
    whose = f"project:{job.project_id}" if job.project_id else f"node:{job.node_id}"
    words = json.dumps(job.params.get("argv") or job.params.get("playbook") or "", sort_keys=True)
    return f"job:{whose}:{job.kind}:{hashlib.sha256(words.encode()).hexdigest()[:16]}"


def _data_of(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "kind": job.kind,
        "project_id": job.project_id,
        "project": job.project_name,
        "node": job.node_name,
        "state": job.state.value,
        "requested_by": job.requested_by,
        "error": {"code": job.error_code, "message": _line(job.error_message)} if job.error_code else None,
    }


def _subject(job: Job) -> str:
    on_node = f"node {job.node_name}"
    return f"project {job.project_name} on {on_node}" if job.project_name else on_node


def _said(job: Job) -> str:
    return _line(job.error_message) or job.error_code or "see its log"


def _line(message: str | None) -> str:
    """The first line is ours; what follows are a node's own words, which stay here."""
    return printable((message or "").partition("\n")[0])[:1000]
