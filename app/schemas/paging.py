"""Lists: which page, how long, in which order."""

from typing import Any, Final

from app.schemas.base import QueryInteger, StrictSchema, Text

MAX_PAGE_SIZE: Final = 200
MAX_PAGE: Final = 1_000_000


class PageQuery(StrictSchema):
    page = QueryInteger(load_default=1, maximum=MAX_PAGE, metadata={"description": "The first page is 1."})
    page_size = QueryInteger(load_default=50, maximum=MAX_PAGE_SIZE, metadata={"description": "Items on a page."})


class SortedPageQuery(PageQuery):
    sort = Text(
        load_default=None,
        maximum=32,
        pattern="-?[a-z_]+",
        rule="A field's name, with '-' before it for descending.",
        metadata={"description": "A field's name; with `-` before it for descending order.", "example": "-created_at"},
    )


def with_filters(data: dict[str, Any], *names: str) -> dict[str, Any]:
    """The named values, as far as they are given, go into `filters`: the shape in which services take a list query."""
    return {"filters": {name: data.pop(name) for name in names if name in data}} | data
