"""What a process on a node writes, on its way to the job: git's lines become progress and log, a user's stay bytes."""

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Protocol

from app.commands.durable import Offsets
from app.commands.progress import ProgressParser
from app.redaction import Redactor
from app.secrets import Secret
from app.ssh.watch import Result, Stream

DETAIL_LINES: Final = 20
TAIL_BYTES: Final = 4096
TAKEN_UP: Final = "— followed again: the process on the node went on meanwhile —\n".encode()
_NOT_A_REASON: Final = "Cloning into "  # the first thing that git says, whatever comes of it


class Act(Protocol):
    """Who is told about an act, and may stop it: a job's context.

    `key` names its process on the node: with the same key, the same process is followed again. `is_attached` says that
    it is known to have been started, `log_offset` how many bytes of its stderr are in the log already. `note` is for
    the node's own log.
    """

    @property
    def key(self) -> str: ...

    @property
    def note(self) -> str: ...

    @property
    def is_attached(self) -> bool: ...

    @property
    def log_offset(self) -> int: ...

    def attached(self) -> None: ...

    def taken(self, offset: int) -> None: ...

    def progress(self, phase: str, percent: int | None = None, detail: str = "") -> None: ...

    def log(self, data: bytes) -> None: ...

    def is_cancelled(self) -> bool: ...


@dataclass(slots=True)
class RawOutput:
    """The bytes as they come, into the log; the last ones are kept for the error text.

    The process has one stream, which is followed from where the log of an earlier runner ends.
    """

    act: Act
    tail: bytearray = field(default_factory=bytearray)

    def begin(self) -> None:
        """Nothing of ours stands between a command's own bytes, also when it is taken up again."""
        self.act.attached()

    def read(self, stream: Stream, data: bytes) -> None:
        self.act.log(data)
        self.tail = (self.tail + data)[-TAIL_BYTES:]

    def take(self, offsets: Offsets) -> None:
        self.act.taken(offsets.out)

    def finish(self, result: Result) -> None:
        """Lines of ours that follow a failure begin on a line of their own."""
        is_fine = result.reason == "exit" and result.exit_status == 0
        if not is_fine and self.tail and not self.tail.endswith(b"\n"):
            self.act.log(b"\n")

    @property
    def last_lines(self) -> list[str]:
        lines = self.tail.decode("utf-8", "replace").splitlines()
        return lines[1:] if len(self.tail) == TAIL_BYTES else lines  # the first one is cut


@dataclass(slots=True)
class StepsOutput(RawOutput):
    """The same for a playbook, whose lines that begin a step are the job's progress."""

    pattern: re.Pattern[bytes] = re.compile(b"(?!)")
    total: int = 1
    recent: bytes = b""

    def read(self, stream: Stream, data: bytes) -> None:
        RawOutput.read(self, stream, data)
        self.recent = (self.recent + data)[-TAIL_BYTES:]
        for found in self.pattern.finditer(self.recent):
            number, name = int(found[1]), found[2].decode("utf-8", "replace")
            percent = (number - 1) * 100 // self.total
            self.act.progress("running", percent, f"step {number} of {self.total}: {name}")
            self.recent = self.recent[found.end() :]
            break


@dataclass(slots=True)
class GitOutput:
    """Turns a git program's stderr into progress and log lines, and keeps the last of these for the error text.

    The stream is always read from its beginning, so that progress and the last words are whole; what an earlier runner
    has put into the log is not put there again. `log_offset` stands between two lines.
    """

    act: Act
    secrets: tuple[Secret, ...] = ()
    parser: ProgressParser = field(default_factory=ProgressParser)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=DETAIL_LINES))
    fed: int = 0

    def begin(self) -> None:
        if self.act.is_attached:
            self.act.log(TAKEN_UP)
        self.act.attached()

    def read(self, stream: Stream, data: bytes) -> None:
        if stream != "stderr":
            return
        known = max(0, min(len(data), self.act.log_offset - self.fed))
        self._feed(data[:known], is_new=False)
        self._feed(data[known:], is_new=True)

    def take(self, offsets: Offsets) -> None:
        if offsets.err > self.act.log_offset:
            self.act.taken(offsets.err - self.parser.pending_bytes)

    def finish(self) -> None:
        self.parser.finish()
        self._write(is_new=True)

    def _feed(self, data: bytes, *, is_new: bool) -> None:
        self.fed += len(data)
        for step in self.parser.feed(data):
            if is_new:
                self.act.progress(step.phase, step.percent, self._clean(step.detail))
        self._write(is_new=is_new)

    def _write(self, *, is_new: bool) -> None:
        if text := self._clean(self.parser.take_log()):
            self.tail.extend(line for line in text.splitlines() if not line.startswith(_NOT_A_REASON))
            if is_new:
                self.act.log(text.encode())

    def _clean(self, text: str) -> str:
        """Whole lines, so that no value is cut: a git server may send back what it was shown."""
        if not self.secrets or not text:
            return text
        redactor = Redactor(self.secrets)
        return (redactor.feed(text.encode()) + redactor.flush()).decode("utf-8", "replace")
