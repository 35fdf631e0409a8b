"""Command: what runs on a node, as a frozen value; `script()` is the one place where values become shell text.

What sshd is asked to run is always LOGIN_COMMAND; the script goes to its stdin, so that neither the account's
login shell nor a process list ever sees a value. The script

1. answers BEGIN with a nonce on both streams (what came before is login noise),
2. enters the command's place and *then* compares where it is with where it should be: a directory that has been
   entered is held by its inode, so swapping links after the check changes nothing,
3. runs the program under `timeout`, with the channel's open stdin as its lease: when the controller closes it, or
   dies, the program is terminated,
4. answers END with the nonce, a reason and the exit status. No END line means: lost.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from app.commands.paths import ProjectName, RelativePath
from app.commands.programs import load_program
from app.secrets import Secret

LOGIN_COMMAND: Final = "exec /bin/sh -s"
KILL_GRACE_SECONDS: Final = 10
WHERE: Final = load_program("pwd")
NODE_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOTHING: Mapping[str, "str | Secret"] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command runs: the projects root (absolute), a project in it, a folder in that."""

    root: str
    project: ProjectName | None = None
    folder: RelativePath | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A program in POSIX shell text that is a *constant of ours*; values reach it as `"$1"` … and environment only.

    `refusals` says what this program's own exit statuses mean, as codes of `app.errors.ACT_FAILURES`. Leave it empty
    for programs of the user: their statuses are theirs. `timeout_seconds` is kept on the node, by `timeout`. `note` is
    what the node's own log says of a durable process (`notes.node_note`); nothing: it has no line there. `is_told`: it
    starts no program, does not exit, and leaves what it found in `$said` where `is_told` is set; a persistent shell
    then tells it in one piece.
    """

    program: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str | Secret] = field(default_factory=lambda: _NOTHING)
    place: Place | None = None
    timeout_seconds: int = 60
    refusals: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    note: str = ""
    is_told: bool = False

    def script(self, nonce: str) -> str:
        """The whole script for `/bin/sh -s`; `nonce` is hexadecimal and new for every run."""
        lines = [*_place_lines(self.place), _arguments(self.arguments), exports(self.environment)]
        return _ENVELOPE.format(
            nonce=nonce,
            path=NODE_PATH,
            where=WHERE,
            values="\n".join(line for line in lines if line),
            seconds=self.timeout_seconds,
            grace=KILL_GRACE_SECONDS,
            program=quote(self.program),
        )


def argv(*words: str) -> tuple[str, tuple[str, ...]]:
    """Program and arguments for a plain argv: `Command(*argv("git", "gc"))`."""
    return 'exec "$@"', words


def quote(value: str) -> str:
    """One shell word. Raises ValueError for NUL, which no argument can hold."""
    if "\0" in value:
        raise ValueError("a value for a node must not hold NUL")
    return shlex.quote(value)


def exports(environment: Mapping[str, str | Secret]) -> str:
    return "\n".join(f"export {_variable(name)}={quote(_plain(value))}" for name, value in environment.items())


def _arguments(arguments: tuple[str, ...]) -> str:
    return "set -- " + " ".join(quote(argument) for argument in arguments) if arguments else "set --"


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f"{name!r} is no name for an environment variable")
    return name


def _plain(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _place_lines(place: Place | None) -> list[str]:
    """Each `enter` names what it enters, where that must turn out to be, and the reasons for missing and astray."""
    if place is None:
        return []
    here = place.root
    lines = [f"enter {quote(here)} {quote(here)} root_missing root_unsafe"]
    if place.project is not None:
        here = f"{here.rstrip('/')}/{place.project}"
        lines.append(f"enter {quote(f'./{place.project}')} {quote(here)} project_missing path_escape")
    if place.folder is not None:
        here = f"{here}/{place.folder}"
        lines.append(f"enter {quote(f'./{place.folder}')} {quote(here)} folder_missing path_escape")
    return lines


# `read` on descriptor 3 returns when the controller closes the channel's stdin (or sends a line): the lease is over.
# A `timeout` that is terminated before it knows its child (tried: coreutils 9.1, in its first milliseconds) exits and
# leaves the child running; it has made the group "$work", so what is left of that is killed before END claims the end.
# The program's own exit status is told apart from a limit by the controller, which knows the time that has passed.
_ENVELOPE: Final = """{{
exec 3<&0 </dev/null
umask 077
unset CDPATH ENV BASH_ENV
LC_ALL=C.UTF-8 PATH={path}
export LC_ALL PATH
end() {{ printf '\\nEND {nonce} %s %s\\n' "$1" "$2"; exit 0; }}
{where}
enter() {{
  [ -d "$1" ] || end "$3" -
  cd -P -- "$1" 2>/dev/null || end "$3" -
  [ "$(where && printf x)" = "$2
x" ] || end "$4" -
}}
printf 'BEGIN {nonce}\\n'
printf 'BEGIN {nonce}\\n' >&2
{values}
timeout -k {grace} {seconds} /bin/sh -c {program} sh "$@" </dev/null 3<&- &
work=$!
{{ read -r _ <&3; kill -TERM "$work"; }} >/dev/null 2>&1 &
lease=$!
wait "$work"
status=$?
kill "$lease" 2>/dev/null
case $status in 124 | 137 | 143) kill -KILL "-$work" 2>/dev/null ;; esac
end exit "$status"
}}
"""
