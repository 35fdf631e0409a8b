"""Choosing some of very many projects or nodes. The search is a button of the form that is filled in: what is typed and
ticked stays, whatever is searched for next. Nothing of it needs a script."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import request

from app.services import choices, projects
from app.web.paging import asked_id, asked_search, asked_word
from app.web.words import PROJECT_STATUSES

SHOWN: Final = 200
PREFIX: Final = "find"  # of what belongs to the search, and not to the values of the form


@dataclass(frozen=True, slots=True)
class Choosing:
    """`items` fit the search, `kept` are ticked and do not. `total` of those that fit: the least, unless exact."""

    items: Sequence[Any]
    kept: Sequence[Any]
    ticked: frozenset[int]
    search: str
    filters: dict[str, Any]
    total: int
    is_exact: bool

    @property
    def has_more(self) -> bool:
        return self.total > len(self.items)


def is_searching() -> bool:
    """The form was sent to search, and not to do anything."""
    return PREFIX in request.form


def ticked(name: str) -> list[int]:
    """The ids of the boxes that are ticked."""
    return [int(text) for text in request.form.getlist(name) if text.isdecimal() and len(text) < 10]


def projects_to_choose() -> Choosing:
    search, filters = _asked()
    page = projects.list_projects(filters, search, None, 1, SHOWN)
    chosen = _chosen("project_ids", page.items, is_narrowed=bool(search or filters))
    kept = choices.projects_named(chosen - {project.id for project in page.items})
    return Choosing(page.items, kept, chosen, search, filters, page.total, page.is_exact)


def nodes_to_choose(nodes: Sequence[Any]) -> Choosing:
    """Of these; what cannot be chosen (`why_not`) is not ticked."""
    search = request.form.get(f"{PREFIX}.q", "").strip()[:255]
    fitting = [node for node in nodes if search.lower() in node.name.lower()]
    shown = fitting[:SHOWN]
    chosen = _chosen("node_ids", [node for node in shown if not getattr(node, "why_not", None)])
    ids = {node.id for node in shown}
    kept = [node for node in nodes if node.id in chosen and node.id not in ids]
    return Choosing(shown, kept, chosen, search, {}, len(fitting), is_exact=True)


def _asked() -> tuple[str, dict[str, Any]]:
    """By the form; or by the address, with which other pages lead to it."""
    if request.method == "GET":
        return asked_search(), asked_word("status", PROJECT_STATUSES) | asked_id("node_id")
    status, node_id = (request.form.get(f"{PREFIX}.{name}", "") for name in ("status", "node_id"))
    by_status = {"status": status} if status in PROJECT_STATUSES else {}
    by_node = {"node_id": int(node_id)} if node_id.isdecimal() and len(node_id) < 10 else {}
    return request.form.get(f"{PREFIX}.q", "").strip()[:255], by_status | by_node


def _chosen(name: str, found: Collection[Any], *, is_narrowed: bool = False) -> frozenset[int]:
    """What was ticked, and what was found where that is to be ticked, too: by the button, or by an address that says
    which."""
    takes_all = request.form.get(PREFIX) == "all" or (request.method == "GET" and is_narrowed)
    return frozenset(ticked(name)) | (frozenset(row.id for row in found) if takes_all else frozenset())
