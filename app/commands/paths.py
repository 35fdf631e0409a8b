"""Names and paths as types: what has one of these types has passed its rule. Reject; never repair."""

import re
import unicodedata
from typing import Final, Self

from app.errors import UnsafePath

COMPONENT_LIMIT_BYTES: Final = 255
PATH_LIMIT_BYTES: Final = 1024

_PROJECT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_JOB_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
# Control characters, and what breaks a line: they forge lines in listings, logs and terminals.
_FORBIDDEN_CATEGORIES: Final = frozenset({"Cc", "Zl", "Zp"})
# Drawn as nothing and skipped by some file systems, beyond category Cf (format characters).
_IGNORABLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


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


class JobKey(str):
    """What names a job's own folders and refs on a node: letters, digits and `-`, at most 64."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if not _JOB_KEY.fullmatch(text):
            raise UnsafePath("A job key has only letters, digits and '-' (at most 64).")
        return super().__new__(cls, text)


class RelativePath(str):
    """A path below a project: relative, no empty, `.`, `..` or `.git` component, no control characters.

    A component may begin with a dash: on the node a path is always written `./PATH`.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        _ensure_plain_text(text, "A path")
        if text.startswith("/"):
            raise UnsafePath("A path must be relative to the project; it must not start with '/'.")
        for component in text.split("/"):
            _ensure_component(component)
        return super().__new__(cls, text)


class ProjectsRoot(str):
    """The folder on a node that holds the projects: absolute, already normal, not `/`.

    A colon is refused because git splits GIT_CEILING_DIRECTORIES, which keeps it below the root, at colons.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        _ensure_plain_text(text, "The projects root")
        if not text.startswith("/") or text == "/":
            raise UnsafePath("The projects root must be an absolute path below '/', such as /data/projects.")
        if any(part in ("", ".", "..") for part in text[1:].split("/")):
            raise UnsafePath("The projects root must have no '.', '..' or doubled '/', and no '/' at its end.")
        if ":" in text:
            raise UnsafePath("The projects root must not hold ':'.")
        return super().__new__(cls, text)


def _ensure_plain_text(text: str, subject: str) -> None:
    if not text:
        raise UnsafePath(f"{subject} must not be empty.")
    if any(unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in text):
        raise UnsafePath(f"{subject} must not hold control characters or line breaks.")
    if _bytes_of(text) > PATH_LIMIT_BYTES:
        raise UnsafePath(f"{subject} must not be longer than {PATH_LIMIT_BYTES} bytes.")


def _ensure_component(component: str) -> None:
    if component in ("", ".", ".."):
        raise UnsafePath("A path must have no empty, '.' or '..' component.")
    if _bytes_of(component) > COMPONENT_LIMIT_BYTES:
        raise UnsafePath(f"A component of a path must not be longer than {COMPONENT_LIMIT_BYTES} bytes.")
    if _is_dot_git(component):
        raise UnsafePath("A path must not lead into '.git', however it is written.")


def _bytes_of(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise UnsafePath("A path must be valid Unicode.") from error


def _is_dot_git(component: str) -> bool:
    """Also what HFS+ (ignorable characters) and NTFS (final dots and spaces, streams, short names) open as `.git`."""
    visible = "".join(character for character in component if unicodedata.category(character) != "Cf")
    plain = unicodedata.normalize("NFKC", _IGNORABLE.sub("", visible)).casefold().partition(":")[0].rstrip(". ")
    return plain in (".git", "git~1")
