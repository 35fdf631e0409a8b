"""A git server on loopback, with repositories to clone and a tree to push from."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.ports import await_port, free_port


def git(*words: str, cwd: Path) -> str:
    """git as a developer's own, with nothing of this machine's configuration."""
    names = {f"GIT_{who}_{what}": "dev@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {"PATH": os.environ["PATH"], "HOME": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C", **names}
    done = subprocess.run(["git", *words], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(tree: Path, name: str, text: str, message: str = "change") -> str:
    (tree / name).write_text(text)
    git("add", "--", name, cwd=tree)
    git("commit", "-q", "-m", message, cwd=tree)
    return git("rev-parse", "HEAD", cwd=tree)


@dataclass(frozen=True)
class Forge:
    """Repositories that a git daemon serves on loopback; `work` is a tree with two branches and a tag, to push from."""

    base: Path
    work: Path
    port: int

    @property
    def url(self) -> str:
        return f"git://127.0.0.1:{self.port}/app.git"

    @property
    def bare(self) -> Path:
        return self.base / "app.git"

    def push(self, name: str = "README", text: str = "more\n", message: str = "more") -> str:
        sha = commit(self.work, name, text, message)
        git("push", "-q", "origin", "HEAD", cwd=self.work)
        return sha


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    base = tmp_path_factory.mktemp("forge")
    port = free_port()
    process = subprocess.Popen(
        [
            "git",
            "daemon",
            "--reuseaddr",
            "--export-all",
            "--listen=127.0.0.1",
            f"--port={port}",
            f"--base-path={base}",
            str(base),
        ],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        await_port(port)
        yield base, port
    finally:
        os.killpg(process.pid, 15)
        process.wait(90)


@pytest.fixture(scope="session")
def forge_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`app.git` and `work`, made once and copied for each test."""
    base = tmp_path_factory.mktemp("template")
    git("init", "-q", "--bare", "-b", "main", "app.git", cwd=base)
    git("init", "-q", "-b", "main", "work", cwd=base)
    work = base / "work"
    commit(work, "README", "hello\n", "first")
    git("tag", "v1", cwd=work)
    git("checkout", "-q", "-b", "feature", cwd=work)
    commit(work, "feature", "x\n", "a feature")
    git("checkout", "-q", "main", cwd=work)
    git("push", "-q", str(base / "app.git"), "main", "feature", "v1", cwd=work)
    return base


@pytest.fixture
def forge(daemon: tuple[Path, int], forge_template: Path, tmp_path: Path) -> Forge:
    served, port = daemon
    base = served / tmp_path.name
    shutil.copytree(forge_template / "app.git", base / "app.git")
    work = shutil.copytree(forge_template / "work", tmp_path / "work")
    git("remote", "add", "origin", str(base / "app.git"), cwd=work)
    return _ForgeAt(base, work, port, tmp_path.name)


@dataclass(frozen=True)
class _ForgeAt(Forge):
    folder: str

    @property
    def url(self) -> str:
        return f"git://127.0.0.1:{self.port}/{self.folder}/app.git"
