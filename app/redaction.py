"""Text made fit to be stored, shown and logged: secrets taken out, control characters made visible."""

import base64
import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from app.secrets import Secret

_MASK = b"***"
_MIN_BYTES = 4
# Longer values are looked for in blocks of this size, so that no more than one block is ever held back,
# and a long one that was cut or wrapped is still found in parts.
_BLOCK_BYTES = 64
_MIN_LINE_BYTES = 8

_USERINFO = re.compile(r"(?<=://)(?:[^\s/?#]*@|[^\s/@:\[]*:(?!\d+(?:[/?#\s]|$))[^\s@]{1,256}@)")
_PLAIN_USER = re.compile(r"[A-Za-z0-9._-]+@")
_RETURNS = re.compile(r"\r+\n?")
# C0 but newline and tab, DEL, C1; bidi controls, line separators, interlinear and tag characters; lone surrogates.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
_ELLIPSIS = "…"


class Redactor:
    """Replaces secret values in a stream of bytes by `***`, however the stream is cut into chunks.

    Found are the value, its URL-quoted and its base64 forms (at any offset, as in `Basic` credentials), and each
    line of a value with several lines. Values of fewer than 4 bytes are not looked for. `feed` holds back at most
    63 bytes, and only those that might begin a value; `flush` gives them at the end of the stream.
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        values = (secret.reveal().encode("utf-8", "surrogatepass") for secret in secrets)
        self._needles = frozenset(block for value in values for form in _forms(value) for block in _blocks(form))
        self._beginnings = frozenset(needle[:end] for needle in self._needles for end in range(1, len(needle)))
        self._buffer = b""
        self._covered = 0  # bytes at the front of the buffer that belong to a value found before
        self._masking = False  # the last thing given out was a mask

    def feed(self, chunk: bytes) -> bytes:
        self._buffer += chunk
        return self._give(self._first_undecided())

    def flush(self) -> bytes:
        return self._give(len(self._buffer))

    def _first_undecided(self) -> int:
        """Where the last bytes might be the beginning of a value that the next chunk completes."""
        size = len(self._buffer)
        starts = range(max(0, size - _BLOCK_BYTES + 1), size)
        return next((start for start in starts if self._buffer[start:] in self._beginnings), size)

    def _give(self, end: int) -> bytes:
        spans = self._spans(end)
        given = b"".join(self._pieces(spans, end))
        self._covered = max(0, spans[-1][1] - end) if spans else 0
        self._buffer = self._buffer[end:]
        return given

    def _spans(self, end: int) -> list[tuple[int, int]]:
        """Parts of the buffer to be masked that start before `end`, in order, merged where they touch."""
        found = [(start, start + len(needle)) for needle in self._needles for start in self._finds(needle, end)]
        if self._covered:
            found.append((0, self._covered))
        merged: list[tuple[int, int]] = []
        for start, stop in sorted(found):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
            else:
                merged.append((start, stop))
        return merged

    def _finds(self, needle: bytes, end: int) -> Iterator[int]:
        start = self._buffer.find(needle)
        while 0 <= start < end:
            yield start
            start = self._buffer.find(needle, start + 1)

    def _pieces(self, spans: list[tuple[int, int]], end: int) -> Iterator[bytes]:
        position = 0
        for start, stop in spans:
            if start > position:
                yield self._buffer[position:start]
                self._masking = False
            if not self._masking and start < end:
                yield _MASK
                self._masking = True
            position = stop
        if position < end:
            yield self._buffer[position:end]
            self._masking = False


class LineFormatter(logging.Formatter):
    """A message is one line in the log, whatever a node or a repository has put into it, and steers no terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable(super().formatMessage(record)).replace("\n", "\\n")

    def formatException(self, ei: Any) -> str:
        """Traceback lines stay lines."""
        return printable(super().formatException(ei))


def log_to_stderr() -> None:
    """For a process that serves: our own lines from INFO on, those of libraries from WARNING on."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter("[%(asctime)s] [%(process)d] [%(levelname)s] %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger("app").setLevel(logging.INFO)


def redact_url(text: str) -> str:
    """Takes user and password out of every URL in the text; a user alone stays where it is no secret (ssh)."""
    return _USERINFO.sub(_userinfo_mask, text)


def printable(text: str | bytes, limit: int | None = None) -> str:
    """Text of unknown origin as plain text of at most `limit` characters, safe to show and to store.

    Carriage returns become newlines; what could steer a terminal or reorder the line becomes its escape (`\\x1b`).
    """
    decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    shown = _UNPRINTABLE.sub(_escape, _RETURNS.sub("\n", decoded))
    if limit is None or len(shown) <= limit:
        return shown
    return (shown[: limit - 1] + _ELLIPSIS) if limit > 0 else ""


def _forms(value: bytes) -> Iterator[bytes]:
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        secret_lines = (line for line in lines if len(line) >= _MIN_LINE_BYTES and not line.startswith(b"-----"))
        for line in secret_lines:
            yield from _spellings(line)
    if len(value) >= _MIN_BYTES:
        yield from _spellings(value)


def _spellings(value: bytes) -> Iterator[bytes]:
    yield value
    for quoted in (quote(value), quote(value, safe=""), quote_plus(value)):
        yield quoted.encode()
        yield re.sub("%..", lambda escape: escape[0].lower(), quoted).encode()
    for encoded in _base64_forms(value):
        if len(encoded) >= _MIN_BYTES:
            yield encoded
            yield encoded.translate(bytes.maketrans(b"+/", b"-_"))


def _base64_forms(value: bytes) -> Iterator[bytes]:
    """As the value looks inside longer base64, at its three offsets; first and last characters mix with neighbours."""
    yield base64.b64encode(value)
    for offset in range(3):
        bits = 8 * (offset + len(value))
        yield base64.b64encode(bytes(offset) + value)[-(-8 * offset // 6) : bits // 6]


def _blocks(form: bytes) -> Iterator[bytes]:
    last = max(0, len(form) - _BLOCK_BYTES)
    for start in {*range(0, last, _BLOCK_BYTES), last}:
        yield form[start : start + _BLOCK_BYTES]


def _userinfo_mask(match: re.Match[str]) -> str:
    is_ssh = match.string[max(0, match.start() - 6) : match.start()].lower().endswith("ssh://")
    return match[0] if is_ssh and _PLAIN_USER.fullmatch(match[0]) else "***@"


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")
