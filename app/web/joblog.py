"""A job's log in a page: its end at once, then whatever comes, cut only where a character ends."""

import codecs
from dataclasses import dataclass

from app.redaction import printable
from app.services import jobs

SHOWN_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class LogPart:
    """`text` is safe to show; `next_offset` is where the following part begins; `is_cut`: there is more before it."""

    text: str
    next_offset: int
    is_cut: bool = False


def log_end(job_id: int) -> LogPart:
    data, start = jobs.read_job_log_end(job_id, SHOWN_BYTES)
    if start:
        skipped = data.find(b"\n") + 1  # the first line is cut
        data, start = data[skipped:], start + skipped
    return _part(data, start, is_cut=start > 0)


def log_from(job_id: int, offset: int) -> LogPart:
    data, _ = jobs.read_job_log(job_id, offset)
    return _part(data, offset)


def _part(data: bytes, start: int, is_cut: bool = False) -> LogPart:
    """What may be half a character, or half of a CR LF, waits for the rest."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data)
    waiting = len(decoder.getstate()[0])
    if text.endswith("\r") and not waiting:
        text, waiting = text[:-1], 1
    return LogPart(printable(text), start + len(data) - waiting, is_cut)
