"""What the git programs print, read into values. Pure; the bytes come from a node and may be anything.

Everything is NUL-separated. A head is `sha NUL subject NUL author NUL committed_at NUL`; its four fields are empty
before the first commit. A status is a head, then `git status --porcelain=v2 --branch -z` (see git-status(1)). An
outcome is a head, then `branch NUL recovery NUL ahead NUL`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from app.errors import ActFailed

CHANGES_LIMIT: Final = 1000
TEXT_LIMIT: Final = 500
PATH_LIMIT: Final = 4096

_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_AHEAD_BEHIND: Final = re.compile(r"\+([0-9]{1,9}) -([0-9]{1,9})")
_COUNT: Final = re.compile(r"[0-9]{1,9}")
# Fields before the path, by the kind of entry; a rename is followed by its former path, a token of its own.
_FIELDS: Final = {"1": 8, "2": 9, "u": 10, "?": 1, "!": 1}
# By urgency: what one letter says is the state, whichever column it stands in.
_STATES: Final = (
    ("D", "deleted"),
    ("R", "renamed"),
    ("C", "copied"),
    ("A", "added"),
    ("T", "type_changed"),
    ("M", "modified"),
)


@dataclass(frozen=True, slots=True)
class Head:
    sha: str
    subject: str
    author: str
    committed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """`state`: modified, added, deleted, renamed, copied, type_changed, conflicted or untracked."""

    path: str
    state: str


@dataclass(frozen=True, slots=True)
class ProjectStatus:
    """`branch` None: detached. `head` None: no commit yet. `ahead`, `behind` None: no upstream, or it is gone.

    `truncated`: there are more changes than these.
    """

    branch: str | None
    detached: bool
    head: Head | None
    upstream: str | None
    ahead: int | None
    behind: int | None
    dirty: bool
    changes: tuple[Change, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What clone, pull and checkout end with; `branch` None: detached; `recovery_ref`: what a reset has kept; `ahead`:
    commits that the upstream has not, after a pull (None: nobody has looked)."""

    head: Head
    branch: str | None
    recovery_ref: str | None
    ahead: int | None = None


def parse_outcome(output: bytes) -> Outcome:
    """Raises ActFailed `repository_broken` when the bytes are none."""
    tokens = _tokens(output)
    head = _head(tokens)
    if head is None or len(tokens) < 6:
        raise _unreadable()
    ahead = _text(tokens[6]) if len(tokens) > 6 else ""
    return Outcome(head, _text(tokens[4]) or None, _text(tokens[5]) or None, _count(ahead))


def parse_head(output: bytes) -> Head | None:
    """None before the first commit. Raises ActFailed `repository_broken` when the bytes are none."""
    return _head(_tokens(output))


def parse_status(output: bytes) -> ProjectStatus:
    """Raises ActFailed `repository_broken` when the bytes are no status. An entry that was cut off is left out."""
    tokens = _tokens(output)
    head = _head(tokens)
    facts = _branch_facts(tokens[4:])
    if "oid" not in facts or "head" not in facts:
        raise _unreadable()
    changes, truncated = read_changes([token for token in tokens[4:] if token])
    detached = facts["head"] == "(detached)"
    counts = _AHEAD_BEHIND.fullmatch(facts.get("ab", ""))
    return ProjectStatus(
        branch=None if detached else facts["head"],
        detached=detached,
        head=head,
        upstream=facts.get("upstream"),
        ahead=int(counts[1]) if counts else None,
        behind=int(counts[2]) if counts else None,
        dirty=bool(changes),
        changes=changes,
        truncated=truncated or not output.endswith(b"\0"),
    )


def _tokens(output: bytes) -> list[bytes]:
    """What stands before each NUL; bytes behind the last one are a token cut short, and dropped."""
    return output.split(b"\0")[:-1]


def _head(tokens: list[bytes]) -> Head | None:
    if len(tokens) < 4:
        raise _unreadable()
    sha, subject, author, committed_at = (_text(token) for token in tokens[:4])
    if not sha:
        return None
    if not _SHA.fullmatch(sha):
        raise _unreadable()
    return Head(sha, subject, author, _moment(committed_at))


def _branch_facts(tokens: list[bytes]) -> dict[str, str]:
    """The header lines: `# branch.NAME VALUE`."""
    facts = {}
    for token in tokens:
        if not token.startswith(b"# "):
            break
        name, _, value = _text(token[2:]).partition(" ")
        facts[name.removeprefix("branch.")] = value
    return facts


def read_changes(tokens: list[bytes]) -> tuple[tuple[Change, ...], bool]:
    """The entries of a status, and whether there are more than these."""
    changes: list[Change] = []
    entries = iter(tokens)
    for token in entries:
        change = _change(token)
        if change is None:
            continue
        if len(changes) == CHANGES_LIMIT:
            return tuple(changes), True
        if token.startswith(b"2 "):
            next(entries, None)
        changes.append(change)
    return tuple(changes), False


def _change(token: bytes) -> Change | None:
    """None for headers and for what is no entry."""
    kind = chr(token[0])
    fields = token.split(b" ", _FIELDS.get(kind, 0))
    if kind not in _FIELDS or len(fields) != _FIELDS[kind] + 1:
        return None
    return Change(fields[-1].decode("utf-8", "replace")[:PATH_LIMIT], _state(kind, _text(fields[1])))


def _state(kind: str, letters: str) -> str:
    if kind in "?!":
        return "untracked" if kind == "?" else "ignored"
    if kind == "u":
        return "conflicted"
    return next((state for letter, state in _STATES if letter in letters), "modified")


def _count(text: str) -> int | None:
    return int(text) if _COUNT.fullmatch(text) else None


def _text(token: bytes) -> str:
    return token[: 4 * TEXT_LIMIT].decode("utf-8", "replace")[:TEXT_LIMIT]


def _moment(text: str) -> datetime | None:
    """None for a date that is beyond a calendar: commits may hold any number."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _unreadable() -> ActFailed:
    return ActFailed("repository_broken", "What git on the node says about this repository cannot be read.")
