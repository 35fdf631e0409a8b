"""What jobs do to projects: `perform_*` on the node, and the project's status that follows the job's state."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from flask import current_app

from app.commands.gitstatus import Outcome
from app.commands.giturl import GitUrl
from app.commands.paths import ProjectName
from app.commands.refs import GitRef
from app.db import db, release, unit_of_work, utcnow
from app.errors import ActFailed, LeaseLost, NodeBusy, NodeError, ShuttingDown
from app.jobs.context import JobContext, JobOrder
from app.jobs.journal import log_size
from app.jobs.registry import JobKind
from app.models import Job, JobState, Project, ProjectStatus
from app.redaction import printable
from app.services.credentials import note_use, open_access
from app.services.git_access import NOBODY
from app.services.nodes import find_node, note_root_marked
from app.services.probes import note_refusal, note_success
from app.services.project_commands import checked, output_limit, preamble
from app.services.projects import ensure_git_url, get_project
from app.services.recoveries import keep_recovery
from app.services.targets import build_worker_client
from app.services.trash import keep_entry, trash_key
from app.services.worker_client import CloneOrder, DeleteOrder, WorkerClient

# So ends a process that may have done its one rename, and did not come to say so.
UNTOLD: Final = frozenset({"cancelled", "timed_out", "process_lost"})

_DELETED = {
    "missing": "There was nothing on the node.",
    "kept": "Moved to the node's trash, from where it can be restored.",
    "deleted": "Deleted from the node.",
    "trashed": "Gone from its place; some files, which others own or it did not come to, are left in .bareboat/trash.",
}


def perform_clone(context: JobContext) -> None:
    project, client = _prepare(context)
    order = CloneOrder(
        name=ProjectName(project.name),
        url=ensure_git_url(project.git_url),
        branch=GitRef(project.branch) if project.branch else None,
        depth=project.depth,
        submodules=project.submodules,
        is_root_marked=project.node.root_marked_at is not None,
        access=open_access(project),
    )
    node_id = project.node_id
    _note_use(context, project)
    outcome = client.clone_project(order, context)
    note_root_marked(node_id)
    _store_head(context, outcome)


def perform_pull(context: JobContext) -> None:
    project, client = _prepare(context)
    name, url = ProjectName(project.name), ensure_git_url(project.git_url)
    branch = GitRef(project.branch) if project.branch else None
    access = open_access(project)
    _note_use(context, project)
    _store_head(context, client.pull_project(name, url, branch, context.order.params["strategy"], context, access))


def perform_checkout(context: JobContext) -> None:
    project, client = _prepare(context)
    name, url, ref = ProjectName(project.name), GitUrl.parse(project.git_url), GitRef(context.order.params["ref"])
    release()
    _store_head(context, client.checkout_project(name, url, ref, context))


def perform_delete(context: JobContext) -> None:
    project, client = _prepare(context)
    force, days = bool(context.order.params["force"]), current_app.config["TRASH_DAYS"]
    order = DeleteOrder(
        name=ProjectName(project.name),
        url=GitUrl.parse(project.git_url),
        trash_key=trash_key(context.order.job_id, context.key),
        force=force,
        keep=days > 0,
        access=NOBODY if force else open_access(project),
    )
    release()
    word = _deleted(client, order, context)
    if word == "kept":
        keep_entry(context.order, order.trash_key, days)
    context.say(_DELETED.get(word, "Deleted."))


def _deleted(client: WorkerClient, order: DeleteOrder, context: JobContext) -> str:
    """What its process did not come to say, the node is asked: the key in the trash is this job's own."""
    try:
        return client.delete_project(order, context)
    except ActFailed as error:
        if error.code not in UNTOLD or client.find_folder(order.name, order.trash_key) != "trash":
            raise
        context.say(f"It had moved the folder before it ended ({error.code}).")
        return "kept" if order.keep else "trashed"


def perform_undo(context: JobContext) -> None:
    project, client = _prepare(context)
    name, url = ProjectName(project.name), GitUrl.parse(project.git_url)
    release()
    _store_head(context, client.undo_project(name, url, context.order.params["key"], context))


def perform_forget(context: JobContext) -> None:
    """Nothing is asked of the node: the entry goes when the job ends."""
    context.say("Only the entry here is removed; nothing on the node is touched.")


def perform_command(context: JobContext) -> None:
    """The rules are held once more, as they are now. What stands before the output in the log is written once, and
    before anything runs: whoever finds it there does not look at the commit again, which the command may move."""
    project, client = _project_and_client(context)
    asked = checked(context.order.params, project)
    name, url = ProjectName(project.name), GitUrl.parse(project.git_url)
    begins = _beginning(context, project)
    output_bytes = output_limit()
    release()
    if log_size(context.order.job_id) == 0:
        context.log(preamble(begins, asked, client, name, url, context.order.params.get("commit")))
        context.flush()
    context.progress("running")
    client.run_command(name, asked, context, output_bytes)


def _prepare(context: JobContext) -> tuple[Project, WorkerClient]:
    project, client = _project_and_client(context)
    if not context.is_attached:
        context.say(_heading(context, project))
    return project, client


def _heading(context: JobContext, project: Project) -> str:
    order = context.order
    if order.attempt > 1:
        return f"— attempt {order.attempt} of {order.max_attempts} —"
    return _beginning(context, project)


def _project_and_client(context: JobContext) -> tuple[Project, WorkerClient]:
    project = get_project(context.order.project_id or 0)
    return project, build_worker_client(project.node, current_app.config["JOB_TIMEOUT_SECONDS"])


def _beginning(context: JobContext, project: Project) -> str:
    order = context.order
    return f"{order.kind} {project.name} on node {project.node.name}, asked for by {order.requested_by}"


def _note_use(context: JobContext, project: Project) -> None:
    """Lets the database go."""
    if project.git_credential is not None and not context.is_attached:
        context.say(f"With the git credential {project.git_credential.name!r}.")
        note_use(project.git_credential.id)
    release()


def _store_head(context: JobContext, outcome: Outcome) -> None:
    head = outcome.head
    context.came_to({"changed": get_project(context.order.project_id or 0).head != head.sha})
    with unit_of_work() as session:
        project = session.get_one(Project, context.order.project_id)
        if outcome.recovery_ref:
            keep_recovery(context.order, project, outcome.recovery_ref)
        project.head, project.head_subject = head.sha, head.subject[:512]
        project.branch, project.ahead = outcome.branch, outcome.ahead
        project.cloned_at = project.cloned_at or utcnow()
        project.last_synced_at = utcnow()
    context.say(f"HEAD is {head.sha[:12]} {printable(head.subject)}")
    if outcome.recovery_ref:
        context.say(f"What was here before is kept as {outcome.recovery_ref}.")


def _set_status(status: ProjectStatus) -> Callable[[Job], None]:
    def follow(job: Job) -> None:
        project = _project_of(job)
        if project is not None:
            project.status = status

    return follow


def _settle(job: Job) -> None:
    """After clone, pull and checkout: ACTIVE, or ERROR with the job's reason. A cancelled pull changed nothing."""
    project = _project_of(job)
    if project is None:
        return
    if job.kind == "project.checkout" and job.error_code == "ref_not_found":  # a slip of the pen, which touched nothing
        settle_command(job)
        return
    is_fine = job.state is JobState.SUCCEEDED or (job.state is JobState.CANCELLED and project.cloned_at is not None)
    project.status = ProjectStatus.ACTIVE if is_fine else ProjectStatus.ERROR
    project.error_code = None if is_fine else job.error_code
    project.error_message = None if is_fine else job.error_message


def settle_command(job: Job) -> None:
    """A command neither breaks nor mends a project in our eyes: what failed before still has."""
    if job.state is JobState.SUCCEEDED:
        job.exit_status = 0
    project = _project_of(job)
    if project is not None:
        project.status = ProjectStatus.ERROR if project.error_code else ProjectStatus.ACTIVE


def _settle_delete(job: Job) -> None:
    """Gone, or as before with the reason why not."""
    project = _project_of(job)
    if project is None:
        return
    if job.state is JobState.SUCCEEDED:
        db.session.delete(project)
        return
    project.status = ProjectStatus.ACTIVE if project.cloned_at else ProjectStatus.ERROR
    project.error_code, project.error_message = job.error_code, job.error_message


def _project_of(job: Job) -> Project | None:
    return db.session.get(Project, job.project_id) if job.project_id is not None else None


def noting_refusals(perform: Callable[[JobContext], None]) -> Callable[[JobContext], None]:
    """A node that a job cannot reach counts as a missed probe, so that further attempts wait until it is back; a
    refused login or a wrong host key takes it offline at once, until an admin has acted; a new host key that an admin
    expects is pinned, and the job is taken up again. A job that was done counts as a probe that was answered."""

    @wraps(perform)
    def performed(context: JobContext) -> None:
        try:
            perform(context)
        except (ShuttingDown, NodeBusy):
            raise
        except NodeError as error:
            if note_refusal(context.order.node_id or 0, error):
                raise LeaseLost() from error
            raise
        note_success(context.order.node_id or 0)

    return performed


def clean_up(order: JobOrder) -> None:
    """What the attempt's process has left on the node."""
    node = find_node(order.node_id or 0)
    if node is not None:
        client = build_worker_client(node)
        release()
        client.collect(order.key)


def act_kind(
    name: str,
    perform: Callable[[JobContext], None],
    is_repeatable: bool = True,
    clean_up: Callable[[JobOrder], None] = clean_up,
    **more: Any,
) -> JobKind:
    return JobKind(name, noting_refusals(perform), clean_up=clean_up, is_repeatable=is_repeatable, **more)


syncing = _set_status(ProjectStatus.SYNCING)
_deleting = _set_status(ProjectStatus.DELETING)
_pending = _set_status(ProjectStatus.PENDING)

KINDS = (
    act_kind("project.clone", perform_clone, on_queued=_pending, on_started=syncing, on_ended=_settle),
    act_kind("project.pull", perform_pull, on_started=syncing, on_ended=_settle),
    act_kind("project.checkout", perform_checkout, on_started=syncing, on_ended=_settle),
    act_kind("project.undo", perform_undo, False, on_started=syncing, on_ended=_settle),
    act_kind("project.command", perform_command, False, on_started=syncing, on_ended=settle_command),
    JobKind("project.forget", perform_forget, on_queued=_deleting, on_started=_deleting, on_ended=_settle_delete),
    act_kind("project.delete", perform_delete, on_queued=_deleting, on_started=_deleting, on_ended=_settle_delete),
)
