"""A network of its own for one node, so that packets to and from it can be dropped. Needs root, ip and nft."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Self

import pytest

_numbers = itertools.count()


class NodeNetwork:
    """`address` is the node's, `gateway` ours; `drop()` makes a black hole of all between them until `heal()`."""

    def __init__(self) -> None:
        number = (os.getpid() * 8 + next(_numbers)) % 16384
        self.name = f"bareboat-{number}"
        third, fourth = divmod(number * 4, 256)
        self.gateway, self.address = f"10.211.{third}.{fourth + 1}", f"10.211.{third}.{fourth + 2}"
        self._links = (f"bb{number}a", f"bb{number}b")

    @property
    def prefix(self) -> tuple[str, ...]:
        """What makes a program run inside."""
        return ("ip", "netns", "exec", self.name)

    def drop(self) -> None:
        for words in (
            "add table inet hole",
            "add chain inet hole in {type filter hook input priority 0; policy drop;}",
        ):
            self._inside("nft", words)
        self._inside("nft", "add chain inet hole out {type filter hook output priority 0; policy drop;}")

    def heal(self) -> None:
        self._inside("nft", "delete table inet hole")

    def __enter__(self) -> Self:
        near, far = self._links
        _run("ip", "netns", "add", self.name)
        _run("ip", "link", "add", near, "type", "veth", "peer", "name", far)
        _run("ip", "link", "set", far, "netns", self.name)
        _run("ip", "address", "add", f"{self.gateway}/30", "dev", near)
        _run("ip", "link", "set", near, "up")
        self._inside("ip", "address", "add", f"{self.address}/30", "dev", far)
        self._inside("ip", "link", "set", far, "up")
        self._inside("ip", "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["ip", "link", "delete", self._links[0]], capture_output=True)
        _run("ip", "netns", "delete", self.name)

    def _inside(self, *words: str) -> None:
        _run(*self.prefix, *words)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stderr}"


@pytest.fixture
def node_network() -> Iterator[NodeNetwork]:
    if os.geteuid() != 0 or not all(shutil.which(program) for program in ("ip", "nft")):
        pytest.skip("needs root, ip and nft to make a network of its own")
    with NodeNetwork() as network:
        yield network
