"""`node`: enrolled, probed, listed, deleted. What concerns host keys is in hostkeys.py."""

import shlex
from typing import Any

import click
from flask import current_app

from app.cli.act import Acts, actor, load
from app.cli.show import as_json, print_json, print_pairs, print_table
from app.models import Node, NodeStatus
from app.schemas.nodes import NodeCreateSchema, NodeSchema
from app.services import nodes, probes
from app.services.keys import get_key_by_name


@click.group(cls=Acts)
def node() -> None:
    """Nodes: machines reached over SSH."""


@node.command("add")
@click.argument("name")
@click.argument("hostname", metavar="HOST")
@click.option("--port", "ssh_port", type=int, help="SSH port.  [default: 22]")
@click.option("--user", "ssh_user", default="root", show_default=True, help="Account to log in as.")
@click.option("--key", "key_name", help="Name of the SSH key to log in with.")
@click.option("--root", "projects_root", help="Folder for projects.  [default: setting PROJECTS_ROOT]")
@click.option("--jump", "jump_name", help="Name of the node through which this one is reached.")
def add_node(key_name: str | None, jump_name: str | None, projects_root: str | None, **given: Any) -> None:
    """Enrol a node. Nothing is said to it before a host key is pinned."""
    key_id = get_key_by_name(key_name).id if key_name else None
    root = projects_root or current_app.config["PROJECTS_ROOT"]
    values = load(NodeCreateSchema(), {**given, "ssh_key_id": key_id, "projects_root": root})
    if jump_name:
        values["jump_node_id"] = nodes.get_node_by_name(jump_name).id
    made = nodes.create_node(values, actor())
    click.echo(f"Added the node {made.name}. Next: node scan {made.name}, compare, node pin {made.name} …")


@node.command("list")
@as_json
def list_nodes(is_json: bool) -> None:
    """Nodes and how they are."""
    rows = nodes.all_nodes()
    if is_json:
        return print_json(NodeSchema(many=True).dump(rows))
    titles = ("ID", "NAME", "ADDRESS", "STATUS", "REASON", "LATENCY", "LAST SEEN", "PINS")
    return print_table(titles, (_cells(row) for row in rows))


@node.command("show")
@click.argument("name")
@as_json
def show_node(name: str, is_json: bool) -> None:
    """All about one node."""
    shown: dict[str, Any] = NodeSchema().dump(nodes.get_node_by_name(name))
    print_json(shown) if is_json else print_pairs(shown.items())


@node.command("probe")
@click.argument("name", required=False)
@click.pass_context
def probe_node(ctx: click.Context, name: str | None) -> None:
    """Probe one node, or all that are not cordoned. Exit status 1 when one is not ONLINE, or has a defect."""
    chosen = [nodes.get_node_by_name(name)] if name else [row for row in nodes.all_nodes() if not row.cordoned]
    for node_id in [row.id for row in chosen]:
        probes.probe_node(node_id)
    seen = [nodes.get_node(node_id) for node_id in [row.id for row in chosen]]
    cells = ((row.name, row.status.value, row.status_reason, _latency(row), _detail(row)) for row in seen)
    print_table(("NAME", "STATUS", "REASON", "LATENCY", "DETAIL"), cells)
    if any(row.status is not NodeStatus.ONLINE or row.status_reason for row in seen):
        ctx.exit(1)


@node.command("accept-root")
@click.argument("name")
def accept_root(name: str) -> None:
    """Take the projects root as it is now for the right one, although the mark of earlier clones is not in it."""
    accepted = nodes.accept_root(nodes.get_node_by_name(name).id, actor())
    click.echo(f"{accepted.projects_root} on {name} is accepted as it is; the next clone marks it")


@node.command("delete")
@click.argument("name")
def delete_node(name: str) -> None:
    """Forget a node that has no projects; nothing is done on it."""
    nodes.delete_node(nodes.get_node_by_name(name).id, actor())
    click.echo(f"Deleted the node {name}")


def _cells(row: Node) -> tuple[object, ...]:
    address = f"{row.ssh_user}@{row.hostname}:{row.ssh_port}"
    status = row.status.value + (" (cordoned)" if row.cordoned else "")
    return row.id, row.name, address, status, row.status_reason, _latency(row), row.last_seen_at, len(row.host_keys)


def _latency(row: Node) -> str | None:
    return None if row.latency_ms is None else f"{row.latency_ms:.1f} ms"


def _detail(row: Node) -> str:
    """The reason as a sentence, and what mends it on the node, where one command does."""
    sentence = (row.status_detail or "").partition("\n")[0]
    user, root = shlex.quote(row.ssh_user), shlex.quote(row.projects_root)
    mending = {
        "root_missing": f"install -d -o {user} -m 755 {root}",
        "root_unsafe": f"chmod go-w {root}",
        "root_not_writable": f"chown {user} {root}",
        "root_unmarked": f"mount {root}",
    }.get(row.status_reason or "")
    return f"{sentence} On the node: {mending}" if mending else sentence
