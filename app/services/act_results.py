"""What the result of an act on a node means: nothing, or the error that it is."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from app.commands.base import Command
from app.commands.giterrors import code_of
from app.commands.paths import ProjectName
from app.commands.refusals import parse_refusal
from app.errors import ACT_FAILURES, ActCancelled, ActFailed, ActTimedOut, OutputLimitExceeded
from app.redaction import printable
from app.services.act_output import DETAIL_LINES
from app.ssh.target import Target
from app.ssh.watch import Result

DETAIL_CHARACTERS: Final = 2000


def ensure_succeeded(result: Result, command: Command, lines: Iterable[str] | None = None) -> None:
    """Raises what the result means unless it is exit status 0. The node's last words stand behind our sentence."""
    if result.reason == "exit" and result.exit_status == 0:
        return
    words = "\n".join(lines if lines is not None else result.stderr.decode("utf-8", "replace").splitlines())
    details = printable("\n".join(words.splitlines()[-DETAIL_LINES:]), DETAIL_CHARACTERS).strip()
    if result.reason in _STOPPED:
        raise _STOPPED[result.reason](exit_status=result.exit_status, output=details)
    code = result.reason if result.reason != "exit" else _code_of(result, command)
    message = ACT_FAILURES.get(code, ActFailed.message)
    raise ActFailed(
        code,
        f"{message}\n{details}" if details else message,
        exit_status=result.exit_status,
        output=details,
        details=_about(result, command),
    )


def _about(result: Result, command: Command) -> dict[str, Any] | None:
    """What one of our own refusals is about: commits and files."""
    if result.reason != "exit" or (result.exit_status or 0) not in command.refusals:
        return None
    refusal = parse_refusal(result.stdout)
    return refusal.as_json() if refusal else None


@contextmanager
def naming_limit(name: ProjectName, target: Target, mib: int) -> Iterator[None]:
    """A repository that is too large: whose, where, for which limit, and what to do."""
    try:
        yield
    except ActFailed as error:
        if error.code != "repository_too_large":
            raise
        words = (
            f"{name} on {target} would take more than {mib} MiB (MAX_REPOSITORY_MIB); it was stopped, and what it had "
            "brought is removed. Is it the right repository? Then clone with a depth, or an admin raises the limit."
        )
        raise ActFailed(error.code, words, exit_status=error.exit_status, output=error.output) from error


_STOPPED: Final[dict[str, type[ActFailed]]] = {
    "timeout": ActTimedOut,
    "cancelled": ActCancelled,
    "output_limit": OutputLimitExceeded,
}


def _code_of(result: Result, command: Command) -> str:
    """A user's own command has no refusals: its status is its own affair."""
    if not command.refusals:
        return "command_failed"
    return command.refusals.get(result.exit_status or 0) or code_of(result.exit_status, result.stderr)
