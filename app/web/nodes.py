"""Nodes: the list, one node with all that is known about it, and the acts of admins on it."""

from typing import Any

from flask import current_app, flash, render_template, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import BareboatError, Conflict, Invalid
from app.schemas.nodes import NodeCreateSchema, NodeUpdateSchema
from app.services import choices, hostkeys, keys, nodes, probes, projects
from app.services.paging import MAX_PAGE_SIZE
from app.services.quarantine import find_quarantine
from app.web.blueprint import web
from app.web.forms import Form
from app.web.onboarding import authorize_line, next_step
from app.web.paging import PAGE_SIZE, asked_page, asked_search, asked_word
from app.web.refusals import refuse
from app.web.words import NODE_STATUSES, reason

PROBES_SHOWN = 20
_FIELD_BY_CODE = {"path_unsafe": "projects_root", "name_taken": "name", "node_in_use": "projects_root"}


@web.get("/nodes")
@requires("viewer")
def list_nodes() -> str:
    search, filters = asked_search(), asked_word("status", NODE_STATUSES)
    page = nodes.list_nodes(filters, search, None, asked_page(), PAGE_SIZE)
    counts = projects.counts_by_node([node.id for node in page.items])
    return render_template("nodes/list.html", page=page, search=search, filters=filters, project_counts=counts)


@web.get("/nodes/new")
@requires("admin")
def new_node() -> str:
    start = {"ssh_port": 22, "projects_root": current_app.config["PROJECTS_ROOT"]}
    return _form_page(Form(start=start))


@web.post("/nodes/new")
@requires("admin")
def create_node() -> str | tuple[str, int] | Response:
    form = Form(NodeCreateSchema())
    try:
        values = {"projects_root": current_app.config["PROJECTS_ROOT"]} | form.read()
        node = nodes.create_node(values, actor())
    except (Invalid, Conflict) as error:
        return _form_page(form.refuse(error, _FIELD_BY_CODE)), 422
    flash(f"Node {node.name} is added. Nothing has been said to it yet; the next step is below.", "done")
    return redirect(url_for("web.show_node", node_id=node.id), 303)


@web.get("/nodes/<id:node_id>")
@requires("viewer")
def show_node(node_id: int) -> str:
    node = nodes.get_node(node_id)
    return render_template(
        "nodes/show.html",
        node=node,
        offered=hostkeys.offered_keys(node),
        pinned={key.public_key for key in node.host_keys},
        quarantine=find_quarantine(node),
        step=next_step(node),
        authorize=authorize_line(node.ssh_key.public_key) if node.ssh_key else None,
        projects=projects.list_projects({"node_id": node_id}, None, None, 1, MAX_PAGE_SIZE),
        probes=probes.list_probes(node_id, 1, PROBES_SHOWN).items,
    )


@web.get("/nodes/<id:node_id>/edit")
@requires("admin")
def edit_node(node_id: int) -> str:
    node = nodes.get_node(node_id)
    return _form_page(Form(start=_start_values(node)), node)


@web.post("/nodes/<id:node_id>/edit")
@requires("admin")
def update_node(node_id: int) -> tuple[str, int] | Response:
    form = Form(NodeUpdateSchema())
    node = nodes.get_node(node_id)
    try:
        nodes.update_node(node_id, form.read(is_edit=True), actor())
    except (Invalid, Conflict) as error:
        return _form_page(form.refuse(error, _FIELD_BY_CODE), node), 422
    flash("The node's new settings are stored.", "done")
    return redirect(url_for("web.show_node", node_id=node_id), 303)


@web.post("/nodes/<id:node_id>/probe")
@requires("operator")
def probe_node(node_id: int) -> Response:
    back = url_for("web.show_node", node_id=node_id)
    try:
        probe = probes.probe_node(node_id)
    except BareboatError as error:
        return refuse(error, back)
    if probe.ok and probe.status_reason:
        flash(f"The node answered, but {reason(probe.status_reason)}.", "error")
    elif probe.ok:
        flash(f"The node answered in {probe.latency_ms:.1f} ms." if probe.latency_ms else "The node answered.", "done")
    else:
        flash(f"Probed: {reason(probe.status_reason)}.", "error")  # the page itself has the whole sentence
    return redirect(back, 303)


@web.post("/nodes/<id:node_id>/cordon")
@requires("admin")
def cordon_node(node_id: int) -> Response:
    cordoned = request.form.get("cordoned") == "on"
    node = nodes.update_node(node_id, {"cordoned": cordoned}, actor())
    flash(f"Node {node.name} takes no new work." if cordoned else f"Node {node.name} takes work again.", "done")
    return redirect(url_for("web.show_node", node_id=node_id), 303)


@web.post("/nodes/<id:node_id>/accept-root")
@requires("admin")
def accept_root(node_id: int) -> Response:
    back = url_for("web.show_node", node_id=node_id)
    try:
        node = nodes.accept_root(node_id, actor())
    except BareboatError as error:
        return refuse(error, back)
    flash(f"{node.projects_root} is accepted as it is; the next clone marks it.", "done")
    return redirect(back, 303)


@web.get("/nodes/<id:node_id>/delete")
@requires("admin")
def confirm_node_deletion(node_id: int) -> str:
    return render_template("nodes/delete.html", node=nodes.get_node(node_id))


@web.post("/nodes/<id:node_id>/delete")
@requires("admin")
def delete_node(node_id: int) -> Response:
    name = nodes.get_node(node_id).name
    try:
        nodes.delete_node(node_id, actor())
    except Conflict as error:
        return refuse(error, url_for("web.show_node", node_id=node_id))
    flash(f"Node {name} is forgotten. On the node itself nothing was changed.", "done")
    return redirect(url_for("web.list_nodes"), 303)


def _form_page(form: Form, node: Any = None) -> str:
    known = keys.list_keys(1, MAX_PAGE_SIZE).items
    others = [other for other in choices.node_names() if node is None or other.id != node.id]
    return render_template("nodes/form.html", form=form, node=node, keys=known, others=others)


def _start_values(node: Any) -> dict[str, Any]:
    names = ("name", "hostname", "ssh_port", "ssh_user", "ssh_key_id", "jump_node_id", "projects_root", "editor_url")
    labels = "\n".join(f"{name}={value}" for name, value in sorted(node.labels.items()))
    return {name: getattr(node, name) for name in names} | {"labels": labels}
