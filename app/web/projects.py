"""Projects: the list, one project with its working tree and jobs, and what may be done to it."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import flash, render_template, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import BareboatError, Conflict, Invalid
from app.schemas.projects import CheckoutSchema, CloneSchema, ProjectUpdateSchema, PullSchema
from app.services import choices, credentials, hooks, jobs, projects, schedules
from app.web.blueprint import web
from app.web.forms import Form
from app.web.joblog import log_end
from app.web.paging import PAGE_SIZE, asked_id, asked_page, asked_search, asked_word, is_refresh
from app.web.refusals import refuse
from app.web.words import PROJECT_STATUSES, why_no_work

JOBS_SHOWN = 10
_FIELD_BY_CODE = {
    "path_unsafe": "name",
    "name_taken": "name",
    "git_url_invalid": "git_url",
    "git_address_denied": "git_url",
    "node_offline": "node_id",
    "node_cordoned": "node_id",
    "host_key_unpinned": "node_id",
    "key_missing": "node_id",
}


@dataclass(frozen=True, slots=True)
class NodeChoice:
    """A node in the clone form; `why_not` is set when it takes no clone now."""

    id: int
    name: str
    is_online: bool
    why_not: str | None


@web.get("/projects")
@requires("viewer")
def list_projects() -> str:
    search, filters = asked_search(), asked_word("status", PROJECT_STATUSES) | asked_id("node_id")
    page = projects.list_projects(filters, search, None, asked_page(), PAGE_SIZE)
    under_way = jobs.under_way_by_project([project.id for project in page.items])
    return render_template(
        "projects/list.html",
        page=page,
        search=search,
        filters=filters,
        under_way=under_way,
        nodes=[] if is_refresh() else choices.node_names(),
    )


@web.get("/projects/new")
@requires("operator")
def new_project() -> str:
    return _clone_page(Form(start=asked_id("node_id")))


@web.post("/projects/new")
@requires("operator")
def clone_project() -> tuple[str, int] | Response:
    form = Form(CloneSchema())
    try:
        job = projects.request_clone(form.read(), actor())
    except Invalid as error:
        return _clone_page(form.refuse(error, _FIELD_BY_CODE)), 422
    except Conflict as error:
        return _clone_page(form.refuse(error, _FIELD_BY_CODE), error.errors.get("project")), 422
    return redirect(url_for("web.show_project", project_id=job.project_id), 303)


@web.get("/projects/<id:project_id>")
@requires("viewer")
def show_project(project_id: int) -> str:
    project = projects.get_project(project_id)
    recent = jobs.list_jobs({"project_id": project_id}, None, 1, JOBS_SHOWN).items
    return render_template(
        "projects/show.html",
        project=project,
        why_not=_why_not(project.node),
        culprit=next((job for job in recent if job.is_finished and job.error_message == project.error_message), None),
        canceller=jobs.cancelled_by(recent[0].id) if recent and recent[0].state == "CANCELLED" else None,
        jobs=recent,
        schedules=schedules.project_schedules(project_id),
        hooks=hooks.hooks_of(hooks.HookOwner(project_id)),
        job=recent[0] if recent else None,
        log=log_end(recent[0].id) if recent else None,
        editor=editor_link(project.node.editor_url, project.path) if project.cloned_at else None,
    )


@web.get("/projects/<id:project_id>/edit")
@requires("operator")
def edit_project(project_id: int) -> str:
    project = projects.get_project(project_id)
    form = Form(start={"git_url": project.git_url, "branch": project.branch})
    return render_template("projects/edit.html", project=project, form=form)


@web.post("/projects/<id:project_id>/edit")
@requires("operator")
def update_project(project_id: int) -> tuple[str, int] | Response:
    project, form = projects.get_project(project_id), Form(ProjectUpdateSchema())
    try:
        projects.update_project(project_id, form.read(is_edit=True), actor())
    except (Invalid, Conflict) as error:
        refused = form.refuse(error, _FIELD_BY_CODE)
        return render_template("projects/edit.html", project=project, form=refused), 422
    flash("The new address is stored; retry the clone with it.", "done")
    return redirect(url_for("web.show_project", project_id=project_id), 303)


@web.get("/projects/<id:project_id>/worktree")
@requires("viewer")
def show_worktree(project_id: int) -> str:
    """The working tree as it is now; a node that cannot be asked is no error of this page."""
    project, tree, problem = projects.get_project(project_id), None, None
    try:
        tree = projects.read_status(project_id)
    except BareboatError as error:
        problem = error.message
    return render_template("projects/worktree.html", project=project, tree=tree, problem=problem)


@web.post("/projects/<id:project_id>/pull")
@requires("operator")
def pull_project(project_id: int) -> Response:
    return _start(project_id, lambda: projects.request_pull(project_id, **_pull_values(), actor=actor()))


@web.get("/projects/<id:project_id>/reset")
@requires("operator")
def confirm_reset(project_id: int) -> str:
    return render_template("projects/reset.html", project=projects.get_project(project_id))


@web.post("/projects/<id:project_id>/checkout")
@requires("operator")
def checkout_project(project_id: int) -> Response:
    return _start(
        project_id, lambda: projects.request_checkout(project_id, Form(CheckoutSchema()).read()["ref"], actor())
    )


@web.get("/projects/<id:project_id>/delete")
@requires("operator")
def confirm_project_deletion(project_id: int) -> str:
    return _delete_page(project_id, Form())


@web.post("/projects/<id:project_id>/delete")
@requires("operator")
def delete_project(project_id: int) -> tuple[str, int] | Response:
    """Leads to the job's page: the project's own will be gone. The name is typed for a delete, and to forget, too."""
    project, form = projects.get_project(project_id), Form()
    forget, force = request.form.get("forget") == "on", request.form.get("force") == "on"
    if request.form.get("typed_name", "") != project.name:
        done = "forgotten" if forget else "deleted"
        form.refuse(Invalid(f"Nothing was {done}: type the project's name exactly as it is shown."))
        return _delete_page(project_id, form), 422
    try:
        job = projects.request_delete(project_id, force, actor(), forget=forget)
    except BareboatError as error:
        return refuse(error, url_for("web.show_project", project_id=project_id))
    return redirect(url_for("web.show_job", job_id=job.id), 303)


def editor_link(editor_url: str | None, path: str) -> str | None:
    """code-server opens the folder that its address names. Only http and https become a link."""
    if not editor_url or urlsplit(editor_url).scheme not in ("http", "https"):
        return None
    return f"{editor_url}{'&' if '?' in editor_url else '?'}{urlencode({'folder': path})}"


def _start(project_id: int, request_job: Any) -> Response:
    back = url_for("web.show_project", project_id=project_id)
    try:
        request_job()
    except Invalid as error:
        said = "; ".join(line for lines in error.errors.values() for line in lines)
        return refuse(Invalid(said or error.message), back)
    except BareboatError as error:
        return refuse(error, back)
    return redirect(back, 303)  # the page shows the job


def _pull_values() -> dict[str, str]:
    return {"strategy": "ff-only"} | Form(PullSchema()).read()


def _clone_page(form: Form, in_the_way: Any = None) -> str:
    offered = [offered_node(node) for node in choices.nodes_for_work()]
    taken = projects.get_project(in_the_way["id"]) if in_the_way else None
    known = credentials.all_credentials()
    return render_template("projects/new.html", form=form, choices=offered, taken=taken, credentials=known)


def _delete_page(project_id: int, form: Form) -> str:
    project = projects.get_project(project_id)
    return render_template(
        "projects/delete.html",
        project=project,
        form=form,
        force=request.values.get("force") == "on",
        forget=request.form.get("forget") == "on",
        why_not=_why_not(project.node),
        trash_days=projects.trash_days(),
    )


def offered_node(node: Any) -> NodeChoice:
    return NodeChoice(node.id, node.name, str(node.status) == "ONLINE", _why_not(node))


def _why_not(node: Any) -> str | None:
    """Why the node takes no work now; None when it does."""
    try:
        projects.ensure_ready(node)
    except Conflict as error:
        return why_no_work(error.code, node.status_reason)
    return None
