"""A project's own playbooks: files in its `.bareboat`, read on its node when they are asked for, where an admin allows
it. Whoever may push to the repository writes them, so they run on that project only, under the rules of commands."""

from functools import partial

from app.commands.ownplaybooks import FOLDER, OwnFile
from app.commands.paths import ProjectName, RelativePath
from app.db import release
from app.errors import NotFound, PlaybookInvalid, WrongState
from app.models import Project
from app.playbooks.own import refuse_for_others
from app.playbooks.playbook import Listed, Playbook, is_name, listed, load_bytes
from app.playbooks.reader import SIZE_LIMIT_BYTES
from app.services.projects import ensure_ready, get_cloned_project, one_look
from app.services.steps_client import build_steps_client

_SUFFIX = ".yml"


def list_own_playbooks(project_id: int) -> list[Listed]:
    """By name, asked over SSH; a file that is broken is listed with its error. Raises WrongState where they are not
    allowed, and what a look at the node raises."""
    with one_look():  # while they are judged, too: that takes its time where they are long
        files = {file.name.removesuffix(_SUFFIX): file for file in _read(project_id) if file.name.endswith(_SUFFIX)}
        return [listed(name, partial(_load, name, files[name])) for name in sorted(files) if is_name(name)]


def get_own_playbook(project_id: int, name: str) -> Playbook:
    """As it is on the node now. Raises NotFound, PlaybookInvalid, and what `list_own_playbooks` raises."""
    with one_look():
        return read_own_playbook(project_id, name)


def read_own_playbook(project_id: int, name: str) -> Playbook:
    """The same for a job, which has a thread of its own for it. Raises as `get_own_playbook`."""
    found = _read(project_id, RelativePath(f"{name}{_SUFFIX}")) if is_name(name) else ()
    if found:
        return _load(name, found[0])
    raise NotFound(f"Project {project_id} has no playbook {name[:80]!r} of its own in {FOLDER}; pull it first?")


def ensure_own_allowed(project: Project) -> None:
    if not project.allow_own_playbooks:
        raise WrongState(
            f"Project {project.name} may not run playbooks of its own; an admin allows it on the project's page."
        )


def _read(project_id: int, file: RelativePath | None = None) -> tuple[OwnFile, ...]:
    project = get_cloned_project(project_id)
    ensure_own_allowed(project)
    ensure_ready(project.node, is_change=False)
    client, name = build_steps_client(project.node), ProjectName(project.name)
    release()
    return client.list_own_playbooks(name, file, SIZE_LIMIT_BYTES + 1)


def _load(name: str, file: OwnFile) -> Playbook:
    shown = f"{FOLDER}/{name}{_SUFFIX}"
    if file.problem:
        raise PlaybookInvalid(f"{shown}: {file.problem}")
    return load_bytes(name, shown, file.data, refuse_for_others)
