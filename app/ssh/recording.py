"""RecordingNodes: the double of the ConnectionPool, for tests and dry runs. It reaches nobody."""

from collections.abc import Callable
from typing import Self

from app.commands.base import Command
from app.ssh.pins import ensure_way_pinned
from app.ssh.target import Target
from app.ssh.watch import QUIET, Result, Watch

Matcher = Callable[[Target, Command], bool]
Answer = Result | Exception


class RecordingNodes:
    """Keeps what was asked in `runs`, `pings` and `forgotten`; answers what `answer` has scripted, else exit 0."""

    def __init__(self, *, ping_seconds: float = 0.001) -> None:
        self.runs: list[tuple[Target, Command]] = []
        self.pings: list[Target] = []
        self.forgotten: list[Target] = []
        self.is_closed = False
        self._ping_seconds = ping_seconds
        self._script: list[tuple[Matcher, Answer, bool]] = []

    def answer(self, answer: Answer, when: Matcher = lambda target, command: True, *, once: bool = False) -> Self:
        """Script an answer or an error for what `when` matches; later ones go first."""
        self._script.insert(0, (when, answer, once))
        return self

    def run(self, target: Target, command: Command, watch: Watch = QUIET) -> Result:
        ensure_way_pinned(target)
        command.script("0" * 32)  # a command that cannot be written down fails here as well
        self.runs.append((target, command))
        result = self._result(target, command)
        for stream, data in (("stdout", result.stdout), ("stderr", result.stderr)):
            if data:
                watch.on_output(stream, data)  # type: ignore[arg-type]
        return Result("cancelled", None, result.stdout, result.stderr) if watch.is_cancelled() else result

    def ping(self, target: Target) -> float:
        ensure_way_pinned(target)
        self.pings.append(target)
        self._result(target, Command(":"))
        return self._ping_seconds

    def forget(self, target: Target) -> None:
        self.forgotten.append(target)

    def close(self) -> None:
        self.is_closed = True

    def _result(self, target: Target, command: Command) -> Result:
        for index, (when, answer, once) in enumerate(self._script):
            if when(target, command):
                if once:
                    del self._script[index]
                if isinstance(answer, Exception):
                    raise answer
                return answer
        return Result("exit", 0)
