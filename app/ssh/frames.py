"""Reading what the envelope of `app.commands.base` says: pure, fed with bytes in pieces of any size.

Nothing counts before `BEGIN nonce` (greetings of the login shell), and nothing after `END nonce reason status`. The END
line, and the one newline that the envelope puts before it, are never handed on, wherever the pieces were cut.
"""

from dataclasses import dataclass
from typing import Final

KEPT_BYTES: Final = 2 * 1024 * 1024
MAX_NOISE_BYTES: Final = 1024 * 1024
_MAX_END_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class End:
    """The END line: `reason` is `exit` or a word of the place check, `status` is None where nothing ran."""

    reason: str
    status: int | None


class Frame:
    """One stream. `feed` gives back what of a piece is the program's output. `end` stays None on stderr."""

    def __init__(self, nonce: str) -> None:
        self.has_begun = False
        self.noise_bytes = 0
        self.end: End | None = None
        self._begin = f"BEGIN {nonce}\n".encode()
        self._end_mark = f"\nEND {nonce} ".encode()
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        if self.end is not None:
            return b""
        self._held += data
        if not self.has_begun and not self._find_begin(len(data)):
            return b""
        return self._release()

    def finish(self) -> bytes:
        """What was held back when the stream ended without an END line (always so on stderr)."""
        rest = self._held if self.has_begun and self.end is None else b""
        self._held = b""
        return rest

    def _find_begin(self, came: int) -> bool:
        noise, mark, rest = self._held.partition(self._begin)
        if mark:
            self.has_begun = True
            self.noise_bytes += came - len(mark) - len(rest)
            self._held = rest
            return True
        self.noise_bytes += came
        self._held = noise[-len(self._begin) :]
        return False

    def _release(self) -> bytes:
        output, mark, rest = self._held.partition(self._end_mark)
        if not mark:
            keep = _overlap(self._held, self._end_mark)
            output, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
            return output
        line, newline, _ = rest.partition(b"\n")
        if newline or len(line) > _MAX_END_BYTES:
            self.end = _parse_end(line)
        self._held = mark + rest
        return output


class Kept:
    """The first and last halves of a stream, and how much there was."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self.total_bytes = 0
        self._half = limit // 2
        self._first = bytearray()
        self._last = bytearray()

    def add(self, data: bytes) -> None:
        self.total_bytes += len(data)
        room = self._half - len(self._first)
        self._first += data[:room]
        self._last += data[room:]
        if len(self._last) > 2 * self._half:
            del self._last[: -self._half]

    def value(self) -> bytes:
        """All of it, or the two halves with a line between them that says how much is left out."""
        left_out = self.total_bytes - len(self._first) - self._half
        if left_out <= 0:
            return bytes(self._first + self._last)
        note = f"\n[… {left_out} bytes left out …]\n".encode()
        return bytes(self._first) + note + bytes(self._last[-self._half :])


def _overlap(data: bytes, mark: bytes) -> int:
    """How many bytes at the end of `data` could be the beginning of `mark`."""
    start = data.find(mark[:1], max(0, len(data) - len(mark) + 1))
    while start >= 0 and not mark.startswith(data[start:]):
        start = data.find(mark[:1], start + 1)
    return len(data) - start if start >= 0 else 0


def _parse_end(line: bytes) -> End | None:
    words = line.decode("ascii", "replace").split(" ")
    if len(words) != 2:
        return None
    return End(words[0], int(words[1]) if words[1].isdecimal() else None)
