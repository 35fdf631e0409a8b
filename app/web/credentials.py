"""Git credentials: taken in, chosen for projects, never shown."""

from flask import flash, render_template, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import Conflict, Invalid
from app.schemas.credentials import GitCredentialCreateSchema
from app.schemas.projects import ProjectUpdateSchema
from app.services import credentials, projects
from app.web.blueprint import web
from app.web.forms import Form
from app.web.paging import PAGE_SIZE, asked_page
from app.web.refusals import refuse

_FIELDS = {"name_taken": "name", "key_unreadable": "private_key"}


@web.get("/credentials")
@requires("viewer")
def list_credentials() -> str:
    page = credentials.list_credentials(asked_page(), PAGE_SIZE)
    users = {row.id: credentials.projects_using(row.id) for row in page.items}
    return render_template("credentials/list.html", page=page, users=users)


@web.get("/credentials/new")
@requires("admin")
def new_credential() -> str:
    return render_template("credentials/new.html", https=Form(), ssh=Form())


@web.post("/credentials/new")
@requires("admin")
def add_credential() -> tuple[str, int] | Response:
    form = Form(GitCredentialCreateSchema())
    try:
        made = credentials.create_credential(form.read(), actor())
    except (Invalid, Conflict) as error:
        forms = {"https": Form(), "ssh": Form()}
        forms["ssh" if form.value("kind") == "ssh" else "https"] = form.refuse(error, _FIELDS)
        return render_template("credentials/new.html", **forms), 422
    flash(f"Git credential {made.name} is stored, sealed under the master key.", "done")
    return redirect(url_for("web.list_credentials"), 303)


@web.get("/credentials/<id:credential_id>/delete")
@requires("admin")
def confirm_credential_deletion(credential_id: int) -> str:
    row, users = credentials.get_credential(credential_id), credentials.projects_using(credential_id)
    return render_template("credentials/delete.html", credential=row, users=users)


@web.post("/credentials/<id:credential_id>/delete")
@requires("admin")
def delete_credential(credential_id: int) -> Response:
    name = credentials.get_credential(credential_id).name
    try:
        credentials.delete_credential(credential_id, actor())
    except Conflict as error:
        return refuse(error, url_for("web.list_credentials"))
    flash(f"Git credential {name} is deleted.", "done")
    return redirect(url_for("web.list_credentials"), 303)


@web.get("/projects/<id:project_id>/credential")
@requires("operator")
def choose_credential(project_id: int) -> str:
    return _choice_page(project_id, Form())


@web.post("/projects/<id:project_id>/credential")
@requires("operator")
def use_credential(project_id: int) -> tuple[str, int] | Response:
    form = Form(ProjectUpdateSchema())
    try:
        values = form.read(is_edit=True)
        projects.update_project(project_id, {"git_credential_id": values.get("git_credential_id")}, actor())
    except (Invalid, Conflict) as error:
        return _choice_page(project_id, form.refuse(error)), 422
    flash("The next clone or pull uses it.", "done")
    return redirect(url_for("web.show_project", project_id=project_id), 303)


def _choice_page(project_id: int, form: Form) -> str:
    project = projects.get_project(project_id)
    fitting = credentials.fitting(project.git_url)
    return render_template("credentials/choose.html", project=project, fitting=fitting, form=form)
