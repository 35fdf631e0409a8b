"""A project's own playbooks on its node: how the files in its `.bareboat` are asked for, and what comes back. Pure."""

from dataclasses import dataclass
from typing import Final

from app.commands.base import Command, Place
from app.commands.paths import ProjectName, ProjectsRoot, RelativePath
from app.commands.programs import load_program
from app.errors import PlaybookInvalid

FOLDER: Final = RelativePath(".bareboat")
FILES_LIMIT: Final = 100
ALL_LIMIT_BYTES: Final = 256 * 1024
SECONDS: Final = 30

_PROGRAM: Final = load_program("own_playbooks")
_PARTS: Final = 3  # of each file: name, kind, text


@dataclass(frozen=True, slots=True)
class OwnFile:
    """`name` as the node says it, whatever it holds. `problem`: why there is no text."""

    name: str
    data: bytes = b""
    problem: str | None = None


def own_playbooks(
    root: ProjectsRoot, project: ProjectName, file: RelativePath | None = None, *, file_bytes: int
) -> Command:
    """All files, or this one; read by `parse_own_playbooks`. Not more than `file_bytes` of each.

    Ends with the reason `folder_missing` where there is no `.bareboat`, `path_escape` where that is a link.
    """
    limits = (str(file_bytes), str(ALL_LIMIT_BYTES), str(FILES_LIMIT + 1))
    asked = () if file is None else (file,)
    return Command(_PROGRAM, (*limits, *asked), place=Place(root, project, FOLDER), timeout_seconds=SECONDS)


def parse_own_playbooks(output: bytes) -> tuple[OwnFile, ...]:
    """Raises PlaybookInvalid when there are too many of them, or too much in them."""
    tokens = output.split(b"\0")
    if len(output) >= ALL_LIMIT_BYTES or len(tokens) % _PARTS != 1 or tokens[-1]:
        most = f"together they have at most {ALL_LIMIT_BYTES // 1024} KiB"
        raise PlaybookInvalid(f"{FOLDER}: its playbooks cannot be read whole; {most}; make them fewer")
    files = [_file(*tokens[place : place + _PARTS]) for place in range(0, len(tokens) - 1, _PARTS)]
    if len(files) > FILES_LIMIT:
        raise PlaybookInvalid(f"{FOLDER}: it has more than {FILES_LIMIT} playbooks; make them fewer")
    return tuple(files)


def _file(name: bytes, kind: bytes, data: bytes) -> OwnFile:
    problem = None if kind == b"file" else _PROBLEMS.get(kind, "it cannot be read")
    return OwnFile(name.decode("utf-8", "replace"), data, problem)


_PROBLEMS: Final = {
    b"link": "a link is not followed; put the file itself there",
    b"special": "not a regular file; put a file there",
    b"closed": "the node's account may not read it; make it readable",
}
