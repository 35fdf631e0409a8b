"""RemoteProcess: running a Command on a node so that it outlives our connection and this process.

The node keeps the time limit, caps and stores the output, and knows the end; what happens here may break off anywhere.
A later call with the same key attaches to the same process and goes on from any offsets: no byte lost, none twice.
"""

import math
import random
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from app.commands import durable
from app.commands.base import KILL_GRACE_SECONDS, Command
from app.commands.durable import Limits, Offsets, Reader
from app.commands.paths import ProjectsRoot
from app.errors import ActFailed, ConnectionLost, NodeError, OutputLimitExceeded, StopUnconfirmed
from app.ssh.deadline import Deadline
from app.ssh.frames import End, Frame, Kept
from app.ssh.process import NotStarted
from app.ssh.target import Target
from app.ssh.watch import QUIET, Result, Runs, Stream, Watch

RECONNECT_SECONDS: Final = 120.0
# Long enough, also when halved, for a watch to look anew whether this is still ours to follow: a host key that was
# unpinned ends the connection, and is not to be spoken to again.
_FIRST_PAUSE_SECONDS: Final = 0.8
_LONGEST_PAUSE_SECONDS: Final = 5.0
_TICK_SECONDS: Final = 0.1
_LAST_LOOK_SECONDS: Final = 5
# A node whose process is gone has nothing left to say; what still talks is sick, and must not keep our thread for ever.
_LAST_WORDS_SECONDS: Final = 300.0
# The node keeps the limit; one that sends so many times as much does not mean to.
_MOST_OVER_LIMIT: Final = 8
# Beyond the node's own limit and grace: when even this has passed, its guard does not work.
_MARGIN_SECONDS: Final = 60.0
_UNCONFIRMED: Final = "_unconfirmed"
_MOST_PIDS: Final = 50
_PID: Final = re.compile(r"[0-9]{1,10}")
_LIMITS: Final = Limits()
_FROM_THE_START: Final = Offsets()

_T = TypeVar("_T")


def run_durable(
    nodes: Runs,
    target: Target,
    root: ProjectsRoot,
    key: str,
    command: Command,
    watch: Watch = QUIET,
    *,
    limits: Limits = _LIMITS,
    offsets: Offsets = _FROM_THE_START,
    is_attached: bool = False,
    on_attached: Callable[[], None] = lambda: None,
    on_offsets: Callable[[Offsets], None] = lambda offsets: None,
    reconnect_seconds: float = RECONNECT_SECONDS,
) -> Result:
    """Start the command, or attach to it if `key` was started before; follow it to its end, through broken connections.

    Store the outcome, then `collect`. `on_attached` is called once, when the process is known to be on the node; from
    then on pass `is_attached`, so that a folder that has vanished means `process_lost` and not a second run.
    `on_offsets` follows each `watch.on_output`; start with the last stored ones to get the rest (Result then holds the
    rest only).

    The reason is one of Result's, or `disk_full`, `process_lost` (gone without an outcome, and nothing of it is left),
    or why it could not be started (`root_not_writable`, `setsid_missing`, `proc_missing`). `timeout` with an exit
    status: the program had ended, but something that it left running held its output open.

    Raises StopUnconfirmed; NodeError when the node could not be reached at first, or again for `reconnect_seconds`, or
    when trying again is no use: after ConnectionLost the process may go on, and a later call attaches to it.
    """
    return _RemoteProcess(
        nodes, target, root, key, command, limits, watch, on_attached, on_offsets, offsets, is_attached,
        _Patience(reconnect_seconds),
    ).to_the_end()  # fmt: skip


def stop_durable(
    nodes: Runs,
    target: Target,
    root: ProjectsRoot,
    key: str,
    *,
    grace_seconds: int = KILL_GRACE_SECONDS,
) -> None:
    """End the process and prove it. Raises StopUnconfirmed with the process ids, ActFailed, NodeError (not retried)."""
    act = durable.stop(root, key, grace_seconds)
    result = nodes.run(target, act)
    word, _, pids = result.stdout.decode("ascii", "replace").strip().partition(" ")
    if result.reason != "exit" or result.exit_status != 0 or word not in ("gone", "alive"):
        raise ActFailed(_refusal(result, act.refusals), output=result.stderr.decode("utf-8", "replace"))
    if word == "alive":
        pids = " ".join(pid for pid in pids.split()[:_MOST_PIDS] if _PID.fullmatch(pid)) or "?"  # people will paste it
        raise StopUnconfirmed(
            message=f"On {target} these processes of {key} are still there, after TERM and KILL: {pids}. Look at them "
            f"with: ps -o pid,stat,etime,args -p {pids.replace(' ', ',')}",
            output=pids,
        )


@dataclass(slots=True)
class _RemoteProcess:
    nodes: Runs
    target: Target
    root: ProjectsRoot
    key: str
    command: Command
    limits: Limits
    watch: Watch
    on_attached: Callable[[], None]
    on_offsets: Callable[[Offsets], None]
    offsets: Offsets
    is_attached: bool
    patience: "_Patience"
    kept: dict[Stream, Kept] = field(default_factory=lambda: {"stdout": Kept(), "stderr": Kept()})
    deadline: Deadline = field(init=False)
    was_told: bool = False
    may_run: bool = False

    def to_the_end(self) -> Result:
        self.deadline = Deadline(self.command.timeout_seconds + self.limits.grace_seconds + _MARGIN_SECONDS)
        self.may_run = self.is_attached
        while True:
            if self.watch.is_cancelled():
                return self._stopped("cancelled")
            if self.deadline.has_passed:
                return self._stopped("timeout")
            result = self._tried(lambda: self._follow(durable.WAIT_SECONDS))
            if result is not None:
                return self._proved(result)

    def _follow(self, wait_seconds: int) -> Result | None:
        """One channel. None: there is more to come."""
        reader = Reader(secrets.token_hex(16), self.offsets, wait_seconds)
        feed = _Feed(reader.nonce, self._began, self._take)
        result = self.nodes.run(self.target, self._act(reader), Watch(feed.on_output, self._is_over))
        if not feed.has_begun:
            return None if result.reason == "cancelled" else self._not_started(result)
        if feed.end is None and result.reason == "exit":
            raise ConnectionLost(f"{self.target} sent less than all of the output of {self.key}.")
        return None if feed.end is None or feed.end.reason == durable.RUNNING else self._result(feed.end)

    def _act(self, reader: Reader) -> Command:
        if self.is_attached:
            return durable.follow(self.root, self.key, reader)
        return durable.start_and_follow(self.root, self.key, self.command, reader, self.limits)

    def _is_over(self) -> bool:
        return self.watch.is_cancelled() or self.deadline.has_passed

    def _began(self) -> None:
        self.is_attached = self.may_run = True
        self.patience.renew()
        if not self.was_told:
            self.was_told = True
            self.on_attached()

    def _take(self, stream: Stream, data: bytes) -> None:
        self.kept[stream].add(data)
        out, err = (len(data), 0) if stream == "stdout" else (0, len(data))
        self.offsets = Offsets(self.offsets.out + out, self.offsets.err + err)
        if max(self.offsets.out, self.offsets.err) > _MOST_OVER_LIMIT * self.limits.output_bytes:
            raise OutputLimitExceeded(message=f"{self.target} sends far more output of {self.key} than its limit.")
        self.watch.on_output(stream, data)
        self.on_offsets(self.offsets)

    def _not_started(self, result: Result) -> Result:
        """Nothing was said. Of a process that is there, a follower that was itself killed is no news."""
        refusals = self._act(Reader("0")).refusals
        if self.is_attached and result.reason == "exit" and result.exit_status not in refusals:
            raise ConnectionLost(f"{self.target} ended our look at {self.key}.")
        return Result(_refusal(result, self._act(Reader()).refusals), None, result.stdout, result.stderr)

    def _result(self, end: End) -> Result:
        return Result(end.reason, end.status, self.kept["stdout"].value(), self.kept["stderr"].value())

    def _proved(self, result: Result) -> Result:
        """What ended without a witness may have left something running."""
        if result.reason == durable.PROCESS_LOST or result.reason.endswith(_UNCONFIRMED):
            self._stop()
        return replace(result, reason=result.reason.removesuffix(_UNCONFIRMED))

    def _stopped(self, reason: str) -> Result:
        """Stop, then get the last words. Where the end had come by itself meanwhile, that is the outcome."""
        self.watch, self.deadline = Watch(self.watch.on_output), Deadline(math.inf)
        self._stop()
        self.is_attached = self.was_told = True
        self.deadline, result = Deadline(_LAST_WORDS_SECONDS), None
        while result is None:
            if self.deadline.has_passed:
                said = f"{self.target} says that {self.key} is gone, and that it goes on; look there."
                raise StopUnconfirmed(message=said)
            result = self._tried(lambda: self._follow(_LAST_LOOK_SECONDS))
        return result if result.reason == "exit" else replace(result, reason=reason)

    def _stop(self) -> None:
        while not self._tried(self._stop_once):
            pass  # the node was away; `_tried` has waited, and gives up by raising

    def _stop_once(self) -> bool:
        stop_durable(self.nodes, self.target, self.root, self.key, grace_seconds=self.limits.grace_seconds)
        self.patience.renew()
        return True

    def _tried(self, act: Callable[[], _T]) -> _T | None:
        """None: nothing yet; after a failure that may pass, when its pause is over."""
        try:
            return act()
        except NodeError as error:
            self.may_run = self.may_run or (isinstance(error, ConnectionLost) and not isinstance(error, NotStarted))
            if not (error.retryable and self.may_run and self.patience.is_left):
                raise
        self.patience.pause(self._is_over)
        return None


class _Feed:
    """What a follower says, taken apart: our lines, and the output of the process. `end` needs both END lines."""

    def __init__(self, nonce: str, began: Callable[[], None], take: Callable[[Stream, bytes], None]) -> None:
        self._frames: dict[Stream, Frame] = {"stdout": Frame(nonce), "stderr": Frame(nonce)}
        self._began, self._take = began, take
        self._header: bytes | None = b""

    @property
    def has_begun(self) -> bool:
        return self._header is None

    @property
    def end(self) -> End | None:
        return self._frames["stdout"].end if self._frames["stderr"].end is not None else None

    def on_output(self, stream: Stream, data: bytes) -> None:
        output = self._frames[stream].feed(data)
        if stream == "stdout" and self._header is not None:
            output = self._without_header(output)
        if output:
            self._take(stream, output)

    def _without_header(self, output: bytes) -> bytes:
        word, mark, rest = ((self._header or b"") + output).partition(b";")
        self._header = None if mark else word
        if mark:
            self._began()
        return rest


class _Patience:
    """For how long, and how often, a lost node is tried again: soon, then more and more seldom."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._pause = seconds, _FIRST_PAUSE_SECONDS
        self.renew()

    def renew(self) -> None:
        """It is there. Only when it stays for a while, the next pause is short again."""
        self._since: float | None = None
        self._renewed: float | None = time.monotonic()

    @property
    def is_left(self) -> bool:
        self._since = self._since or time.monotonic()
        return time.monotonic() - self._since < self._seconds

    def pause(self, is_over: Callable[[], bool]) -> None:
        if self._renewed is not None and time.monotonic() - self._renewed > _LONGEST_PAUSE_SECONDS:
            self._pause = _FIRST_PAUSE_SECONDS
        self._renewed = None
        end = Deadline(self._pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, guards nothing
        while not (end.has_passed or is_over()):
            time.sleep(end.left(_TICK_SECONDS))
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)


def _refusal(result: Result, refusals: Mapping[int, str]) -> str:
    """Why nothing was started: the place check's word, our own exit status, or the node did not manage in time."""
    if result.reason == "exit":
        return refusals.get(result.exit_status or 0, "act_failed")
    return result.reason
