"""What is in a node's trash: put back, or removed for good. How it gets there: `git.delete`."""

from typing import Final

from app.commands.base import Command, Place
from app.commands.paths import JobKey, ProjectName, ProjectsRoot
from app.commands.programs import REFUSALS, load_program

_RESTORE: Final = load_program("pwd", "folders", "restore")
_PURGE: Final = load_program("pwd", "folders", "trash", "purge")
_WHERE: Final = load_program("pwd", "folders", "where")


def restore(root: ProjectsRoot, name: ProjectName, trash_key: str, *, timeout_seconds: int = 600) -> Command:
    """Renames `.bareboat/trash/TRASH_KEY` to the project's place, where nothing may be."""
    return _command(_RESTORE, (root, name, JobKey(trash_key)), root, timeout_seconds)


def purge(root: ProjectsRoot, trash_key: str, *, timeout_seconds: int = 1800) -> Command:
    """Prints `missing` or `deleted`."""
    return _command(_PURGE, (root, JobKey(trash_key)), root, timeout_seconds)


def where(root: ProjectsRoot, name: ProjectName, trash_key: str, *, timeout_seconds: int = 60) -> Command:
    """Prints `place`, `trash`, `both` or `neither`: where the folder is now. Reads only."""
    return _command(_WHERE, (root, name, JobKey(trash_key)), root, timeout_seconds)


def _command(program: str, arguments: tuple[str, ...], root: ProjectsRoot, timeout_seconds: int) -> Command:
    return Command(
        program=program,
        arguments=arguments,
        place=Place(root),
        timeout_seconds=timeout_seconds,
        refusals=REFUSALS,
    )
