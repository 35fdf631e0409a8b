"""Watch, Result and Nodes: what a caller hands in with a command, gets back, and may rely on."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Literal, Protocol

from app.commands.base import Command
from app.ssh.agent import KeyAgent
from app.ssh.target import Target

Stream = Literal["stdout", "stderr"]
Heard = SimpleQueue[tuple[int, float | None]]  # who, and seconds of the round trip; None: the connection has ended


def _ignore(stream: Stream, data: bytes) -> None:
    """Nobody listens."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Watch:
    """Eyes and brake of a running command: `on_output` gets raw bytes as they come, `is_cancelled` is asked often."""

    on_output: Callable[[Stream, bytes], None] = _ignore
    is_cancelled: Callable[[], bool] = _never


QUIET = Watch()


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended, proved by its END line.

    `reason` is `exit` (then `exit_status` counts), or the place check's word (`root_missing`, `root_unsafe`,
    `project_missing`, `folder_missing`, `path_escape`), or `timeout`, `cancelled`, `output_limit`: in these three the
    process group was terminated and its end was seen. `stdout` and `stderr` are capped; the middle is left out.
    """

    reason: str
    exit_status: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""


class Runs(Protocol):
    """Whoever runs commands on a target."""

    def run(self, target: Target, command: Command, watch: Watch = QUIET) -> Result:
        """Run a command to its proved end. Raises NodeError; ConnectionLost when there was no END line."""


class Nodes(Runs, Protocol):
    """What services use to speak to nodes: the ConnectionPool, or the RecordingNodes double."""

    def private(self, target: Target, agent: KeyAgent) -> AbstractContextManager[Runs]:
        """A connection of one's own to this target, over which its commands may ask this agent."""

    def read(self, target: Target, command: Command, watch: Watch = QUIET) -> Result:
        """As `run`, at a fraction of its cost, for short programs of ours that change nothing and leave nothing
        running, and have no secret; one may be started twice."""

    def beat(self, targets: Mapping[int, Target], heard: Heard) -> set[int]:
        """Ask for a sign of life on warm connections, without waiting: answers go to `heard` as they come. The others
        are returned: those without a connection, or that could not be asked without waiting."""

    def renew(self, target: Target) -> float:
        """Seconds of connect and login on a fresh connection, which takes the place of the one in use."""

    def age(self, target: Target) -> float | None:
        """Seconds for which the connection in use has been open. None: there is none."""

    def ping(self, target: Target) -> float:
        """Seconds of one keepalive round trip on a warm connection (or of connect and login on a cold one)."""

    def forget(self, target: Target) -> None:
        """Close pooled connections to this target (its key, pin or address has changed)."""

    def reap(self) -> None:
        """Close connections that nobody has used for a while."""

    def close(self) -> None:
        """Close everything; afterwards no thread and no socket of ours is left."""
