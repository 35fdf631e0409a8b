"""Commands of users in a project: what may be asked for, and the Command that it becomes. Pure.

The rules guard our own acts and honest mistakes. They are no sandbox: whoever may run a program owns the account.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.commands.base import Command, Place
from app.commands.paths import JobKey, ProjectName, ProjectsRoot, RelativePath
from app.commands.programs import REFUSALS, load_program
from app.errors import CommandNotAllowed, Invalid, UnsafePath, naming

WORDS_LIMIT: Final = 256
ARGV_LIMIT_BYTES: Final = 100 * 1024
PATH_LIMIT_BYTES: Final = 4096
VARIABLES_LIMIT: Final = 64
VALUE_LIMIT_BYTES: Final = 32 * 1024
ENVIRONMENT_LIMIT_BYTES: Final = 100 * 1024
REFUSED_STATUS: Final = next(status for status, code in REFUSALS.items() if code == "path_escape")

_PROGRAM: Final = load_program("command")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
# Ours; what turns a program or a shell into another one; what our shells on the way need, or would stumble over.
_DENIED_BEGINNINGS: Final = ("LD_", "DYLD_", "GIT_", "BAREBOAT_", "BASH", "bb_")
_DENIED_NAMES: Final = frozenset(
    {"PATH", "IFS", "ENV", "CDPATH", "PWD", "OLDPWD", "SHELLOPTS", "PS4", "POSIXLY_CORRECT"}
    | {"UID", "EUID", "PPID", "OPTIND", "GLOBIGNORE"}
)
_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True)
class Rules:
    """What this installation allows: programs by name (none: all), and how long a command may take."""

    programs: tuple[str, ...] = ()
    longest_seconds: int = 3600


@dataclass(frozen=True, slots=True)
class UserCommand:
    """A command that has passed its rules; `cwd` is below the project, None the project itself."""

    argv: tuple[str, ...]
    cwd: RelativePath | None
    environment: Mapping[str, str]
    timeout_seconds: int


def user_command(values: Mapping[str, Any], home: str, rules: Rules) -> UserCommand:
    """`values`: `argv`, and maybe `cwd`, `env`, `timeout_seconds`; `home` is the project's path on its node.

    Raises Invalid, UnsafePath or CommandNotAllowed, naming the field and the rule.
    """
    argv, environment = tuple(values["argv"]), dict(values.get("env") or {})
    with naming("argv"):
        _ensure_argv(argv, home)
    with naming("cwd"):
        cwd = RelativePath(values["cwd"]) if values.get("cwd") else None
    with naming("env"):
        _ensure_environment(environment)
    with naming("timeout_seconds"):
        seconds = _seconds(values.get("timeout_seconds"), rules.longest_seconds)
    _ensure_allowed(argv[0], rules.programs)
    return UserCommand(argv, cwd, environment, seconds)


def account_command(values: Mapping[str, Any], rules: Rules) -> UserCommand:
    """The same for an admin's command on the node itself: there is no project to hold its paths to."""
    argv, environment = tuple(values["argv"]), dict(values.get("env") or {})
    with naming("argv"):
        if not 1 <= len(argv) <= WORDS_LIMIT or argv[0].startswith("-") or not argv[0]:
            raise Invalid(f"A command has 1 to {WORDS_LIMIT} words, the first of which is a program.")
        _ensure_bytes("The command", argv, ARGV_LIMIT_BYTES)
    with naming("env"):
        _ensure_environment(environment)
    return UserCommand(argv, None, environment, _seconds(values.get("timeout_seconds"), rules.longest_seconds))


def run(root: ProjectsRoot, name: ProjectName, asked: UserCommand, job_key: str) -> Command:
    """Becomes the program, once each word that is a path was seen on the node to stay in the project.

    Any exit status is the program's own; that of a refusal is told apart by `is_refusal`.
    """
    return Command(
        program=_PROGRAM,
        arguments=(JobKey(job_key), f"{root}/{name}", *asked.argv),
        environment=asked.environment,
        place=Place(root, name, asked.cwd),
        timeout_seconds=asked.timeout_seconds,
    )


def is_refusal(exit_status: int | None, output: bytes, job_key: str) -> bool:
    """Whether it was our program on the node that has refused, before the user's own was run."""
    return exit_status == REFUSED_STATUS and output.startswith(f"bareboat {job_key} refuses: ".encode())


def _ensure_argv(argv: Sequence[str], home: str) -> None:
    if not 1 <= len(argv) <= WORDS_LIMIT:
        raise Invalid(f"A command has 1 to {WORDS_LIMIT} words.")
    _ensure_bytes("The command", argv, ARGV_LIMIT_BYTES)
    _ensure_program(argv[0], home)
    for number, word in enumerate(argv[1:], 2):
        for text in (word, word.partition("=")[2]):
            _ensure_inside(f"Word {number} ({_shown(word)})", text, home)


def _ensure_program(word: str, home: str) -> None:
    if word.startswith("-") or word in ("", ".", ".."):
        raise UnsafePath("The first word must be a program: a bare name found on PATH, or a path inside the project.")
    path = word.removeprefix(f"{home}/").removeprefix("./")
    try:
        RelativePath(path)
    except UnsafePath as error:
        raise UnsafePath(
            f"The program must be a bare name found on PATH, or a path inside the project. {error.message}"
        ) from error


def _ensure_inside(subject: str, text: str, home: str) -> None:
    """Only what is absolute, or climbs, counts as a path: nobody can tell of other words what they will mean."""
    if ".." in text.split("/"):
        raise UnsafePath(f"{subject} has a '..' component; name the path from inside the project.")
    if not text.startswith("/"):
        return
    if text != home and not text.startswith(f"{home}/"):
        raise UnsafePath(f"{subject} is an absolute path outside the project ({home}); use one inside it.")
    if len(text.encode()) > PATH_LIMIT_BYTES:
        raise UnsafePath(f"{subject} is longer than a path can be ({PATH_LIMIT_BYTES} bytes).")


def _ensure_environment(environment: Mapping[str, str]) -> None:
    if len(environment) > VARIABLES_LIMIT:
        raise Invalid(f"A command has at most {VARIABLES_LIMIT} environment variables.")
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name):
            raise Invalid(f"{_shown(name)} is no name for a variable: letters, digits and _ (not a digit first).")
        if name.startswith(_DENIED_BEGINNINGS) or name in _DENIED_NAMES:
            raise Invalid(f"{name} may not be set: it would change what runs, or how Bareboat runs it.")
        _ensure_bytes(f"The value of {name}", [value], VALUE_LIMIT_BYTES)
    _ensure_bytes("The environment", environment.values(), ENVIRONMENT_LIMIT_BYTES)


def _ensure_bytes(subject: str, words: Iterable[str], limit: int) -> None:
    words = tuple(words)
    if any("\0" in word for word in words):
        raise Invalid(f"{subject} must not hold NUL.")
    try:
        size = sum(len(word.encode()) for word in words)
    except UnicodeEncodeError as error:
        raise Invalid(f"{subject} must be valid Unicode.") from error
    if size > limit:
        raise Invalid(f"{subject} must not be longer than {limit} bytes in all.")


def _seconds(asked: int | None, longest: int) -> int:
    if asked is not None and not 1 <= asked <= longest:
        raise Invalid(f"A command may take 1 to {longest} seconds here (JOB_TIMEOUT_SECONDS).")
    return asked or longest


def _ensure_allowed(program: str, allowed: Sequence[str]) -> None:
    if allowed and program not in allowed:
        text = f"{_shown(program)} may not be run here; allowed are: {', '.join(allowed)} (ALLOWED_COMMANDS)."
        raise CommandNotAllowed(text, errors={"argv": [text]})


def _shown(word: str) -> str:
    return repr(word if len(word) <= _SHOWN_CHARACTERS else word[:_SHOWN_CHARACTERS] + "…")
