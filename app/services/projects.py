"""Projects: asked for, watched, changed by jobs. `request_*` queues; the acts themselves are in project_acts.py."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload, lazyload

from app.commands.gitstatus import ProjectStatus as LiveStatus
from app.commands.giturl import GitUrl, ensure_allowed
from app.commands.paths import ProjectName
from app.commands.refs import GitRef
from app.db import db, release, unit_of_work
from app.errors import (
    Forbidden,
    HostKeyUnpinned,
    Invalid,
    KeyMissing,
    NameTaken,
    NodeCordoned,
    NodeOffline,
    NotFound,
    Throttled,
    WrongState,
    naming,
)
from app.models import Job, Node, NodeStatus, Project, ProjectStatus, Role
from app.services import jobs
from app.services.credentials import ensure_fits
from app.services.events import Actor, changes, event
from app.services.paging import Page, paginate, paginate_search, sorted_by
from app.services.runtime import runtime
from app.services.targets import build_worker_client

_SORTABLE = {
    "id": Project.id,
    "name": Project.name_folded,
    "status": (Project.status, Project.name_folded),
    "created_at": Project.created_at,
    "last_synced_at": Project.last_synced_at,
}
MOST_LOOKS = 8  # at once; half of the threads that gunicorn.conf.py gives to the web
_looks = BoundedSemaphore(MOST_LOOKS)
_WITH_NODE = joinedload(Project.node).options(lazyload(Node.ssh_key), lazyload(Node.host_keys))
_CLONE_FIELDS = ("git_url", "branch", "depth", "submodules", "git_credential_id")


def list_projects(
    filters: dict[str, Any], search: str | None, sort: str | None, page: int, page_size: int
) -> Page[Project]:
    """`filters`: equal values of `status`, `node_id`; `search` is part of the name."""
    rows = select(Project).filter_by(**filters).order_by(Project.name_folded, Project.id)
    if search:
        rows = rows.where(Project.name_folded.contains(search.lower(), autoescape=True))
    turn = paginate_search if search else paginate
    return turn(sorted_by(rows, sort, _SORTABLE), page, page_size, _WITH_NODE)


def status_counts() -> dict[str, int]:
    rows = db.session.execute(select(Project.status, func.count()).group_by(Project.status))
    return {status.value: 0 for status in ProjectStatus} | {status.value: count for status, count in rows}


def counts_by_node(node_ids: list[int]) -> dict[int, int]:
    """Number of projects by node id, of those that have any."""
    rows = select(Project.node_id, func.count().label("projects")).where(Project.node_id.in_(node_ids))
    return {row.node_id: row.projects for row in db.session.execute(rows.group_by(Project.node_id))}


def get_project(project_id: int) -> Project:
    project = db.session.get(Project, project_id)
    if project is None:
        raise NotFound(f"There is no project {project_id}.")
    return project


def get_project_by_name(name: str, node_name: str | None = None) -> Project:
    """Raises Invalid when the name is on several nodes and none is given."""
    rows = select(Project).where(Project.name_folded == name.lower())
    if node_name:
        rows = rows.join(Node, Project.node_id == Node.id).where(Node.name == node_name)
    found = db.session.scalars(rows).all()
    if not found:
        raise NotFound(f"There is no project {name!r}.")
    if len(found) > 1:
        nodes = ", ".join(project.node.name for project in found)
        raise Invalid(f"Project {name!r} is on several nodes ({nodes}); say which with --node.")
    return found[0]


def request_clone(values: dict[str, Any], actor: Actor) -> Job:
    """`values`: `name git_url node_id`, maybe `branch depth submodules git_credential_id`. Project and job come in one
    commit.

    Raises Invalid naming the field, NodeOffline, HostKeyUnpinned, NameTaken; then nothing is stored.
    """
    wanted = {"branch": None, "depth": None, "submodules": False, "git_credential_id": None} | values
    ProjectName(wanted["name"])
    ensure_fits(wanted["git_credential_id"], ensure_git_url(wanted["git_url"]))
    if wanted["branch"]:
        GitRef(wanted["branch"])
    node = db.session.get(Node, wanted["node_id"])
    if node is None:
        raise Invalid(f"There is no node {wanted['node_id']}.", errors={"node_id": ["No such node."]})
    ensure_ready(node)
    if existing := find_project_on(node.id, wanted["name"]):
        return _same_clone_or_taken(existing, wanted)
    return _store_clone(node, wanted, actor)


def request_pull(project_id: int, strategy: str, actor: Actor) -> Job:
    """`strategy`: `ff-only`, or one that keeps a recovery ref: `stash`, `rebase`, `backup`, `reset`."""
    return jobs.enqueue(pull_job(project_id, strategy), actor)


def pull_job(project_id: int, strategy: str) -> Job:
    """The job of a pull, for the caller to queue. Raises the conflict that is in the way."""
    return act_job("project.pull", get_cloned_project(project_id), {"strategy": strategy})


def request_checkout(project_id: int, ref: str, actor: Actor) -> Job:
    return jobs.enqueue(checkout_job(project_id, ref), actor)


def checkout_job(project_id: int, ref: str) -> Job:
    return act_job("project.checkout", get_cloned_project(project_id), {"ref": GitRef(ref)})


def request_delete(project_id: int, force: bool, actor: Actor, *, forget: bool = False) -> Job:
    """`force` also drops work that is not committed or not pushed; `forget` removes our entry only.

    What was never cloned is only forgotten: a folder of that name on the node, if there is one, is not ours. A job that
    forgets speaks to no node, so it runs for one that is offline or gone, too.
    """
    project = get_project(project_id)
    if not forget and project.cloned_at is not None:
        return jobs.enqueue(act_job("project.delete", project, {"force": force}), actor)
    names = {"project_id": project.id, "project_name": project.name, "node_name": project.node.name}
    return jobs.enqueue(Job(kind="project.forget", params={}, **names), actor)


def update_project(project_id: int, values: dict[str, Any], actor: Actor) -> Project:
    """`git_url` and `branch` while nothing is cloned yet; `git_credential_id` (None: none) at any time, as
    `allow_own_playbooks`, which is for admins."""
    project = get_project(project_id)
    if "allow_own_playbooks" in values and not actor.role.includes(Role.ADMIN):
        raise Forbidden("Whether a project's own playbooks are run is for admins to say; ask one.")
    if project.cloned_at is not None and not values.keys() <= {"git_credential_id", "allow_own_playbooks"}:
        raise WrongState(
            f"Project {project.name} is on its node already; check out another branch there, or clone anew."
        )
    if values.keys() != {"allow_own_playbooks"}:
        _ensure_mendable(project, values)
    told = changes(project, values)
    with unit_of_work() as session:
        for name, value in values.items():
            setattr(project, name, value)
        session.add(event(actor, "project.update", f"project {project.name}", detail=told, node_name=project.node.name))
    return project


def read_status(project_id: int) -> LiveStatus:
    """The working tree as it is now, asked over SSH."""
    project = get_cloned_project(project_id)
    ensure_ready(project.node, is_change=False)
    client, name, url = build_worker_client(project.node), ProjectName(project.name), GitUrl.parse(project.git_url)
    release()
    with one_look():
        return client.project_status(name, url)


@contextmanager
def one_look() -> Iterator[None]:
    """Whoever may read may look, and a silent node takes its time: requests that wait must leave room for others."""
    if not _looks.acquire(blocking=False):
        raise Throttled("Too many working trees are being looked at just now; try again in a few seconds.")
    try:
        yield
    finally:
        _looks.release()


def ensure_ready(node: Node, *, is_change: bool = True) -> None:
    """Raises the conflict that keeps us from speaking to this node now."""
    if not node.host_keys:
        raise HostKeyUnpinned(
            f"No host key of node {node.name} is pinned; scan it, compare the fingerprint, and pin it."
        )
    if node.ssh_key_id is None:
        raise KeyMissing(f"Node {node.name} has no SSH key; choose one on its page.")
    if node.status is NodeStatus.OFFLINE:
        why = node.status_detail or node.status_reason or "it did not answer"
        raise NodeOffline(f"Node {node.name} is offline: {why}", errors={"status_reason": [node.status_reason or ""]})
    if is_change and node.cordoned:
        raise NodeCordoned(f"Node {node.name} is cordoned; uncordon it, or choose another.")


def trash_days() -> int:
    """How long what is deleted can be restored; 0: it cannot."""
    return int(current_app.config["TRASH_DAYS"])


def ensure_git_url(text: str) -> GitUrl:
    """Raises InvalidGitUrl naming the rule: form, scheme, denied network."""
    with naming("git_url"):
        url = GitUrl.parse(text)
        ensure_allowed(url, current_app.config["ALLOWED_GIT_SCHEMES"], current_app.config["DENIED_NETWORKS"])
    return url


def act_job(kind: str, project: Project, params: dict[str, Any]) -> Job:
    """A job on this project, for the caller to queue. Raises the conflict that is in the way."""
    ensure_ready(project.node)
    node = project.node
    return Job(
        kind=kind,
        project_id=project.id,
        project_name=project.name,
        node_id=node.id,
        node_name=node.name,
        params=params,
        max_attempts=current_app.config["JOB_MAX_ATTEMPTS"],
    )


def _ensure_mendable(project: Project, values: dict[str, Any]) -> None:
    if under_way := jobs.find_job_under_way(project.id):
        raise jobs.busy_with(under_way)
    url = ensure_git_url(values["git_url"]) if "git_url" in values else GitUrl.parse(project.git_url)
    ensure_fits(values.get("git_credential_id", project.git_credential_id), url)
    if values.get("branch"):
        GitRef(values["branch"])


def _store_clone(node: Node, wanted: dict[str, Any], actor: Actor) -> Job:
    name, node_id = wanted["name"], node.id
    project = Project(name_folded=name.lower(), **wanted)
    job = Job(kind="project.clone", project_name=name, node_id=node_id, node_name=node.name)
    job.max_attempts = current_app.config["JOB_MAX_ATTEMPTS"]
    try:
        with unit_of_work() as session:
            session.add(project)
            session.flush()
            job.project_id = project.id
            jobs.add_queued(session, job, actor)
    except IntegrityError as error:  # somebody else was quicker
        existing = find_project_on(node_id, name)
        if existing is None:
            raise NameTaken() from error
        return _same_clone_or_taken(existing, wanted)
    runtime().queue.nudge(job.id)
    return job


def _same_clone_or_taken(existing: Project, wanted: dict[str, Any]) -> Job:
    """Asked twice for the same clone while it is under way: the first job is the answer."""
    job = jobs.find_job_under_way(existing.id)
    is_same = all(getattr(existing, field) == wanted[field] for field in _CLONE_FIELDS)
    if job is not None and job.kind == "project.clone" and is_same and existing.name == wanted["name"]:
        return job
    text = (
        f"There is a project {existing.name!r} on node {existing.node.name} already; choose another name, or delete it."
    )
    raise NameTaken(text, errors={"name": ["In use on this node."], "project": {"id": existing.id}})


def find_project_on(node_id: int, name: str) -> Project | None:
    return db.session.scalar(select(Project).where(Project.node_id == node_id, Project.name_folded == name.lower()))


def get_cloned_project(project_id: int) -> Project:
    project = get_project(project_id)
    if project.cloned_at is None:
        raise WrongState(
            f"Project {project.name} is not on its node yet; see its clone job, and retry that if it failed."
        )
    return project
