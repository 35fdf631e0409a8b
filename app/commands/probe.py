"""What a node is and has: one Command, and a pure reader for what it prints.

The output is `name value` lines from a machine that may lie: every value is bounded and must look like what it is
said to be, or it counts as absent. Nothing here fails: a missing root or git is a word among the facts.
"""

import re
from dataclasses import dataclass
from typing import Final

from app.commands.base import Command
from app.commands.paths import ProjectsRoot
from app.commands.programs import load_program

OUTPUT_LIMIT_BYTES: Final = 16 * 1024
TEXT_LIMIT: Final = 120
OLDEST_GIT: Final = (2, 20)

CHANGING: Final = frozenset({"load1", "memory_total_bytes", "memory_available_bytes", "uptime_seconds"})

_FACTS: Final = load_program("pwd", "facts")
_ROOT_PROBLEMS: Final = {
    "missing": "root_missing",
    "unsafe": "root_unsafe",
    "not_writable": "root_not_writable",
}
_WHOLE: Final = re.compile(r"[0-9]{1,18}")
_DECIMAL: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_GIT: Final = re.compile(
    r"git version (?P<version>(?P<major>[0-9]{1,4})\.(?P<minor>[0-9]{1,4})[0-9A-Za-z.+_-]{0,40})(?: .*)?"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """None: the node did not say. `clock` is seconds since 1970 by the node's own clock.

    `problems` are reasons why projects cannot be worked on there: root_missing, root_unsafe, root_not_writable,
    git_missing (also when older than 2.20). `is_root_marked`: `.bareboat/root`, which every clone makes, is in it.
    """

    os: str | None = None
    kernel: str | None = None
    arch: str | None = None
    git_version: str | None = None
    disk_total_bytes: int | None = None
    disk_free_bytes: int | None = None
    inodes_total: int | None = None
    inodes_free: int | None = None
    load1: float | None = None
    cpus: int | None = None
    memory_total_bytes: int | None = None
    memory_available_bytes: int | None = None
    uptime_seconds: int | None = None
    clock: int | None = None
    problems: tuple[str, ...] = ()
    is_root_marked: bool = False


def facts(root: ProjectsRoot, *, only_changing: bool = False, timeout_seconds: int = 10) -> Command:
    """`only_changing` asks for what takes no program on the node: load, memory, uptime, and whether the root is there
    and writable. The rest (disk, git, system, clock, who else may write to the root) costs it twenty times as much."""
    what = "changing" if only_changing else "all"
    return Command(_FACTS, (root, what), timeout_seconds=timeout_seconds, is_told=only_changing)


def parse_facts(output: bytes, *, only_changing: bool = False) -> Facts:
    """Never raises; the last line of a name counts."""
    said = dict(_pair(line) for line in output[:OUTPUT_LIMIT_BYTES].decode("utf-8", "replace").split("\n"))
    git = _GIT.fullmatch(said.get("git", ""))
    return Facts(
        os=_words(said.get("os", "").strip("\"'")),
        kernel=_words(said.get("kernel", "")),
        arch=_words(said.get("arch", "")),
        git_version=git["version"] if git else None,
        disk_total_bytes=_kib(said.get("disk_kib_total", "")),
        disk_free_bytes=_kib(said.get("disk_kib_free", "")),
        inodes_total=_whole(said.get("inodes_total", "")),
        inodes_free=_whole(said.get("inodes_free", "")),
        load1=_decimal(said.get("load1", "")),
        cpus=_whole(said.get("cpus", "")),
        memory_total_bytes=_kib(said.get("memory_total_kib", "")),
        memory_available_bytes=_kib(said.get("memory_available_kib", "")),
        uptime_seconds=_whole(said.get("uptime", "")),
        clock=_whole(said.get("clock", "")),
        problems=_root_problems(said.get("root", "")) + (() if only_changing else _git_problems(git)),
        is_root_marked="mark" in said,
    )


def _root_problems(root: str) -> tuple[str, ...]:
    return (_ROOT_PROBLEMS[root],) if root in _ROOT_PROBLEMS else ()


def _git_problems(git: re.Match[str] | None) -> tuple[str, ...]:
    is_usable = git is not None and (int(git["major"]), int(git["minor"])) >= OLDEST_GIT
    return () if is_usable else ("git_missing",)


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line[:1024].partition(" ")
    return name, value.strip()


def _words(text: str) -> str | None:
    """Printable characters only; a node's text ends up on pages and in terminals."""
    return "".join(character for character in text[:TEXT_LIMIT] if character.isprintable()) or None


def _whole(text: str) -> int | None:
    return int(text) if _WHOLE.fullmatch(text) else None


def _kib(text: str) -> int | None:
    count = _whole(text)
    return None if count is None else count * 1024


def _decimal(text: str) -> float | None:
    return float(text) if _DECIMAL.fullmatch(text) else None
