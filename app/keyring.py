"""The files of the master key: the one that counts and, while a rotation goes on, the one before it.

A rotation changes files by whole renames, so that at every moment each key that something may be sealed under is in
one of them: `master.key` (current), `master.key.old` (only until nothing is sealed under it), and then
`master.key.<key id>.retired`, which Bareboat does not read: backups of the database from before need it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.errors import MasterKeyUnsafe, WrongState
from app.secrets import MasterKey, create_master_key, load_master_key

CURRENT: Final = "master.key"
OLD: Final = "master.key.old"
_NEXT: Final = "master.key.next"
_LOCK: Final = "rotation.lock"


def load_keys(folder: Path, value: str | None, previous: str | None) -> tuple[MasterKey, ...]:
    """The current key first, then those that only open: of MASTER_KEY_PREVIOUS, and of an unfinished rotation."""
    keys = [load_master_key(value, folder / CURRENT)]
    if previous is not None:
        keys.append(load_master_key(previous, folder / OLD, "MASTER_KEY_PREVIOUS"))
    if value is None and (folder / OLD).exists():
        keys.append(load_master_key(None, folder / OLD))
    return tuple(keys)


@contextmanager
def rotating(folder: Path) -> Iterator[None]:
    """One rotation at a time on this machine. Raises WrongState when another is under way."""
    descriptor = _open_lock(folder / _LOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise WrongState("Another rotation of the master key is under way; wait for it.") from error
    try:
        yield
    finally:
        os.close(descriptor)


def begin_rotation(folder: Path) -> bool:
    """A new key becomes the current one, and the present one `master.key.old`. False: an earlier one goes on."""
    current, old, new = folder / CURRENT, folder / OLD, folder / _NEXT
    if _is_unfinished(current, old):
        return False
    new.unlink(missing_ok=True)  # of a rotation that ended before it began: nothing is sealed under it
    create_master_key(new)
    try:
        old.unlink(missing_ok=True)
        os.link(current, old)
        _settle(folder)
        os.rename(new, current)
        _settle(folder)
    except OSError as error:
        raise MasterKeyUnsafe(f"The master key in {folder} cannot be replaced ({error.strerror}).") from error
    return True


def end_rotation(folder: Path) -> Path | None:
    """Nothing needs the old key any more: it is put aside, and not deleted. Answers where it is."""
    old = folder / OLD
    if not old.exists():
        return None
    retired = folder / f"{CURRENT}.{load_master_key(None, old).key_id}.retired"
    os.rename(old, retired)
    _settle(folder)
    return retired


def _is_unfinished(current: Path, old: Path) -> bool:
    """An old key that is the current one has been linked, and then the rotation ended: nothing has changed yet."""
    return old.exists() and load_master_key(None, old).key_id != load_master_key(None, current).key_id


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise MasterKeyUnsafe(f"{path} cannot be written ({error.strerror}); a rotation needs that.") from error


def _settle(folder: Path) -> None:
    """What was renamed stays so, also when the power fails now."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
