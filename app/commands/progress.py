"""git's progress, which it writes to stderr with carriage returns, as values; and what is left, as lines for the log.

git itself writes a meter when its percentage changes, or else once a second; no setting makes that quicker.
"""

import re
from dataclasses import dataclass, field
from typing import Final

LINE_LIMIT_BYTES: Final = 8192

_METER: Final = re.compile(
    r"(?:remote: )?(?P<what>[A-Z][a-zA-Z ]{2,40}): +(?:(?P<percent>[0-9]{1,3})% \((?P<done>[0-9]+)/(?P<total>[0-9]+)\)"
    r"|(?P<count>[0-9]+))(?:, (?P<rate>[0-9][^,\r\n]{0,60}?))?(?P<end>, done\.)?\s*"
)
# Phase, and which part of the whole it covers, in percent.
_PHASES: Final = {
    "Enumerating objects": ("remote", 0, 1),
    "Counting objects": ("remote", 1, 4),
    "Compressing objects": ("remote", 4, 10),
    "Receiving objects": ("receiving", 10, 70),
    "Unpacking objects": ("receiving", 10, 70),
    "Resolving deltas": ("resolving", 70, 84),
    "Checking objects": ("resolving", 84, 85),
    "Checking out files": ("checkout", 85, 97),
    "Updating files": ("checkout", 85, 97),
}
_UNITS: Final = {"checkout": "files", "resolving": "deltas"}
_SUBMODULE: Final = re.compile(r"Submodule (?:path )?'")
_SUBMODULES_PERCENT: Final = 97


@dataclass(frozen=True, slots=True)
class Progress:
    """`phase`: remote, receiving, resolving, checkout or submodules; `percent` of the whole act, never falling."""

    phase: str
    percent: int
    detail: str


@dataclass(slots=True)
class ProgressParser:
    """Fed with stderr as it comes, in any pieces. Keeps at most one unfinished line, bounded."""

    _rest: bytes = b""
    _percent: int = 0
    _in_submodules: bool = False
    _log: list[str] = field(default_factory=list)

    def feed(self, data: bytes) -> list[Progress]:
        """What these bytes complete, oldest first. A line without an end is cut at LINE_LIMIT_BYTES."""
        *lines, self._rest = re.split(rb"(?<=[\r\n])", self._rest + data)
        if len(self._rest) > LINE_LIMIT_BYTES:
            lines.append(self._rest)
            self._rest = b""
        return [progress for line in lines if (progress := self._read(line)) is not None]

    @property
    def pending_bytes(self) -> int:
        """How many of the bytes fed are of a line that is not finished yet."""
        return len(self._rest)

    def finish(self) -> list[Progress]:
        """Reads what has come without an end of line; for when the stream has ended."""
        line, self._rest = self._rest, b""
        progress = self._read(line)
        return [progress] if progress else []

    def take_log(self) -> str:
        """The lines for the log since the last call: all that is no meter, and each meter's last state."""
        lines, self._log = self._log, []
        return "".join(f"{line}\n" for line in lines)

    def _read(self, line: bytes) -> Progress | None:
        text = line[:LINE_LIMIT_BYTES].decode("utf-8", "replace").rstrip()
        meter = _METER.fullmatch(text)
        if meter is None or (meter["what"] not in _PHASES and text.startswith("remote: ")):
            return self._read_words(text)  # a server may say anything
        if meter["end"]:
            self._log.append(text)
        return self._advance(meter) if meter["what"] in _PHASES else None

    def _read_words(self, text: str) -> Progress | None:
        if text:
            self._log.append(text)
        if not _SUBMODULE.match(text):
            return None
        self._in_submodules = True
        self._percent = max(self._percent, _SUBMODULES_PERCENT)
        return Progress("submodules", self._percent, text[:200])

    def _advance(self, meter: re.Match[str]) -> Progress:
        phase, start, end = _PHASES[meter["what"]]
        if self._in_submodules:
            phase, start, end = "submodules", _SUBMODULES_PERCENT, _SUBMODULES_PERCENT
        share = min(int(meter["percent"] or 0), 100)
        self._percent = max(self._percent, start + (end - start) * share // 100)
        return Progress(phase, self._percent, _detail(meter, _UNITS.get(_PHASES[meter["what"]][0], "objects")))


def _detail(meter: re.Match[str], unit: str) -> str:
    """`12,345 of 20,000 objects, 3.1 MiB/s`; of `12 MiB | 3.1 MiB/s` the rate is told."""
    if meter["count"]:
        return f"{_number(meter['count'])} {unit}"
    words = f"{_number(meter['done'])} of {_number(meter['total'])} {unit}"
    rate = (meter["rate"] or "").rpartition("|")[2].strip()
    return f"{words}, {rate}" if rate.endswith("/s") else words


def _number(digits: str) -> str:
    return f"{int(digits[:15]):,}"
