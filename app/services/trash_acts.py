"""What jobs do to the trash of nodes, and the rows that follow them."""

from flask import current_app

from app.commands.paths import ProjectName
from app.db import db, release
from app.errors import ActFailed
from app.jobs.context import JobContext
from app.jobs.registry import JobKind
from app.models import Job, JobState, Project, ProjectStatus, TrashEntry
from app.services.nodes import get_node
from app.services.project_acts import UNTOLD, clean_up, noting_refusals
from app.services.projects import get_project
from app.services.targets import build_worker_client


def perform_restore(context: JobContext) -> None:
    project = get_project(context.order.project_id or 0)
    client, name = build_worker_client(project.node), ProjectName(project.name)
    release()
    key = context.order.params["key"]
    try:
        client.restore_project(name, key, context)
    except ActFailed as error:
        if error.code not in UNTOLD or client.find_folder(name, key) != "place":
            raise
        context.say(f"It had moved the folder before it ended ({error.code}).")
    context.say(f"{name} is back in its place, as it was.")


def perform_purge(context: JobContext) -> None:
    client = build_worker_client(get_node(context.order.node_id or 0), current_app.config["JOB_TIMEOUT_SECONDS"])
    release()
    client.purge_trash(context.order.params["key"], context)
    context.say("Removed from the node's trash.")


def _settle_restore(job: Job) -> None:
    """A project as before; or none, and what was deleted stays in the trash."""
    project = db.session.get(Project, job.project_id) if job.project_id is not None else None
    entry = db.session.get(TrashEntry, job.params["trash_id"])
    if project is None:
        return
    if job.state is not JobState.SUCCEEDED or entry is None:
        db.session.delete(project)
        return
    project.status = ProjectStatus.ACTIVE
    project.cloned_at, project.last_synced_at = entry.cloned_at, entry.last_synced_at
    db.session.delete(entry)


def _settle_purge(job: Job) -> None:
    entry = db.session.get(TrashEntry, job.params["trash_id"])
    if entry is not None and job.state is JobState.SUCCEEDED:
        db.session.delete(entry)


def _syncing(job: Job) -> None:
    project = db.session.get(Project, job.project_id) if job.project_id is not None else None
    if project is not None:
        project.status = ProjectStatus.SYNCING


KINDS = (
    JobKind(
        "project.restore",
        noting_refusals(perform_restore),
        on_started=_syncing,
        on_ended=_settle_restore,
        clean_up=clean_up,
    ),
    JobKind(
        "trash.purge", noting_refusals(perform_purge), on_ended=_settle_purge, clean_up=clean_up, is_repeatable=True
    ),
)
