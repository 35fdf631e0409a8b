"""The limit on what an act may write, with repositories that are kilobytes to send and gigabytes to have."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from app.commands.base import Command, Place
from app.commands.programs import load_program
from tests.commands.acts import code, leftovers, make_checkout, make_clone, make_pull, outcome
from tests.commands.shells import Node
from tests.support.forge import Forge, git

Plant = Callable[[Forge], None]
LEVELS = 12
LARGE = os.urandom(3 * 1024 * 1024)  # which no compression makes smaller


def store(bare: Path, kind: str, data: bytes) -> str:
    words = ["git", "hash-object", "-t", kind, "-w", "--stdin"]
    return subprocess.run(words, input=data, cwd=bare, check=True, capture_output=True).stdout.decode().strip()


def tree_of(bare: Path, mode: str, sha: str, names: int = 10) -> str:
    """A folder in which every name is the same thing."""
    lines = "".join(f"{mode} {'tree' if mode == '040000' else 'blob'} {sha}\t{name}\n" for name in range(names))
    words = ["git", "mktree", "--missing"]
    return subprocess.run(words, input=lines, cwd=bare, check=True, capture_output=True, text=True).stdout.strip()


def plant_bomb(forge: Forge, branch: str = "main") -> None:
    """10 to the 12th files, in 14 objects, on top of what the branch `main` has."""
    tree = tree_of(forge.bare, "100644", store(forge.bare, "blob", b"x"))
    for _ in range(LEVELS - 1):
        tree = tree_of(forge.bare, "040000", tree)
    _plant(forge, tree, branch)


def plant_copies(forge: Forge) -> None:
    """20 times the same mebibyte of zeros: a kilobyte to send."""
    _plant(forge, tree_of(forge.bare, "100644", store(forge.bare, "blob", bytes(1024 * 1024)), 20), "main")


def plant_growing(forge: Forge) -> None:
    """Within the limit as objects; in the working tree git makes each four bytes of them 47."""
    attributes = store(forge.bare, "blob", b"* ident\n")
    text = store(forge.bare, "blob", b"$Id$\n" * 100_000)
    lines = f"100644 blob {attributes}\t.gitattributes\n100644 blob {text}\ttext\n"
    words = ["git", "mktree"]
    made = subprocess.run(words, input=lines, cwd=forge.bare, check=True, capture_output=True, text=True)
    _plant(forge, made.stdout.strip(), "main")


def _plant(forge: Forge, tree: str, branch: str) -> None:
    sha = git("commit-tree", "-m", "planted", "-p", "main", tree, cwd=forge.bare)
    git("update-ref", f"refs/heads/{branch}", sha, cwd=forge.bare)


def push_large(forge: Forge) -> None:
    (forge.work / "large").write_bytes(LARGE)
    git("add", "large", cwd=forge.work)
    git("commit", "-q", "-m", "large", cwd=forge.work)
    git("push", "-q", "origin", "main", cwd=forge.work)


def everything(folder: Path) -> dict[str, int]:
    """All files, but for what a fetch may leave: objects that nothing leads to, and notes of where origin is."""
    names = (path for path in folder.rglob("*") if path.is_file())
    noted = ("FETCH_HEAD", ".git/objects/", ".git/refs/remotes/", ".git/logs/refs/remotes/", ".git/packed-refs")
    return {str(path): path.stat().st_size for path in names if not any(word in str(path) for word in noted)}


@pytest.mark.parametrize("plant", [plant_bomb, plant_copies, plant_growing, push_large])
def test_a_clone_beyond_the_limit_is_refused_and_leaves_nothing(
    node: Node, root: Path, forge: Forge, plant: Plant
) -> None:
    plant(forge)
    result = node.run(make_clone(root, forge, limit_mib=2))
    assert code(result) == "repository_too_large", result.words
    assert leftovers(root) == []


def test_a_clone_within_the_limit_is_as_without_one(node: Node, root: Path, forge: Forge) -> None:
    push_large(forge)
    got = outcome(node.run(make_clone(root, forge, limit_mib=8)))
    assert (got.head.sha, got.branch) == (git("rev-parse", "HEAD", cwd=forge.work), "main")
    assert (root / "app/large").read_bytes() == LARGE
    assert git("status", "--porcelain", cwd=root / "app") == ""


@pytest.mark.parametrize("strategy", ["ff-only", "reset"])
@pytest.mark.parametrize("plant", [plant_bomb, plant_copies, plant_growing, push_large])
def test_a_pull_beyond_the_limit_leaves_the_project_as_it_was(
    dash: Node, root: Path, forge: Forge, cloned: Path, plant: Plant, strategy: str
) -> None:
    _is_refused_and_changes_nothing(dash, root, forge, cloned, plant, strategy)


@pytest.mark.parametrize("plant", [plant_bomb, push_large])
def test_so_it_does_in_every_shell(node: Node, root: Path, forge: Forge, cloned: Path, plant: Plant) -> None:
    _is_refused_and_changes_nothing(node, root, forge, cloned, plant, "ff-only")


def _is_refused_and_changes_nothing(
    node: Node, root: Path, forge: Forge, cloned: Path, plant: Plant, strategy: str
) -> None:
    before, head = everything(cloned), git("rev-parse", "HEAD", cwd=cloned)
    plant(forge)
    result = node.run(make_pull(root, forge, strategy=strategy, limit_mib=2))
    assert code(result) == "repository_too_large", result.words
    assert (everything(cloned), git("rev-parse", "HEAD", cwd=cloned)) == (before, head)
    assert git("status", "--porcelain", cwd=cloned) == ""
    assert "garbage: 0" in git("count-objects", "-v", cwd=cloned)


def test_what_another_git_is_receiving_is_not_removed(dash: Node, root: Path, forge: Forge, cloned: Path) -> None:
    other = cloned / ".git/objects/pack/tmp_pack_ofothers"
    other.write_bytes(b"half")
    push_large(forge)
    assert code(dash.run(make_pull(root, forge, limit_mib=2))) == "repository_too_large"
    assert other.read_bytes() == b"half"


def test_a_pull_of_little_into_a_large_project_is_within_the_limit(
    dash: Node, root: Path, forge: Forge, cloned: Path
) -> None:
    push_large(forge)
    outcome(dash.run(make_pull(root, forge)))
    sha = forge.push()
    assert outcome(dash.run(make_pull(root, forge, limit_mib=1))).head.sha == sha


def test_a_checkout_beyond_the_limit_changes_nothing(node: Node, root: Path, forge: Forge) -> None:
    plant_bomb(forge, "deep")
    outcome(node.run(make_clone(root, forge)))
    assert code(node.run(make_checkout(root, "deep", limit_mib=2))) == "repository_too_large"
    assert outcome(node.run(make_checkout(root, "feature", limit_mib=2))).branch == "feature"


@pytest.mark.parametrize(
    ("attributes", "times"),
    [
        (b"*.sh eol=lf\n", 1),
        (b"*.bat eol=crlf\n", 2),
        (b"* working-tree-encoding=UTF-32\n", 8),
        (b"\0\xff[attr]x ident\n* x\n", 18),
        (b"* ident eol=crlf working-tree-encoding=UTF-32\n", 288),
    ],
)
def test_what_files_may_grow_by_is_known_of_their_attributes(
    node: Node, root: Path, forge: Forge, cloned: Path, attributes: bytes, times: int
) -> None:
    blob = store(cloned, "blob", attributes)
    inner = tree_of(cloned, "100644", blob, 1)
    lines = f"100644 blob {blob}\t.gitattributes\n040000 tree {inner}\tbelow\n"
    made = subprocess.run(["git", "mktree"], input=lines, cwd=cloned, check=True, capture_output=True, text=True)
    looks = 'most=1000\ngrowth "$(whole "$1")"\ngrowth "$(changed "$1" "$1")"'
    program = load_program("folders", "git", "size") + "\n" + looks
    limit, place = {"BAREBOAT_LIMIT_KIB": "2048"}, Place(str(cloned))
    result = node.run(Command(program, (made.stdout.strip(),), limit, place, timeout_seconds=60))
    assert (result.status, result.stdout) == (0, f"{times}\n{times}\n".encode())


def test_a_watch_that_has_not_heard_of_the_end_ends_all_the_same(node: Node, root: Path) -> None:
    """A signal may come between its fork and its first line, when it has the traps of the shell that it was."""
    programs = load_program("folders", "git", "size")
    deaf = programs.replace('kill -TERM "$watch"', 'true "$watch"')
    assert deaf.count('true "$watch"') == 2
    limit = {"BAREBOAT_LIMIT_KIB": "2048"}
    command = Command(f"{deaf}\nrun_bounded 0 . true", (), limit, Place(str(root)), timeout_seconds=60)
    assert node.run(command).status == 0


@pytest.mark.parametrize("writes", ["head -c 100000 /dev/urandom >$n", "mkdir -p $n && : >$n/x && : >$n/y"])
def test_what_grows_by_small_files_is_ended_while_it_runs(node: Node, root: Path, writes: str) -> None:
    """As submodules may, which are fetched and checked out in one go. Files without a byte count, too."""
    endless = f"n=0; while :; do n=$((n + 1)); {writes}; done"
    text = 'run_bounded 0 . sh -c "$1"; status=$?; weigh .; exit "$status"'
    program = load_program("folders", "git", "size") + "\n" + text
    limit = {"BAREBOAT_LIMIT_KIB": "2048"}
    result = node.run(Command(program, (endless,), limit, Place(str(root)), timeout_seconds=60))
    assert result.status == 97, result.words
    assert int(result.stdout) > 2048


def test_submodules_count(node: Node, root: Path, forge: Forge, tmp_path: Path) -> None:
    """Each of them alone would be within the limit of one file; what ends it is the look at all of it."""
    git("init", "-q", "-b", "main", "lib", cwd=tmp_path)
    for number in range(4):
        (tmp_path / f"lib/{number}").write_bytes(os.urandom(500_000))
    git("add", ".", cwd=tmp_path / "lib")
    git("commit", "-q", "-m", "lib", cwd=tmp_path / "lib")
    git("clone", "-q", "--bare", str(tmp_path / "lib"), str(forge.base / "lib.git"), cwd=tmp_path)
    sha = git("rev-parse", "HEAD", cwd=tmp_path / "lib")
    (forge.work / ".gitmodules").write_text('[submodule "lib"]\n\tpath = lib\n\turl = ../lib.git\n')
    git("update-index", "--add", "--cacheinfo", f"160000,{sha},lib", cwd=forge.work)
    git("add", ".gitmodules", cwd=forge.work)
    git("commit", "-q", "-m", "lib", cwd=forge.work)
    git("push", "-q", "origin", "main", cwd=forge.work)
    assert code(node.run(make_clone(root, forge, submodules=True, limit_mib=3))) == "repository_too_large"
    assert leftovers(root) == []
    outcome(node.run(make_clone(root, forge, submodules=True, limit_mib=16)))
