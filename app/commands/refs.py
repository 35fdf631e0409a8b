"""GitRef: a branch, a tag or a commit id that may be given to git, by the rules of git-check-ref-format(1)."""

import re
from typing import Final, Self

from app.errors import Invalid

REF_LIMIT_BYTES: Final = 255

_REFUSED: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029~^:?*\[\\]|\.\.|@\{|//")
_COMMIT: Final = re.compile(r"[0-9a-f]{4,64}")


class GitRef(str):
    """A short name (`main`, `v1.0`, `0a1beaa`), never a full `refs/…`: the program on the node says where to look."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        _ensure_text(text)
        _ensure_shape(text)
        if text in ("@", "HEAD") or text.startswith("refs/"):
            raise Invalid("Name a branch, tag or commit by its short name, not HEAD, '@' or refs/….")
        return super().__new__(cls, text)

    @property
    def may_be_commit(self) -> bool:
        return _COMMIT.fullmatch(self) is not None


def _ensure_text(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise Invalid("A branch, tag or commit must be valid Unicode.") from error
    if not 0 < size <= REF_LIMIT_BYTES:
        raise Invalid(f"A branch, tag or commit has 1 to {REF_LIMIT_BYTES} bytes.")
    if _REFUSED.search(text):
        raise Invalid("A branch, tag or commit must not hold spaces, control characters, ~ ^ : ? * [ \\ .. @{ or //.")


def _ensure_shape(text: str) -> None:
    if text.startswith("-"):
        raise Invalid("A branch, tag or commit must not start with '-'.")
    if text.startswith("/") or text.endswith(("/", ".")):
        raise Invalid("A branch, tag or commit must not start with '/', nor end in '/' or '.'.")
    if any(part.startswith(".") or part.endswith(".lock") for part in text.split("/")):
        raise Invalid("No part of a branch or tag may start with '.' or end in '.lock'.")
