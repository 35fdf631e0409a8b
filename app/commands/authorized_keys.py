"""The account's own ~/.ssh/authorized_keys: look for a key, add one beside another, remove one. All may be repeated."""

from typing import Final

from app.commands.base import Command
from app.commands.paths import JobKey
from app.commands.programs import REFUSALS, load_program

_PROGRAM: Final = load_program("folders", "authorized_keys")


def look(public_key: str, job_key: str) -> Command:
    """Prints `present` or `absent`. All public keys here are `type base64 words`."""
    return _command("look", job_key, public_key)


def add(public_key: str, like: str, job_key: str) -> Command:
    """Before the line of `like`, with its options; prints `added` or `present`."""
    return _command("add", job_key, public_key, like)


def remove(public_key: str, job_key: str) -> Command:
    """Every line that holds this key; prints `removed` or `absent`."""
    return _command("remove", job_key, public_key, "")


def _command(act: str, job_key: str, public_key: str, like: str = "") -> Command:
    return Command(program=_PROGRAM, arguments=(act, JobKey(job_key), public_key, like), refusals=REFUSALS)
