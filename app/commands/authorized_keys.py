"""The account's own ~/.ssh/authorized_keys: look for a key, add one beside another, remove one. All may be repeated."""

from dataclasses import dataclass
from typing import Final

from app.commands.base import Command
from app.commands.paths import JobKey
from app.commands.programs import REFUSALS, load_program

_PROGRAM: Final = load_program("pwd", "folders", "notes", "authorized_keys")


@dataclass(frozen=True, slots=True)
class Noted:
    """What the node's own log, below this projects root, says of a change (`notes.node_note`)."""

    root: str
    note: str


_UNNOTED: Final = Noted("", "")


def look(public_key: str, job_key: str) -> Command:
    """Prints `present` or `absent`. All public keys here are `type base64 words`."""
    return _command("look", job_key, public_key)


def add(public_key: str, like: str, job_key: str, noted: Noted = _UNNOTED) -> Command:
    """Before the line of `like`, with its options; prints `added` or `present`."""
    return _command("add", job_key, public_key, like, noted)


def remove(public_key: str, job_key: str, noted: Noted = _UNNOTED) -> Command:
    """Every line that holds this key; prints `removed` or `absent`."""
    return _command("remove", job_key, public_key, "", noted)


def _command(act: str, job_key: str, public_key: str, like: str = "", noted: Noted = _UNNOTED) -> Command:
    words = (act, JobKey(job_key), public_key, like, noted.root, noted.note)
    return Command(program=_PROGRAM, arguments=words, refusals=REFUSALS)
