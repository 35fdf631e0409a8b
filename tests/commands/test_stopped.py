"""A pull that is stopped in the middle of changing the tree leaves it as it was."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.commands.base import NODE_PATH, Command
from tests.commands.acts import make_pull
from tests.commands.shells import Node, end, finish
from tests.commands.test_recovery import state
from tests.support.controller_process import wait_until
from tests.support.forge import Forge, commit, git

# Once the tree is half changed, this git goes no further; and on the way back it is ended once, as whoever ends a job
# tells each process that they find.
HANGING = """#!/bin/sh
[ ! -e {marker} ] || [ -e {marker}-again ] || case " $* " in *" read-tree "*) touch {marker}-again; exit 143 ;; esac
case " $* " in
  *" {word} "*) {half}; touch {marker}; exec sleep 600 ;;
  *) exec {git} "$@" ;;
esac
"""


@pytest.fixture
def hanging(node: Node, tmp_path: Path) -> Callable[[str, str], tuple[Node, Path]]:
    def make(word: str, half: str) -> tuple[Node, Path]:
        folder, marker = tmp_path / "hanging", tmp_path / "reached"
        folder.mkdir(exist_ok=True)
        git = shutil.which("git", path=NODE_PATH)
        (folder / "git").write_text(HANGING.format(word=word, half=half.format(git=git), marker=marker, git=git))
        (folder / "git").chmod(0o755)
        return Node(node.shell, f"{folder}:{node.path}"), marker

    return make


def stop_in_the_middle(node: Node, command: Command, marker: Path) -> None:
    process = node.start(command)
    try:
        wait_until(marker.exists)
        assert process.stdin is not None
        process.stdin.close()
        finish(process)
    finally:
        end(process)


@pytest.mark.parametrize(
    ("strategy", "word", "half"),
    [
        ("reset", "checkout", "rm README; echo x >half"),
        ("rebase", "commit.gpgSign=false", '{git} "$@" >/dev/null 2>&1'),
    ],
    ids=["reset", "rebase"],
)
def test_a_pull_that_is_stopped_in_the_middle_leaves_everything(
    hanging: Callable[[str, str], tuple[Node, Path]],
    root: Path,
    forge: Forge,
    cloned: Path,
    strategy: str,
    word: str,
    half: str,
) -> None:
    commit(cloned, "README", "own\n")
    (cloned / "untracked").write_bytes(b"x\r\n")
    forge.push("README", "theirs\n")
    before = state(cloned)
    node, marker = hanging(word, half)
    stop_in_the_middle(node, make_pull(root, forge, strategy=strategy), marker)
    assert state(cloned) == before
    assert marker.with_name("reached-again").exists()
    assert (git("for-each-ref", "refs/bareboat", cwd=cloned), (cloned / ".git/rebase-merge").exists()) == ("", False)
