"""Names and paths as types: what has one of these types has passed its rule. Reject; never repair."""

import re
from typing import Final, Self

from app.errors import UnsafePath

_PROJECT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class ProjectName(str):
    """One component: letters, digits, `.`, `_`, `-`; at most 63; not ending in `.`, `.lock` or `.git`."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if not _PROJECT_NAME.fullmatch(text):
            raise UnsafePath(
                "A project name starts with a letter or digit and has only letters, digits, . _ - (at most 63)."
            )
        if text.lower().endswith((".", ".lock", ".git")):
            raise UnsafePath("A project name must not end in '.', '.lock' or '.git'.")
        return super().__new__(cls, text)


class RelativePath(str):
    """A path below a project: relative, no empty, `.`, `..` or `.git` component, no control characters."""

    __slots__ = ()
