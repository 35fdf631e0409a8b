"""Snapshots of working trees: the way back to one, and giving one up. `git.pull` takes them."""

from typing import Final

from app.commands.base import Command, Place
from app.commands.gitenv import git_environment
from app.commands.giturl import GitUrl
from app.commands.paths import JobKey, ProjectName, ProjectsRoot
from app.commands.programs import REFUSALS, load_program

_UNDO: Final = load_program("pwd", "folders", "git", "way", "recovery", "undo")
_DROP: Final = load_program("pwd", "folders", "git", "drop")


def undo(
    root: ProjectsRoot, name: ProjectName, url: GitUrl, key: str, *, job_key: str, timeout_seconds: int = 1800
) -> Command:
    """Branch, index and files as they were at the snapshot `key`; what is there now becomes the snapshot `job_key`.

    Prints an outcome, with the new recovery ref.
    """
    arguments = (url.text, JobKey(key), JobKey(job_key))
    return _command(_UNDO, arguments, root, name, timeout_seconds)


def drop(root: ProjectsRoot, name: ProjectName, url: GitUrl, key: str, *, timeout_seconds: int = 60) -> Command:
    """Prints nothing. What nothing else refers to is then git's to clear away."""
    return _command(_DROP, (url.text, JobKey(key)), root, name, timeout_seconds)


def _command(
    program: str, arguments: tuple[str, ...], root: ProjectsRoot, name: ProjectName, timeout_seconds: int
) -> Command:
    return Command(
        program=program,
        arguments=arguments,
        environment=git_environment(root),
        place=Place(root, name),
        timeout_seconds=timeout_seconds,
        refusals=REFUSALS,
    )
