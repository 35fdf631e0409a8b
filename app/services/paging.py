"""Pages of rows, with the total."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select

from app.db import db
from app.errors import Invalid

T = TypeVar("T")
MAX_PAGE_SIZE = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: list[T]
    total: int
    page: int
    page_size: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.page_size))


def paginate(rows: Select[Any], page: int, page_size: int) -> Page[Any]:
    """Page 1 is the first; a page behind the last is empty."""
    found = db.paginate(rows, page=page, per_page=page_size, max_per_page=MAX_PAGE_SIZE, error_out=False)
    return Page(list(found.items), found.total or 0, page, page_size)


def sorted_by(rows: Select[Any], sort: str | None, columns: dict[str, Any]) -> Select[Any]:
    """`sort` is a field name, with `-` before it for descending; only fields in `columns` are allowed."""
    if not sort:
        return rows
    column = columns.get(sort.removeprefix("-"))
    if column is None:
        raise Invalid(errors={"sort": [f"One of: {', '.join(columns)}; with '-' before it for descending."]})
    return rows.order_by(None).order_by(column.desc() if sort.startswith("-") else column)
