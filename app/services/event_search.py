"""Finding events: by kind, outcome, who, node, project, time and words. However many there are, a question looks at
LOOKED of them at most, the newest first, and says where the next one goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import aliased

from app.db import db
from app.models import Event
from app.services.paging import MAX_PAGE_SIZE, Page, paginate

LOOKED: Final = 100_000
TROUBLES: Final = ("refused", "FAILED", "TIMED_OUT", "OFFLINE", "ERROR")
_FIRST_LOOK: Final = 2_000
# One of them is walked along its index, the first that is asked for; whatever else is asked of each row.
_INDEXED: Final = ("project", "node", "action", "actor", "outcome")
_COLUMNS: Final = {"project": "project_name", "node": "node_name"}


def list_events(
    page: int,
    page_size: int,
    filters: Mapping[str, Any] | None = None,
    search: str | None = None,
    before: int | None = None,
) -> Page[Event]:
    """`filters`: equal values of `project`, `node` (their names at that time), `action` (or its noun, `project` for
    all of `project.*`), `actor`, `outcome`; times `since`, `until`; `trouble`, true for what went wrong.

    `before`: the id of an event, whose elders are meant. `next_before` of the page is what to ask next, if anything.
    """
    wanted = dict(filters or {})
    rows = _walk(wanted, before)
    rest = _rest(wanted, search)
    if rest:
        return _looked_through(rows, rest, page, min(page_size, MAX_PAGE_SIZE))
    found = paginate(rows, page, page_size)
    return replace(found, next_before=found.items[-1].id if found.items and found.page < found.pages else None)


def known(column: str) -> list[str]:
    """Every value that events have in `action` or `outcome`, each found by one step in its index."""
    asked = getattr(Event, column)
    first = select(func.min(asked).label("value")).cte("known", recursive=True)
    following = select(func.min(asked)).where(asked > first.c.value).scalar_subquery()
    values = first.union_all(select(following).where(first.c.value.is_not(None)))
    return [value for value in db.session.scalars(select(values.c.value)) if value is not None]


def _walk(wanted: dict[str, Any], before: int | None) -> Select[Any]:
    """Along one index, in its order; what it answers is taken out of `wanted`."""
    conditions = [Event.at >= wanted.pop("since")] if "since" in wanted else []
    conditions += [Event.at <= wanted.pop("until")] if "until" in wanted else []
    if before is not None:
        conditions.append(_elder_than(before))
    narrowest = next((name for name in _INDEXED if name in wanted and _is_exact(name, wanted[name])), None)
    if narrowest:
        conditions.append(_equals(Event, narrowest, wanted.pop(narrowest)))
    return select(Event).where(*conditions).order_by(Event.at.desc(), Event.id.desc())


def _rest(wanted: Mapping[str, Any], search: str | None) -> list[Any]:
    """Conditions to be asked of each row, as functions of where it is read."""
    conditions: list[Any] = []
    for name, value in wanted.items():
        if name == "trouble":
            conditions += [lambda row: row.outcome.in_(TROUBLES)] if value else []
        elif _is_exact(name, value):
            conditions.append(lambda row, name=name, value=value: _equals(row, name, value))
        else:
            conditions.append(lambda row, value=value: row.action.startswith(f"{value}.", autoescape=True))
    if search:
        conditions.append(lambda row: _has_text(row, search))
    return conditions


def _looked_through(rows: Select[Any], rest: Sequence[Any], page: int, size: int) -> Page[Event]:
    """A short look first, which is enough where much fits."""
    end = page * size
    for most in (_FIRST_LOOK, LOOKED):
        ids = _fitting(rows.limit(most), rest, end + 1)
        if len(ids) > end:
            break
    last = _last_looked_at(rows) if len(ids) <= end else ids[end - 1]
    items = _load(ids[end - size : end])
    return Page(items, len(ids), page, size, is_exact=last is None, next_before=last)


def _fitting(rows: Select[Any], rest: Sequence[Any], limit: int) -> Sequence[int]:
    row = aliased(Event, rows.subquery())
    fitting = select(row.id).where(and_(*(condition(row) for condition in rest)))
    return db.session.scalars(fitting.order_by(row.at.desc(), row.id.desc()).limit(limit)).all()


def _last_looked_at(rows: Select[Any]) -> int | None:
    """The id of the last event that a look takes in; None where no other follows it."""
    ids = db.session.scalars(rows.with_only_columns(Event.id).offset(LOOKED - 1).limit(2)).all()
    return ids[0] if len(ids) == 2 else None


def _load(ids: Sequence[int]) -> list[Event]:
    found = {row.id: row for row in db.session.scalars(select(Event).where(Event.id.in_(ids)))} if ids else {}
    return [found[id_] for id_ in ids if id_ in found]


def _elder_than(event_id: int) -> ColumnElement[bool]:
    at = db.session.scalar(select(Event.at).where(Event.id == event_id))
    if at is None:  # cleared away by age: what is elder is, too
        return Event.id < event_id
    return and_(Event.at <= at, or_(Event.at < at, Event.id < event_id))


def _is_exact(name: str, value: Any) -> bool:
    return name != "action" or "." in value


def _equals(row: Any, name: str, value: Any) -> ColumnElement[bool]:
    equal: ColumnElement[bool] = getattr(row, _COLUMNS.get(name, name)) == value
    return equal


def _has_text(row: Any, text: str) -> ColumnElement[bool]:
    return or_(*(column.icontains(text, autoescape=True) for column in (row.subject, row.detail, row.address)))
