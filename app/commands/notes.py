"""Notes: what the log of acts on a node, `.bareboat/acts.log`, says of one; for whoever looks after the node."""

import re
from datetime import UTC, datetime
from typing import Final

FIELD_CHARACTERS: Final = 64
_ODD: Final = re.compile(r"[^A-Za-z0-9._@+-]")


def node_note(now: datetime, job_key: str, kind: str, project: str | None, asked_by: str) -> str:
    """`2026-03-01T02:03:04Z job-17-1-0a1b2c3d project.pull shop ann`: always five words, without any odd character.

    The time is ours, since the node would need a program to tell its own.
    """
    words = (_clean(word) for word in (job_key, kind, project or "", asked_by))
    return " ".join((now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), *words))


def _clean(word: str) -> str:
    return _ODD.sub("_", word)[:FIELD_CHARACTERS] or "-"
