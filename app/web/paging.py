"""What a list's address says: which page, which filters."""

from collections.abc import Collection

from flask import request

from app.edge.identity import BACKGROUND_HEADER

PAGE_SIZE = 50
_LAST_PAGE = 100_000


def asked_page() -> int:
    """From 1; what is no number is the first."""
    return min(max(request.args.get("page", 1, type=int), 1), _LAST_PAGE)


def asked_search() -> str:
    return request.args.get("q", "").strip()[:255]


def asked_word(name: str, allowed: Collection[str]) -> dict[str, str]:
    """A filter, where the address has an allowed value for it."""
    value = request.args.get(name, "")
    return {name: value} if value in allowed else {}


def asked_id(name: str) -> dict[str, int]:
    value = request.args.get(name, type=int)
    return {name: value} if value and 0 < value < 2**31 else {}


def is_refresh() -> bool:
    """A page that refreshes itself takes its live part only: what stands around it need not be read again."""
    return BACKGROUND_HEADER in request.headers
