"""What forms and filters offer to choose from: a few columns of many rows, never the rows themselves."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import exists, select

from app.db import db
from app.models import HostKey, Node, Project

PROJECTS_OFFERED: Final = 200


def node_names() -> list[Any]:
    """`id name` of every node, by name."""
    return list(db.session.execute(select(Node.id, Node.name).order_by(Node.name)))


def nodes_for_work() -> list[Any]:
    """Of every node, by name, what `projects.ensure_ready` looks at."""
    has_pin = exists().where(HostKey.node_id == Node.id).label("host_keys")
    columns = (Node.id, Node.name, Node.ssh_key_id, Node.status, Node.status_reason, Node.status_detail, Node.cordoned)
    return list(db.session.execute(select(*columns, has_pin).order_by(Node.name)))


def project_names(chosen_id: int | None) -> list[Any]:
    """`id name node_name` of the first projects by name, and of the chosen one wherever that is."""
    rows = select(Project.id, Project.name, Node.name.label("node_name")).join(Node, Project.node_id == Node.id)
    first = list(db.session.execute(rows.order_by(Project.name_folded, Project.id).limit(PROJECTS_OFFERED)))
    if chosen_id is None or any(row.id == chosen_id for row in first):
        return first
    return [*db.session.execute(rows.where(Project.id == chosen_id)), *first]


def projects_named(ids: Collection[int]) -> list[Any]:
    """`id name node_name` of these, by name."""
    rows = select(Project.id, Project.name, Node.name.label("node_name")).join(Node, Project.node_id == Node.id)
    rows = rows.where(Project.id.in_(ids)).order_by(Project.name_folded, Project.id)
    return list(db.session.execute(rows)) if ids else []


def project_ids(name: str | None, node_id: int | None) -> list[int]:
    """Of every project of this name, or of every project of this node."""
    rows = select(Project.id).order_by(Project.name_folded, Project.id)
    rows = rows.where(Project.name_folded == name.lower()) if name is not None else rows.filter_by(node_id=node_id)
    return list(db.session.scalars(rows))


def has_nodes() -> bool:
    return db.session.scalar(select(Node.id).limit(1)) is not None


def has_pins() -> bool:
    return db.session.scalar(select(HostKey.id).limit(1)) is not None
