"""Pages of rows, with the total as far as it is worth counting."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm.interfaces import ORMOption

from app.db import db
from app.errors import Invalid

T = TypeVar("T")
MAX_PAGE_SIZE = 200
COUNT_LIMIT = 10_000
SEARCH_COUNT_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`total` is exact, or, where `is_exact` says no, the least that there are; a next page is always told rightly."""

    items: list[T]
    total: int
    page: int
    page_size: int
    is_exact: bool = True

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
    found = db.session.scalars(rows.with_only_columns(kind.id).limit(page_size + 1).offset(skipped)).all()
    ids, has_more = found[:page_size], len(found) > page_size
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
