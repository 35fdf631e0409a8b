"""What the demo clones: the checkout's own repository at its HEAD, served on loopback by git itself."""

import os
import subprocess
from pathlib import Path
from typing import Final

from app.cli.demo.processes import Processes

_TIMEOUT_SECONDS: Final = 300


class DemoSource:
    """A bare copy with one branch is served, not the checkout: a detached or shallow one (CI) works as well."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        self._folder = folder
        self._checkout = checkout
        self._bare = folder / "bareboat.git"
        # The user's own settings play no part, and the checkout may belong to somebody else.
        self._env = os.environ | {"GIT_CONFIG_GLOBAL": str(folder / "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}

    def start(self, processes: Processes, port: int) -> str:
        """Answers the address to clone."""
        self._copy()
        daemon = Path(self._git("--exec-path").strip()) / "git-daemon"
        options = ("--listen=127.0.0.1", f"--port={port}", "--reuseaddr", "--export-all")
        argv = (daemon, *options, f"--base-path={self._folder}", self._bare)
        processes.start("git-daemon", argv, env=self._env)
        return f"git://127.0.0.1:{port}/bareboat.git"

    def head(self) -> str:
        return self._git("-C", str(self._bare), "rev-parse", "HEAD").strip()

    def state_of(self, tree: Path) -> str:
        """What `git status --porcelain` says of a clone; empty is clean."""
        return self._git("-C", str(tree), "status", "--porcelain").strip()

    def _copy(self) -> None:
        self._folder.mkdir(parents=True)
        (self._folder / "gitconfig").write_text("[safe]\n\tdirectory = *\n")
        self._git("init", "--quiet", "--bare", str(self._bare))
        self._git("-C", str(self._bare), "symbolic-ref", "HEAD", "refs/heads/main")
        fetch = ("fetch", "--quiet", "--update-shallow", str(self._checkout), "HEAD:refs/heads/main")
        self._git("-C", str(self._bare), *fetch)

    def _git(self, *words: str) -> str:
        done = subprocess.run(  # noqa: S603 - constant program, our own arguments
            ["git", *words],  # noqa: S607 - the user's git, wherever it is
            check=False,
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
        )
        if done.returncode != 0:
            raise RuntimeError(f"git {words[0]} failed: {done.stderr.strip()}")
        return done.stdout
