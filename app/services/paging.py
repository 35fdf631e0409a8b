"""Pages of rows, with the total as far as it is worth counting."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm.interfaces import ORMOption
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import desc_op

from app.db import db
from app.errors import Invalid

T = TypeVar("T")
MAX_PAGE_SIZE = 200
COUNT_LIMIT = 10_000
SEARCH_COUNT_LIMIT = 1_000
FAR = 100_000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`total` is exact, or, where `is_exact` says no, the least that there are; a next page is always told rightly.

    `next_before`: of a list that is also walked by ids, from which one to go on.
    """

    items: list[T]
    total: int
    page: int
    page_size: int
    is_exact: bool = True
    next_before: int | None = None

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.page_size))


def paginate(rows: Select[Any], page: int, page_size: int, *options: ORMOption) -> Page[Any]:
    """Page 1 is the first; a page behind the last is empty. `options` say how the rows themselves are loaded.

    Ids are looked for first: an index answers that alone, so that what is skipped is never read or joined.
    """
    page_size = min(page_size, MAX_PAGE_SIZE)
    kind = rows.column_descriptions[0]["entity"]
    skipped = (page - 1) * page_size
    ids, has_more = _ids(rows, kind, skipped, page_size)
    total, is_exact = skipped + len(ids), True
    if has_more or (page > 1 and not ids):
        total, is_exact = _count(rows, total + has_more if ids else 0)
    return Page(_load(kind, ids, options), total, page, page_size, is_exact)


def paginate_search(rows: Select[Any], page: int, page_size: int, *options: ORMOption) -> Page[Any]:
    """The same for a condition that every row must be asked for: one walk finds the ids, and how many there are."""
    end = page * page_size
    if end > SEARCH_COUNT_LIMIT or page_size > MAX_PAGE_SIZE:
        return paginate(rows, page, page_size, *options)
    kind = rows.column_descriptions[0]["entity"]
    found = db.session.scalars(rows.with_only_columns(kind.id).limit(SEARCH_COUNT_LIMIT + 1)).all()
    items = _load(kind, found[end - page_size : end], options)
    return Page(items, len(found), page, page_size, len(found) <= SEARCH_COUNT_LIMIT)


def sorted_by(rows: Select[Any], sort: str | None, columns: dict[str, Any]) -> Select[Any]:
    """`sort` is a field name, with `-` before it for descending; only fields in `columns` are allowed.

    A field may stand for several columns. Equal rows go by id, so that pages do not overlap.
    """
    if not sort:
        return rows
    wanted = columns.get(sort.removeprefix("-"))
    if wanted is None:
        raise Invalid(errors={"sort": [f"One of: {', '.join(columns)}; with '-' before it for descending."]})
    order = (*(wanted if isinstance(wanted, tuple) else (wanted,)), columns["id"])
    return rows.order_by(None).order_by(*(column.desc() if sort.startswith("-") else column for column in order))


def _ids(rows: Select[Any], kind: Any, skipped: int, size: int) -> tuple[Sequence[int], bool]:
    """Of one page, and whether more rows follow it. What is skipped is walked over in the index, so a page far behind
    the first is looked for from the nearer end; the rows are counted for that, at a tenth of the walk's cost."""
    ids = rows.with_only_columns(kind.id)
    if skipped >= FAR:
        behind = _count_all(rows) - skipped
        if 0 < behind < skipped:
            start = max(0, behind - size)
            found = db.session.scalars(_backwards(ids).limit(min(size, behind)).offset(start)).all()
            return found[::-1], start > 0
    found = db.session.scalars(ids.limit(size + 1).offset(skipped)).all()
    return found[:size], len(found) > size


def _count_all(rows: Select[Any]) -> int:
    """Without a condition nothing but the kept FROM names the table."""
    counted = rows.with_only_columns(func.count(), maintain_column_froms=True).order_by(None)
    return db.session.scalar(counted) or 0


def _backwards(rows: Select[Any]) -> Select[Any]:
    order = [
        clause.element if isinstance(clause, UnaryExpression) and clause.modifier is desc_op else clause.desc()
        for clause in rows._order_by_clauses
    ]
    return rows.order_by(None).order_by(*order)


def _count(rows: Select[Any], least: int) -> tuple[int, bool]:
    """Never more than COUNT_LIMIT and one are counted: beyond, the answer is a lower bound."""
    kind = rows.column_descriptions[0]["entity"]
    some = rows.with_only_columns(kind.id).order_by(None).limit(COUNT_LIMIT + 1).subquery()
    counted = db.session.scalar(select(func.count()).select_from(some)) or 0
    return (counted, True) if counted <= COUNT_LIMIT else (max(counted, least), False)


def _load(kind: Any, ids: Any, options: tuple[ORMOption, ...]) -> list[Any]:
    if not ids:
        return []
    by_id = {row.id: row for row in db.session.scalars(select(kind).where(kind.id.in_(ids)).options(*options))}
    return [by_id[id_] for id_ in ids if id_ in by_id]
