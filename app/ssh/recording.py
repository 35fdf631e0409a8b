"""RecordingNodes: the double of the ConnectionPool, for tests and dry runs. It reaches nobody."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Self

from app.commands.base import Command
from app.commands.durable import DurableAct
from app.ssh.agent import KeyAgent
from app.ssh.pins import ensure_way_pinned
from app.ssh.target import Target
from app.ssh.watch import QUIET, Heard, Result, Stream, Watch

Matcher = Callable[[Target, Command], bool]
Answer = Result | Exception


class RecordingNodes:
    """Keeps what was asked in `runs`, `pings`, `beats`, `renewals` and `forgotten`; answers what
    `answer` has scripted, else exit 0.

    Where a durable act starts some work, that work is what is kept and matched, and the answer is how it ends."""

    def __init__(self, *, ping_seconds: float = 0.001) -> None:
        self.runs: list[tuple[Target, Command]] = []
        self.pings: list[Target] = []
        self.beats: list[Target] = []
        self.renewals: list[Target] = []
        self.opened: dict[Target, float] = {}  # when, by the monotonic clock
        self.forgotten: list[Target] = []
        self.agents: list[KeyAgent] = []
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
        asked = command.work or command if isinstance(command, DurableAct) else command
        self.runs.append((target, asked))
        result = self._result(target, asked)
        if isinstance(command, DurableAct):
            result = _durable(command, result)
        streams: dict[Stream, bytes] = {"stdout": result.stdout, "stderr": result.stderr}
        for stream, data in streams.items():
            if data:
                watch.on_output(stream, data)
        return Result("cancelled", None, result.stdout, result.stderr) if watch.is_cancelled() else result

    def read(self, target: Target, command: Command, watch: Watch = QUIET) -> Result:
        return self.run(target, command, watch)

    def beat(self, targets: Mapping[int, Target], heard: Heard) -> set[int]:
        """Who was reached before is warm; who does not answer has a scripted error, and stays silent."""
        warm = {key for key, target in targets.items() if target in self.opened}
        for key in warm:
            self.beats.append(targets[key])
            if isinstance(self._answer(targets[key], Command(":")), Result):
                heard.put((key, self._ping_seconds))
        return set(targets) - warm

    def renew(self, target: Target) -> float:
        self.renewals.append(target)
        self.opened.pop(target, None)
        return self.ping(target)

    def age(self, target: Target) -> float | None:
        opened = self.opened.get(target)
        return None if opened is None else time.monotonic() - opened

    def ping(self, target: Target) -> float:
        ensure_way_pinned(target)
        self.pings.append(target)
        self._result(target, Command(":"))
        self.opened.setdefault(target, time.monotonic())
        return self._ping_seconds

    @contextmanager
    def private(self, target: Target, agent: KeyAgent) -> Iterator[Self]:
        self.agents.append(agent)
        yield self

    def forget(self, target: Target) -> None:
        self.forgotten.append(target)
        self.opened.pop(target, None)

    def reap(self) -> None:
        """There is nothing to close."""

    def close(self) -> None:
        self.is_closed = True

    def _result(self, target: Target, command: Command) -> Result:
        answer = self._answer(target, command)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _answer(self, target: Target, command: Command) -> Answer:
        for index, (when, answer, once) in enumerate(self._script):
            if when(target, command):
                if once:
                    del self._script[index]
                return answer
        return Result("exit", 0)


def _durable(act: DurableAct, result: Result) -> Result:
    """What a node would say to this act, when the work ends so."""
    if act.reader is None:
        said = {"start": b"started\n", "stop": b"gone\n", "collect": b"removed\n"}.get(act.verb, b"")
        return result if result.stdout else replace(result, stdout=said)
    begin, end = f"BEGIN {act.reader.nonce}\n".encode(), f"\nEND {act.reader.nonce} ".encode()
    word = "started" if act.verb == "run" else "attached"
    outcome = f"{result.reason} {'-' if result.exit_status is None else result.exit_status}\n"
    return Result(
        "exit",
        0,
        begin + f"{word};".encode() + result.stdout + end + outcome.encode(),
        begin + result.stderr + end + b"end -\n",
    )
