"""Project sets: made, changed, grown, pulled, given up. All that touches nodes is a run of ordinary jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app.commands.paths import ProjectName
from app.commands.refs import GitRef
from app.db import db, unit_of_work
from app.errors import Invalid, NameTaken, NotFound, WrongState
from app.models import Node, Project, ProjectSet, Run
from app.plurals import counted
from app.services import jobs, projects, runs
from app.services.credentials import ensure_fits
from app.services.events import Actor, changes, event
from app.services.paging import Page, paginate, sorted_by
from app.services.runs import RunOptions
from app.services.set_clones import get_set as get_set

_SORTABLE = {"id": ProjectSet.id, "name": ProjectSet.name_folded, "created_at": ProjectSet.created_at}


@dataclass(frozen=True, slots=True)
class Grown:
    """A set that was made or given nodes; `run` clones to those that have no copy yet, None: all of them have one."""

    project_set: ProjectSet
    run: Run | None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.project_set, name)

    @property
    def run_id(self) -> int | None:
        return self.run.id if self.run else None


@dataclass(frozen=True, slots=True)
class TakenOut:
    project_id: int
    job_id: int | None


@dataclass(frozen=True, slots=True)
class _Additions:
    """`joining`: ids of projects that are there already; `cloning`: ids of nodes where there is none."""

    joining: list[int]
    cloning: list[int]


def list_sets(sort: str | None, page: int, page_size: int) -> Page[ProjectSet]:
    found = paginate(sorted_by(select(ProjectSet).order_by(ProjectSet.name_folded), sort, _SORTABLE), page, page_size)
    _count_members(found.items)
    return found


def find_set_by_name(name: str) -> ProjectSet | None:
    return db.session.scalar(select(ProjectSet).where(ProjectSet.name_folded == name.lower()))


def get_set_by_name(name: str) -> ProjectSet:
    found = find_set_by_name(name)
    if found is None:
        raise NotFound(f"There is no project set {name!r}.")
    return with_size(found)


def with_size(project_set: ProjectSet) -> ProjectSet:
    _count_members([project_set])
    return project_set


def create_set(values: dict[str, Any], node_ids: Sequence[int], options: RunOptions, actor: Actor) -> Grown:
    """`values`: `name git_url`, maybe `branch git_credential_id`. Its nodes are cloned to by one run.

    Raises Invalid naming the field, NameTaken; then nothing is stored.
    """
    made = ProjectSet(name_folded=values["name"].lower(), **values)
    _ensure_allowed(made)
    if find_set_by_name(made.name):
        raise _taken(made.name)
    runs.ensure_options(options)
    found = _additions(made, node_ids)
    name = made.name
    try:
        with unit_of_work() as session:
            session.add(made)
            session.flush()
            _join(session, made, found.joining)
            told = f"{made.git_url} on {counted(len(node_ids), 'node')}"
            session.add(event(actor, "set.create", f"set {made.name}", detail=told))
    except IntegrityError as error:
        raise _taken(name) from error
    return _clone(made, found.cloning, options, actor)


def update_set(set_id: int, values: dict[str, Any], actor: Actor) -> ProjectSet:
    """`branch`: what its members should be on, and what is cloned from now on. `git_credential_id` (None: none) is that
    of all its members, too."""
    project_set = get_set(set_id)
    ensure_fits(
        values.get("git_credential_id", project_set.git_credential_id), projects.ensure_git_url(project_set.git_url)
    )
    if values.get("branch"):
        GitRef(values["branch"])
    members = list_members(set_id)
    if "git_credential_id" in values:
        _ensure_nobody_busy(members)
    told = changes(project_set, values)
    with unit_of_work() as session:
        for name, value in values.items():
            setattr(project_set, name, value)
        for project in members:
            _follow(project, values)
        session.add(event(actor, "set.update", f"set {project_set.name}", detail=told))
    return with_size(project_set)


def request_add(set_id: int, node_ids: Sequence[int], options: RunOptions, actor: Actor) -> Grown:
    """A node that has the same repository under this name already joins with it; to the others it is cloned.

    Raises Invalid naming `node_ids`, NameTaken; then nothing is stored.
    """
    project_set = get_set(set_id)
    runs.ensure_options(options)
    found = _additions(project_set, node_ids)
    with unit_of_work() as session:
        _join(session, project_set, found.joining)
        count = len(found.joining) + len(found.cloning)
        session.add(event(actor, "set.add", f"set {project_set.name}", detail=counted(count, "node")))
    return _clone(project_set, found.cloning, options, actor)


def request_pull(set_id: int, strategy: str, options: RunOptions, actor: Actor) -> Run:
    members = member_ids(get_set(set_id).id)
    if not members:
        raise WrongState("This set has no nodes yet; add some first.")
    return runs.request_run("project.pull", {"strategy": strategy}, members, options, actor)


def take_out(set_id: int, node_id: int, actor: Actor, *, delete: bool = False, force: bool = False) -> TakenOut:
    """The project stays where it is, as one of its own. `delete`: a job deletes it, with all the guards of a delete; it
    leaves the set when it is gone, and where it is refused it does not."""
    project, name = get_member(set_id, node_id), get_set(set_id).name
    if delete:
        return TakenOut(project.id, projects.request_delete(project.id, force, actor).id)
    with unit_of_work() as session:
        project.set_id = None
        names = {"node_name": project.node.name, "project_name": project.name}
        session.add(event(actor, "set.remove", f"set {name}", detail=f"node {project.node.name}", **names))
    return TakenOut(project.id, None)


def delete_set(set_id: int, actor: Actor) -> None:
    """Only the set: its members stay, as projects of their own."""
    project_set = get_set(set_id)
    with unit_of_work() as session:
        session.add(event(actor, "set.delete", f"set {project_set.name}", detail=project_set.git_url))
        session.delete(project_set)


def list_members(set_id: int) -> list[Project]:
    rows = select(Project).filter_by(set_id=set_id).join(Node, Project.node_id == Node.id)
    return list(db.session.scalars(rows.order_by(Node.name)).unique())


def member_ids(set_id: int) -> list[int]:
    rows = select(Project.id).filter_by(set_id=set_id).join(Node, Project.node_id == Node.id)
    return list(db.session.scalars(rows.order_by(Node.name)))


def member_branches(set_id: int) -> set[str]:
    """The branches that members are on."""
    return set(db.session.scalars(select(Project.branch).filter_by(set_id=set_id).where(Project.branch.is_not(None))))


def get_member(set_id: int, node_id: int) -> Project:
    name = get_set(set_id).name
    project = db.session.scalar(select(Project).filter_by(set_id=set_id, node_id=node_id))
    if project is None:
        raise NotFound(f"Node {node_id} is not in the set {name}.")
    return project


def _count_members(sets: Sequence[ProjectSet]) -> None:
    counted = select(Project.set_id, func.count().label("size")).where(Project.set_id.in_([one.id for one in sets]))
    sizes = {row.set_id: row.size for row in db.session.execute(counted.group_by(Project.set_id))}
    for one in sets:
        one.size = sizes.get(one.id, 0)


def _ensure_allowed(wanted: ProjectSet) -> None:
    ProjectName(wanted.name)
    ensure_fits(wanted.git_credential_id, projects.ensure_git_url(wanted.git_url))
    if wanted.branch:
        GitRef(wanted.branch)


def _additions(project_set: ProjectSet, node_ids: Sequence[int]) -> _Additions:
    wanted = dict.fromkeys(node_ids)
    known = set(db.session.scalars(select(Node.id).where(Node.id.in_(wanted))))
    if missing := [str(id_) for id_ in wanted if id_ not in known]:
        raise Invalid(errors={"node_ids": [f"There is no node {', '.join(missing[:20])}."]})
    named = select(Project).where(Project.name_folded == project_set.name_folded, Project.node_id.in_(wanted))
    there = list(db.session.scalars(named).unique())
    if foreign := [project.node.name for project in there if not _may_join(project, project_set)]:
        text = f"Another project is called {project_set.name!r} on {', '.join(foreign[:20])}."
        raise NameTaken(text, errors={"node_ids": [text]})
    joining = [project.id for project in there if project.set_id is None]
    cloned = {project.node_id for project in there if project.cloned_at is not None}
    return _Additions(joining, [id_ for id_ in wanted if id_ not in cloned])


def _may_join(project: Project, project_set: ProjectSet) -> bool:
    if project.set_id is not None:
        return project.set_id == project_set.id
    return project.cloned_at is not None and project.git_url == project_set.git_url


def _join(session: Any, project_set: ProjectSet, project_ids: Sequence[int]) -> None:
    for project_id in project_ids:
        session.get_one(Project, project_id).set_id = project_set.id


def _clone(project_set: ProjectSet, node_ids: list[int], options: RunOptions, actor: Actor) -> Grown:
    if not node_ids:
        return Grown(with_size(project_set), None)
    run = runs.request_run("project.clone", {"set_id": project_set.id}, node_ids, options, actor)
    return Grown(with_size(project_set), run)


def _follow(project: Project, values: dict[str, Any]) -> None:
    """What a change of the set changes of a member."""
    if "git_credential_id" in values:
        project.git_credential_id = values["git_credential_id"]
    if "branch" in values and project.cloned_at is None:
        project.branch = values["branch"]


def _ensure_nobody_busy(members: Sequence[Project]) -> None:
    for job in jobs.under_way_by_project([project.id for project in members]).values():
        raise jobs.busy_with(job)


def _taken(name: str) -> NameTaken:
    return NameTaken(f"There is a project set {name!r} already; choose another name.", errors={"name": ["In use."]})
