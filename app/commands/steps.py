"""Steps of a playbook as one program for a node, and what its output tells of each. Pure.

All steps run in one durable process: whoever dies on our side, the node goes on at the right step, and none runs twice.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.commands.base import Command, Place
from app.commands.paths import JobKey, ProjectName, ProjectsRoot
from app.commands.programs import load_program
from app.errors import Invalid

TOTAL_LIMIT_BYTES: Final = 512 * 1024  # of all words together: the kernel takes some two megabytes
GRACE_SECONDS: Final = 15
_PROGRAM: Final = load_program("pwd", "folders", "playbook")
_HOME: Final = load_program("home")
_COMMAND: Final = load_program("command")
_NOT_RUN: Final[dict[str, Any]] = {"outcome": "not_run", "exit_status": None, "seconds": 0, "tries": 0}


@dataclass(frozen=True, slots=True)
class Step:
    """One that has passed its rules. `when`: kind, value, outcome, each condition."""

    name: str
    argv: tuple[str, ...]
    cwd: str | None
    environment: Mapping[str, str]
    timeout_seconds: int
    retries: int = 0
    ignore_errors: bool = False
    changes: bool = True
    creates: str | None = None
    when: tuple[tuple[str, str, str], ...] = field(default=())

    @property
    def longest_seconds(self) -> int:
        return (self.timeout_seconds + GRACE_SECONDS) * (self.retries + 1)


def run(
    root: ProjectsRoot, name: ProjectName | None, steps: Sequence[Step], job_key: str, mark: str, longest_seconds: int
) -> Command:
    """In the project, or without one in `root` itself, the account's home. Raises Invalid when it is too long."""
    words = [word for step in steps for word in _words(step)]
    if sum(len(word.encode()) + 1 for word in words) > TOTAL_LIMIT_BYTES:
        raise Invalid(f"The words of all steps together must not be longer than {TOTAL_LIMIT_BYTES} bytes.")
    home = f"{root}/{name}" if name else ""
    return Command(
        program=_PROGRAM,
        arguments=(JobKey(job_key), mark, home, _COMMAND, str(len(steps)), *words),
        place=Place(root, name),
        timeout_seconds=min(longest_seconds, sum(step.longest_seconds for step in steps)),
    )


def home() -> Command:
    """Prints the account's home."""
    return Command(program=_HOME)


def recap(steps: Sequence[Step], output: bytes, mark: str) -> list[dict[str, Any]]:
    """Of each step: name, outcome, exit status, seconds, tries; `not_run` where nothing is told of it."""
    ending = re.compile(
        rb"^== step (\d{1,3}) of \d{1,3} (ok|changed|failed|timed_out|ignored|skipped) "
        rb"\(exit (-|\d{1,3}), (\d{1,9}) s, tries (\d{1,3})\) \[" + re.escape(mark.encode()) + rb"\]$",
        re.MULTILINE,
    )
    told = {int(found[1]): found for found in ending.finditer(output)}
    return [{"name": step.name} | _told(told.get(number)) for number, step in enumerate(steps, 1)]


def beginning(mark: str) -> re.Pattern[bytes]:
    """The line with which a step begins: its number, and its name."""
    return re.compile(rb"\n== step (\d{1,3}) of \d{1,3} begins: ([^\n]*) \[" + re.escape(mark.encode()) + rb"\]\n")


def _told(found: "re.Match[bytes] | None") -> dict[str, Any]:
    if found is None:
        return dict(_NOT_RUN)
    return {
        "outcome": found[2].decode(),
        "exit_status": None if found[3] == b"-" else int(found[3]),
        "seconds": int(found[4]),
        "tries": int(found[5]),
    }


def _words(step: Step) -> list[str]:
    """As playbook.sh takes them."""
    flags = ("1" if step.ignore_errors else "", "1" if step.changes else "")
    head = (step.name, str(step.timeout_seconds), str(step.retries), *flags, step.cwd or "", step.creates or "")
    conditions = [word for condition in step.when for word in condition]
    variables = [word for pair in step.environment.items() for word in pair]
    counts = str(len(step.when)), str(len(step.environment)), str(len(step.argv))
    return [*head, counts[0], *conditions, counts[1], *variables, counts[2], *step.argv]
