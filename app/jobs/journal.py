"""The log of one job: bytes in, rows out, in pieces; what is over the limit is dropped behind a visible mark."""

import re
import time
from datetime import datetime
from typing import Final

from sqlalchemy import func, select, update

from app.db import db, release, unit_of_work
from app.errors import LeaseLost
from app.models import Job, JobLogChunk

FLUSH_SECONDS: Final = 0.25
FLUSH_BYTES: Final = 64 * 1024


class Journal:
    """Appends cost the same at the end as at the start. Used by one thread, the job's.

    `taken` says how much of what the process on the node wrote is behind us; it is stored in one transaction with the
    bytes that it stands for, so that whoever takes the job up goes on exactly there. It writes only while the job is
    `owner`'s: of a runner that stood still for longer than its lease, nothing comes between what its successor writes.
    """

    def __init__(self, job_id: int, limit_bytes: int, owner: str | None = None) -> None:
        self._job_id = job_id
        self._owner = owner
        self._limit = limit_bytes
        self._offset = log_size(job_id)
        self._buffer = bytearray()
        self._taken: int | None = None
        self._flushed_at = time.monotonic()
        self._is_full = self._offset >= limit_bytes

    def write(self, data: bytes) -> None:
        if self._is_full or not data:
            return
        room = self._limit - self._offset - len(self._buffer)
        self._buffer += data[:room]
        if len(data) > room:
            self._is_full = True
            self._buffer += b"\n[the log ends here: limit of %d bytes reached]\n" % self._limit

    def take(self, offset: int) -> None:
        """All that the process wrote before `offset` has been written here, as far as it belongs in the log."""
        self._taken = offset
        self.flush_if_due()

    def flush_if_due(self) -> None:
        is_late = time.monotonic() - self._flushed_at >= FLUSH_SECONDS
        if is_late or len(self._buffer) >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Raises LeaseLost."""
        self._flushed_at = time.monotonic()
        if not self._buffer and self._taken is None:
            return
        data = bytes(self._buffer)
        taken = Job.log_offset if self._taken is None else self._taken
        mine = update(Job).where(Job.id == self._job_id, Job.owner == self._owner)
        with unit_of_work() as session:
            if not session.execute(mine.values(log_offset=taken)).rowcount:
                raise LeaseLost()
            if data:
                session.add(JobLogChunk(job_id=self._job_id, start_offset=self._offset, data=data))
        self._offset += len(data)
        self._buffer.clear()
        self._taken = None


def log_size(job_id: int) -> int:
    """Bytes of log that are stored."""
    end = func.max(JobLogChunk.start_offset + func.length(JobLogChunk.data))
    size = db.session.scalar(select(end).where(JobLogChunk.job_id == job_id)) or 0
    release()
    return size


def read_log(job_id: int, offset: int, limit: int) -> bytes:
    """Up to `limit` bytes of the log from byte `offset` on."""
    rows = select(JobLogChunk).where(
        JobLogChunk.job_id == job_id,
        JobLogChunk.start_offset + func.length(JobLogChunk.data) > offset,
        JobLogChunk.start_offset < offset + limit,
    )
    chunks = db.session.scalars(rows.order_by(JobLogChunk.start_offset))
    joined = b"".join(chunk.data[max(0, offset - chunk.start_offset) :] for chunk in chunks)
    return joined[:limit]


def read_timed_log(job_id: int) -> bytes:
    """The whole log, each line behind the time at which its first byte was stored."""
    columns = select(JobLogChunk.data, JobLogChunk.created_at).where(JobLogChunk.job_id == job_id)
    pieces, is_line_open = [], False
    for data, at in db.session.execute(columns.order_by(JobLogChunk.start_offset)):
        pieces.append(_timed(data, at, is_line_open))
        is_line_open = not data.endswith(b"\n")
    return b"".join(pieces)


def _timed(data: bytes, at: datetime, is_line_open: bool) -> bytes:
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3].encode() + b"Z "
    lines = re.findall(rb"[^\n]*\n|[^\n]+", data)
    return (b"" if is_line_open else stamp) + stamp.join(lines)
