"""The lock files install the same thing next year: what is required is pinned, with the extras it is asked for."""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app.config import CHECKOUT

PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[([a-z0-9_,-]+)\])?==\S+ \\$", re.MULTILINE)
LOCKS = ["requirements.lock", "requirements-dev.lock"]


def pins(lock: str) -> dict[str, set[str]]:
    rows = PINNED.findall((CHECKOUT / lock).read_text())
    return {canonicalize_name(name): set(filter(None, extras.split(","))) for name, extras in rows}


def required_by(name: str, extras: set[str]) -> Iterator[Requirement]:
    """What a locked package asks for on this machine; nothing for one that is not installed here."""
    try:
        wanted = requires(name) or []
    except PackageNotFoundError:
        return
    for requirement in map(Requirement, wanted):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ["", *extras]):
            yield requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_what_is_asked_for_with_an_extra_is_pinned_with_it(lock: str) -> None:
    """Where only `coverage==…` is named, pip 23.2 takes `coverage[toml]` for unpinned and refuses the whole file."""
    locked = pins(lock)
    loose = {
        str(requirement)
        for name, extras in locked.items()
        for requirement in required_by(name, extras)
        if not requirement.extras <= locked.get(canonicalize_name(requirement.name), set())
    }
    assert loose == set()


@pytest.mark.parametrize("lock", LOCKS)
def test_all_that_a_locked_package_asks_for_is_locked(lock: str) -> None:
    locked = pins(lock)
    asked = {canonicalize_name(r.name) for name, extras in locked.items() for r in required_by(name, extras)}
    assert asked - locked.keys() == set()
