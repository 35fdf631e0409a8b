"""Repositories that no honest git writes, put into a bare repository object by object; and what they must not touch."""

import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Union

from tests.support.forge import commit, git


@dataclass(frozen=True)
class Link:
    target: bytes


@dataclass(frozen=True)
class Program:
    text: bytes


@dataclass(frozen=True)
class Module:
    """A submodule, at a commit."""

    sha: str


Entry = Union[bytes, Link, Program, Module, "Mapping[bytes, Entry]"]


def plant(bare: Path, tree: Mapping[bytes, Entry], message: str = "planted") -> str:
    """Make this tree the only commit of `main`; its sha."""
    sha = git("commit-tree", "-m", message, _tree(bare, tree), cwd=bare)
    git("update-ref", "refs/heads/main", sha, cwd=bare)
    return sha


def modules(*lines: str) -> bytes:
    """A `.gitmodules` with one submodule of this name, path, and so on: `modules("lib", "path = lib", …)`."""
    name, *rest = lines
    return f'[submodule "{name}"]\n'.encode() + "".join(f"\t{line}\n" for line in rest).encode()


def _tree(bare: Path, tree: Mapping[bytes, Entry]) -> str:
    # git sorts folders as if their names ended in a slash.
    names = sorted(tree, key=lambda name: name + b"/" if isinstance(tree[name], Mapping) else name)
    return _store(bare, "tree", b"".join(_entry(bare, name, tree[name]) for name in names))


def _entry(bare: Path, name: bytes, entry: Entry) -> bytes:
    if isinstance(entry, Mapping):
        mode, sha = b"40000", _tree(bare, entry)
    elif isinstance(entry, Link):
        mode, sha = b"120000", _store(bare, "blob", entry.target)
    elif isinstance(entry, Program):
        mode, sha = b"100755", _store(bare, "blob", entry.text)
    elif isinstance(entry, Module):
        mode, sha = b"160000", entry.sha
    else:
        mode, sha = b"100644", _store(bare, "blob", entry)
    return mode + b" " + name + b"\0" + bytes.fromhex(sha)


def _store(bare: Path, kind: str, data: bytes) -> str:
    words = ["git", "hash-object", "-t", kind, "-w", "--literally", "--stdin"]
    return subprocess.run(words, input=data, cwd=bare, check=True, capture_output=True).stdout.decode().strip()


@dataclass(frozen=True)
class Canary:
    """A folder outside the projects root with a file that nobody may read or change, and a place for what must not
    come to be."""

    folder: Path

    @property
    def run(self) -> str:
        """Shell text that leaves a trace."""
        return f"touch {self.folder}/ran"

    def state(self) -> dict[str, tuple[int, str]]:
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        return {
            str(path.relative_to(self.folder)): (path.stat().st_mode, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in paths
        }


SECRET = b"canary-0d6c2f"


def make_canary(folder: Path) -> Canary:
    folder.mkdir()
    (folder / "secret").write_bytes(SECRET)
    (folder / "secret").chmod(0o600)
    (folder / "hooks").mkdir()
    git("init", "-q", "-b", "main", "repository", cwd=folder)
    commit(folder / "repository", "secret", SECRET.decode())
    (folder / "hooks/keep").write_bytes(b"kept")
    return Canary(folder)
