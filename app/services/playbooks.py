"""Playbooks of this installation: listed, read and checked. Their jobs: playbook_jobs.py; runs: playbook_runs.py."""

from functools import partial
from pathlib import Path
from typing import Final

from flask import current_app

from app.errors import NotFound
from app.playbooks.playbook import Listed, Playbook, is_name, listed, load_bytes
from app.playbooks.reader import SIZE_LIMIT_BYTES

_SUFFIX: Final = ".yml"


def list_playbooks() -> list[Listed]:
    """By name. A file that is broken is listed with its error."""
    names = sorted(path.stem for path in _folder().glob(f"*{_SUFFIX}") if is_name(path.stem))
    return [listed(name, partial(get_playbook, name)) for name in names]


def get_playbook(name: str) -> Playbook:
    """Raises NotFound, PlaybookInvalid."""
    path = _folder() / f"{name}{_SUFFIX}"
    if not is_name(name) or not path.is_file():
        raise NotFound(f"There is no playbook {name!r}; see PLAYBOOKS_DIR.")
    return check_file(path)


def check_file(path: Path) -> Playbook:
    """Raises PlaybookInvalid naming file, line, key and what to write instead."""
    with path.open("rb") as file:
        data = file.read(SIZE_LIMIT_BYTES + 1)
    return load_bytes(path.stem, path.name, data)


def _folder() -> Path:
    return Path(current_app.config["PLAYBOOKS_DIR"])
