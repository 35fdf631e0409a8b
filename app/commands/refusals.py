"""What a refused act on a project is about, as the programs report it. Pure; the bytes come from a node.

On stdout stand sections, all NUL-separated: a word with a number (how many there are), then the first of them, cut
after so many bytes. `here` and `upstream`: `sha subject` of commits that only one side has. `changes`: entries of
`git status --porcelain=v2 -z`. `conflicts`, `untracked`: names of files. Nothing of the text is trusted: it is bounded,
and what could steer a terminal is made visible.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from app.commands.gitstatus import Change, read_changes
from app.redaction import printable

COMMITS_LIMIT: Final = 20
FILES_LIMIT: Final = 50
SUBJECT_LIMIT: Final = 200
PATH_LIMIT: Final = 300
_SECTION: Final = re.compile(rb"(here|upstream|changes|conflicts|untracked) ([0-9]{1,9})")
_NAMES: Final = {b"conflicts": "conflicted", b"untracked": "untracked"}
_COMMIT: Final = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The first of the commits that only this place has, that only the upstream has, and of the files in the way; and
    how many more there are."""

    commits_here: tuple[tuple[str, str], ...] = ()
    commits_here_left_out: int = 0
    commits_upstream: tuple[tuple[str, str], ...] = ()
    commits_upstream_left_out: int = 0
    files: tuple[Change, ...] = ()
    files_left_out: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "commits_here": [{"sha": sha, "subject": subject} for sha, subject in self.commits_here],
            "commits_here_left_out": self.commits_here_left_out,
            "commits_upstream": [{"sha": sha, "subject": subject} for sha, subject in self.commits_upstream],
            "commits_upstream_left_out": self.commits_upstream_left_out,
            "files": [{"path": file.path, "state": file.state} for file in self.files],
            "files_left_out": self.files_left_out,
        }


def parse_refusal(output: bytes) -> Refusal | None:
    """None where nothing was reported."""
    tokens = [token for token in output.split(b"\0") if token]
    if not tokens or not _SECTION.fullmatch(tokens[0]):
        return None
    here, here_more = _commits(tokens, b"here")
    upstream, upstream_more = _commits(tokens, b"upstream")
    files, files_more = _files(tokens)
    return Refusal(here, here_more, upstream, upstream_more, files, files_more)


def _commits(tokens: list[bytes], word: bytes) -> tuple[tuple[tuple[str, str], ...], int]:
    count, rest = _section(tokens, word)
    found = []
    for token in rest[:COMMITS_LIMIT]:
        if not (commit := _COMMIT.fullmatch(token)):
            break
        found.append((commit[1].decode(), _line(commit[2], SUBJECT_LIMIT)))
    return tuple(found), max(0, count - len(found))


def _files(tokens: list[bytes]) -> tuple[tuple[Change, ...], int]:
    """These stand last: what follows their word is theirs, whatever it looks like."""
    count, rest = _section(tokens, b"changes")
    found = read_changes(rest)[0]
    for word, state in _NAMES.items():
        if not count:
            count, rest = _section(tokens, word)
            found = tuple(Change(token.decode("utf-8", "replace"), state) for token in rest)
    shown = tuple(Change(_line(one.path, PATH_LIMIT), one.state) for one in found[:FILES_LIMIT])
    return shown, max(0, count - len(shown))


def _section(tokens: list[bytes], word: bytes) -> tuple[int, list[bytes]]:
    for place, token in enumerate(tokens):
        if (found := _SECTION.fullmatch(token)) and found[1] == word:
            return int(found[2]), tokens[place + 1 :]
        if found and found[1] in (b"changes", *_NAMES):
            break
    return 0, []


def _line(text: str | bytes, limit: int) -> str:
    """One line: what breaks it is an escape, too."""
    return printable(printable(text).replace("\n", "\\n").replace("\t", "\\t"), limit)
