"""Repositories to clone, served by git's own server on loopback."""

import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.ports import free_port

_READY_SECONDS: Final = 10
_PER_FOLDER: Final = 200


@dataclass(frozen=True, slots=True)
class Repository:
    """So many files of so many bytes that no compression helps with."""

    name: str
    files: int
    file_bytes: int


def make(folder: Path, repository: Repository) -> None:
    bare = folder / f"{repository.name}.git"
    git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git("-C", str(bare), "config", "core.compression", "0")
    words = ["git", "-C", str(bare), "fast-import", "--quiet"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as importer:
        assert importer.stdin is not None
        importer.stdin.write(b"commit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 5\nfirst\n")
        chance = random.Random(7)
        for number in range(repository.files):
            path = f"part-{number // _PER_FOLDER}/file-{number}"
            head = f"M 100644 inline {path}\ndata {repository.file_bytes}\n"
            importer.stdin.write(head.encode() + chance.randbytes(repository.file_bytes) + b"\n")
    if importer.returncode:
        raise RuntimeError("git fast-import failed")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address before a repository's name."""
    port = free_port()
    daemon = Path(git("--exec-path").strip()) / "git-daemon"
    words = [str(daemon), "--listen=127.0.0.1", f"--port={port}", "--reuseaddr", "--export-all"]
    environment = os.environ | {"GIT_CONFIG_GLOBAL": str(folder / "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}
    (folder / "gitconfig").write_text("[safe]\n\tdirectory = *\n")
    process = subprocess.Popen(
        [*words, f"--base-path={folder}", str(folder)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _await(port)
        yield f"git://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.communicate(timeout=10)


def git(*words: str) -> str:
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout


def _await(port: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("git-daemon does not listen")
