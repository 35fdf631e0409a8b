"""Nodes: created, changed, pinned, deleted. What is said to a node goes through `build_target`, pins included."""

from typing import Any

from flask import current_app
from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError

from app.db import db, unit_of_work, utcnow
from app.errors import Invalid, NameTaken, NodeInUse, NotFound, WrongState
from app.models import Node, NodeStatus, Project, SSHKey
from app.plurals import counted
from app.secrets import Secret
from app.services.events import Actor, changes, event
from app.services.paging import Page, paginate, sorted_by
from app.services.runtime import runtime
from app.services.targets import find_target
from app.services.tokens import NODE_TOKEN_PREFIX, hash_token, new_token

_SORTABLE = {"id": Node.id, "name": Node.name, "status": Node.status, "created_at": Node.created_at}
_ADDRESS_FIELDS = frozenset({"hostname", "ssh_port", "ssh_user", "ssh_key_id", "jump_node_id", "projects_root"})


def list_nodes(filters: dict[str, Any], search: str | None, sort: str | None, page: int, page_size: int) -> Page[Node]:
    """`filters`: equal values of `status`, `cordoned`; `search` is part of the name or the host name."""
    rows = select(Node).filter_by(**filters).order_by(Node.name)
    if search:
        rows = rows.where(
            or_(Node.name.icontains(search, autoescape=True), Node.hostname.icontains(search, autoescape=True))
        )
    return paginate(sorted_by(rows, sort, _SORTABLE), page, page_size)


def all_nodes() -> list[Node]:
    """Every node by name, for choosing one."""
    return list(db.session.scalars(select(Node).order_by(Node.name)))


def status_counts() -> dict[str, int]:
    rows = db.session.execute(select(Node.status, func.count()).group_by(Node.status))
    return {status.value: 0 for status in NodeStatus} | {status.value: count for status, count in rows}


def find_node(node_id: int) -> Node | None:
    return db.session.get(Node, node_id)


def get_node(node_id: int) -> Node:
    node = find_node(node_id)
    if node is None:
        raise NotFound(f"There is no node {node_id}.")
    return node


def get_node_by_name(name: str) -> Node:
    node = db.session.scalar(select(Node).where(Node.name == name))
    if node is None:
        raise NotFound(f"There is no node {name!r}.")
    return node


def create_node(values: dict[str, Any], actor: Actor) -> Node:
    """`values` are fields that a schema has checked. The node is UNKNOWN and unpinned: nothing is said to it."""
    values = {"projects_root": current_app.config["PROJECTS_ROOT"]} | values
    _ensure_key_exists(values.get("ssh_key_id"))
    _ensure_jump_possible(None, values.get("jump_node_id"))
    node = Node(**values)
    try:
        with unit_of_work() as session:
            session.add_all([node, event(actor, "node.create", f"node {node.name}", detail=node.hostname)])
    except IntegrityError as error:
        raise _name_taken(values["name"]) from error
    return node


def update_node(node_id: int, values: dict[str, Any], actor: Actor) -> Node:
    """A changed address ends pooled connections; pins stay, since they say who is there, not where."""
    node = get_node(node_id)
    _ensure_root_may_change(node, values.get("projects_root", node.projects_root))
    _ensure_key_exists(values.get("ssh_key_id"))
    _ensure_jump_possible(node_id, values.get("jump_node_id"))
    before, told = find_target(node), changes(node, values)
    if values.get("projects_root", node.projects_root) != node.projects_root:
        values = values | {"root_marked_at": None}
    try:
        with unit_of_work() as session:
            for name, value in values.items():
                setattr(node, name, value)
            if _ADDRESS_FIELDS & values.keys():
                node.status, node.status_reason, node.next_probe_at = NodeStatus.UNKNOWN, None, None
            session.add(event(actor, "node.update", f"node {node.name}", detail=told))
    except IntegrityError as error:
        raise _name_taken(str(values.get("name"))) from error
    if before is not None and _ADDRESS_FIELDS & values.keys():
        runtime().nodes.forget(before)
    return node


def delete_node(node_id: int, actor: Actor) -> None:
    node = get_node(node_id)
    if (count := _count(select(Project.id).where(Project.node_id == node_id))) > 0:
        raise NodeInUse(f"Node {node.name} still has projects ({count}); delete or forget them first.")
    if (count := _count(select(Node.id).where(Node.jump_node_id == node_id))) > 0:
        raise NodeInUse(f"Node {node.name} is the jump host of {counted(count, 'node')}; give them another way first.")
    target = find_target(node)
    try:
        with unit_of_work() as session:
            session.add(event(actor, "node.delete", f"node {node.name}"))
            session.delete(node)
    except IntegrityError as error:
        raise NodeInUse() from error
    if target is not None:
        runtime().nodes.forget(target)


def accept_root(node_id: int, actor: Actor) -> Node:
    """The projects root as it is now is the right one, although the mark of earlier clones is not in it; the next one
    marks it. Raises WrongState where no mark is expected."""
    node = get_node(node_id)
    if node.root_marked_at is None:
        raise WrongState(f"Nothing was cloned to node {node.name} yet (or its root is accepted already): just clone.")
    with unit_of_work() as session:
        node.root_marked_at = node.next_probe_at = None
        if node.status_reason == "root_unmarked":
            node.status_reason = node.status_detail = None
        session.add(event(actor, "node.accept_root", f"node {node.name}", detail=node.projects_root))
    return node


def note_root_marked(node_id: int) -> None:
    """A clone has put its mark there, or found it."""
    unmarked = update(Node).where(Node.id == node_id, Node.root_marked_at.is_(None))
    with unit_of_work() as session:
        session.execute(unmarked.values(root_marked_at=utcnow()))


def renew_token(node_id: int, actor: Actor) -> Secret:
    """A new token with which a script on the node may report; the old one ends. This is its only showing."""
    node = get_node(node_id)
    token = new_token(NODE_TOKEN_PREFIX)
    with unit_of_work() as session:
        node.token_hash = hash_token(token.reveal())
        session.add(event(actor, "node.token", f"node {node.name}"))
    return token


def find_node_by_token(text: str) -> Node | None:
    return db.session.scalar(select(Node).where(Node.token_hash == hash_token(text)))


def _count(rows: Any) -> int:
    return db.session.scalar(select(func.count()).select_from(rows.subquery())) or 0


def _name_taken(name: str) -> NameTaken:
    return NameTaken(f"There is a node {name!r} already; choose another name.", errors={"name": ["In use."]})


def _ensure_key_exists(key_id: int | None) -> None:
    if key_id is not None and db.session.get(SSHKey, key_id) is None:
        raise Invalid(f"There is no SSH key {key_id}.", errors={"ssh_key_id": ["No such key."]})


def _ensure_root_may_change(node: Node, root: str) -> None:
    if root != node.projects_root and _count(select(Project.id).where(Project.node_id == node.id)):
        rule = f"Node {node.name} has projects under {node.projects_root}; delete them before moving its root."
        raise NodeInUse(rule, errors={"projects_root": [rule]})


def _ensure_jump_possible(node_id: int | None, jump_id: int | None) -> None:
    """The jump host exists, and the way to it does not lead back through this node."""
    while jump_id is not None:
        jump = db.session.get(Node, jump_id)
        if jump is None:
            raise Invalid(f"There is no node {jump_id}.", errors={"jump_node_id": ["No such node."]})
        if jump.id == node_id:
            raise Invalid(errors={"jump_node_id": ["The way to this node would lead through itself."]})
        jump_id = jump.jump_node_id
