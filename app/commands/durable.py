"""Processes that outlive the connection: pure builders of the short acts that start, follow, stop and remove one.

On the node a job has a folder, `ROOT/.bareboat/jobs/KEY`, 0700; that it exists says that the job was started. In it:

- `pid`     PID START BOOT of the *guard*: it leads a session of its own and outlives all else. Taken once, by linking.
- `work`    PID START BOOT of the *work*: the program, leading another session, with BAREBOAT_JOB in its environment.
- `out`     its stdout, `err` its stderr (with `merge` both are in `out`), each up to a limit that is kept on the node.
- `status`  what the guard is told by its helpers; `end`, `stop.new`: room for what comes last.
- `stop`    that it is being cancelled.
- `exit`    REASON STATUS: its end, written aside and renamed. With neither this nor a guard, the process is lost.

Beside `jobs`, `acts.log` has a line when a process begins and one when it ends: `Command.note`, and what came of it.

Secrets of the environment are handed from process to process; they are in no file and in no argument. What of the work
leaves its session *and* clears its environment cannot be found; only a cgroup would hold it.
"""

import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from app.commands.base import KILL_GRACE_SECONDS, Command, Place
from app.commands.paths import JobKey, ProjectsRoot
from app.commands.programs import REFUSALS, load_program

OUTPUT_LIMIT_BYTES: Final = 10 * 1024 * 1024
WAIT_SECONDS: Final = 900
PATIENCE_SECONDS: Final = 30  # a busy node may take that long to start; giving up is safe, but a job is lost
ACT_SECONDS: Final = 60
# Reasons with which a durable process ends beyond those of `Result`.
PROCESS_LOST: Final = "process_lost"
RUNNING: Final = "running"

_BLOCK_BYTES: Final = 512
_STOP_MARGIN_SECONDS: Final = 30
_GUARD: Final = load_program("durable_process", "notes", "durable_guard")
_LAUNCH: Final = load_program("pwd", "folders", "durable_process", "durable_launch")
_BEGIN: Final = ("pwd", "folders", "durable_begin", "durable_process")
_START: Final = load_program(*_BEGIN, "durable_start", "durable_word")
_RUN: Final = load_program(*_BEGIN, "durable_start", "durable_follow")
_FOLLOW: Final = load_program(*_BEGIN, "durable_attach", "durable_follow")
_STOP: Final = load_program(*_BEGIN, "durable_stop")
_COLLECT: Final = load_program(*_BEGIN, "durable_collect")
_ORPHANS: Final = load_program(*_BEGIN, "durable_orphans")
_REFUSALS: Final = MappingProxyType({status: REFUSALS[status] for status in (71, 72, 75, 86, 87)})
_OURS: Final = ("bb_", "BAREBOAT_JOB")
_ORPHAN: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]{0,63}) (-?[0-9]{1,12}) (running|ended|lost)")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the node itself keeps to, for a durable process. `merge`: stderr goes to `out`, in the order of writing."""

    output_bytes: int = OUTPUT_LIMIT_BYTES
    grace_seconds: int = KILL_GRACE_SECONDS
    merge: bool = False


@dataclass(frozen=True, slots=True)
class Offsets:
    """How many bytes of `out` and `err` have been read, and are stored."""

    out: int = 0
    err: int = 0


@dataclass(frozen=True, slots=True)
class Orphan:
    """A job's folder on a node. `state` is running, ended or lost."""

    key: JobKey
    age_seconds: int
    state: str


@dataclass(frozen=True, slots=True)
class Reader:
    """How `out` and `err` are followed: from where, for how long, between lines with which nonce (hexadecimal)."""

    nonce: str = "0"
    offsets: Offsets = Offsets()
    wait_seconds: int = WAIT_SECONDS
    patience_seconds: int = PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class DurableAct(Command):
    """A Command that also says what it is about, for doubles: its verb, the work that it starts, who reads that."""

    verb: str = ""
    work: Command | None = None
    reader: Reader | None = None


def start(root: ProjectsRoot, key: str, command: Command, limits: Limits = Limits()) -> DurableAct:
    """Starts `command`, unless the job's folder exists. Prints `started` or `attached`."""
    return _starting("start", _START, root, key, command, Reader(), limits)


def start_and_follow(
    root: ProjectsRoot, key: str, command: Command, reader: Reader, limits: Limits = Limits()
) -> DurableAct:
    """`start` and `follow` in one channel; ending that ends the following only."""
    return _starting("run", _RUN, root, key, command, reader, limits)


def follow(root: ProjectsRoot, key: str, reader: Reader) -> DurableAct:
    """The output from `reader.offsets` on, each stream between BEGIN and END lines with `reader.nonce`.

    After BEGIN, stdout has one word of ours and a `;`: started, attached or absent. Its END line is how the process has
    ended (`exit STATUS`, `timeout STATUS` …), or `running -` after `wait_seconds`, or `process_lost -`.
    """
    return _act("follow", _FOLLOW, root, key, (), reader=reader)


def stop(root: ProjectsRoot, key: str, grace_seconds: int = KILL_GRACE_SECONDS) -> DurableAct:
    """TERM, KILL after `grace_seconds`, then a look. Prints `gone`, or `alive` and the process ids."""
    seconds = grace_seconds * 4 + _STOP_MARGIN_SECONDS  # a look at a busy node takes a while, each time
    return _act("stop", _STOP, root, key, (str(grace_seconds),), seconds)


def collect(root: ProjectsRoot, key: str) -> DurableAct:
    """Removes the folder, once the outcome is stored. Prints removed, missing, or running (then it was left)."""
    return _act("collect", _COLLECT, root, key, ())


def orphans(root: ProjectsRoot) -> DurableAct:
    """Lists the folders of jobs; read by `parse_orphans`."""
    return _act("orphans", _ORPHANS, root, "none", ())


def parse_orphans(output: bytes) -> tuple[Orphan, ...]:
    """Lines that are not as they should be are left out; an age below zero (a clock was set) counts as zero."""
    matches = (_ORPHAN.fullmatch(line) for line in output.decode("ascii", "replace").splitlines())
    return tuple(Orphan(JobKey(found[1]), max(0, int(found[2])), found[3]) for found in matches if found)


def _starting(
    verb: str, program: str, root: ProjectsRoot, key: str, command: Command, reader: Reader, limits: Limits
) -> DurableAct:
    if any(name.startswith(_OURS) for name in command.environment):
        raise ValueError("names of environment variables that begin with bb_ or BAREBOAT_JOB are ours")
    act = _act(verb, program, root, key, _work(command, limits, root), reader=reader)
    return replace(act, environment=command.environment, work=command)


def _act(
    verb: str,
    program: str,
    root: ProjectsRoot,
    key: str,
    values: tuple[str, ...],
    seconds: int = ACT_SECONDS,
    *,
    reader: Reader | None = None,
) -> DurableAct:
    source = reader or Reader()
    numbers = (source.offsets.out, source.offsets.err, source.wait_seconds, source.patience_seconds)
    return DurableAct(
        program=program,
        arguments=(root, JobKey(key), *map(str, numbers), source.nonce, *values),
        place=Place(root),
        timeout_seconds=seconds if reader is None else 2 * reader.wait_seconds + ACT_SECONDS,
        refusals=_REFUSALS,
        verb=verb,
        reader=reader,
    )


def _work(command: Command, limits: Limits, root: ProjectsRoot) -> tuple[str, ...]:
    place = command.place or Place(root)
    numbers = (limits.output_bytes // _BLOCK_BYTES, command.timeout_seconds, limits.grace_seconds)
    words = (place.root, place.project or "", place.folder or "", command.program)
    return (_GUARD, _LAUNCH, *map(str, numbers), "1" if limits.merge else "", command.note, *words, *command.arguments)
