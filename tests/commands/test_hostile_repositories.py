"""Repositories built to attack: cloned with their submodules, shown, and deleted, without effect outside."""

import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from app.commands.gitstatus import parse_status
from tests.commands.acts import code, leftovers, make_clone, make_delete, make_pull, make_status, outcome
from tests.commands.shells import Node
from tests.support.attacks import SECRET, Canary, Entry, Link, Module, Program, make_canary, modules, plant
from tests.support.forge import Forge, git

GITLINK = Module("1" * 40)
Attack = Callable[[Canary], Mapping[bytes, Entry]]


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    return make_canary(tmp_path / "canary")


def hook(canary: Canary) -> Program:
    return Program(f"#!/bin/sh\n{canary.run}\n".encode())


def dot_git(canary: Canary) -> Mapping[bytes, Entry]:
    """A repository within the repository, whose configuration and hooks run programs."""
    config = f"[core]\n\trepositoryformatversion = 0\n\tfsmonitor = {canary.run}\n\tsshCommand = {canary.run}\n"
    return {
        b"HEAD": b"ref: refs/heads/main\n",
        b"config": config.encode(),
        b"objects": {b"keep": b""},
        b"refs": {b"keep": b""},
        b"hooks": {b"post-checkout": hook(canary)},
    }


def submodule(name: str, path: str, url: str, *more: str) -> Attack:
    def build(canary: Canary) -> Mapping[bytes, Entry]:
        lines = [f"path = {path}", f"url = {url}", *more]
        text = modules(name, *(line.replace("RUN", canary.run).replace("DIR", str(canary.folder)) for line in lines))
        entry = path.strip('"').encode()
        return {b".gitmodules": text, entry: GITLINK, b"payload": hook(canary)}

    return build


# None: cloned, as what it is; else why not.
ATTACKS: dict[str, tuple[str | None, Attack]] = {
    "a .git in the tree": ("git_objects_refused", lambda canary: {b".git": dot_git(canary)}),
    "a .GIT": ("git_objects_refused", lambda canary: {b".GIT": dot_git(canary)}),
    "the short name of .git": ("git_objects_refused", lambda canary: {b"git~1": dot_git(canary)}),
    "a .git with an ignorable character": (
        "git_objects_refused",
        lambda canary: {b".g\xe2\x80\x8cit": dot_git(canary)},
    ),
    "a .git with a dot": ("git_objects_refused", lambda canary: {b".git.": dot_git(canary)}),
    "a .git below": ("git_objects_refused", lambda canary: {b"a": {b".git": dot_git(canary)}}),
    "a climbing folder": ("git_objects_refused", lambda canary: {b"..": {b"canary": {b"secret": b"changed"}}}),
    "a name with a slash": ("git_objects_refused", lambda canary: {b"../canary/secret": b"changed"}),
    "a .gitmodules that is a link": ("git_objects_refused", lambda canary: {b".gitmodules": Link(b"/etc/passwd")}),
    "a link and a folder of one name": (
        "git_objects_refused",
        lambda canary: {b"a": Link(bytes(canary.folder / "hooks")), b"a/": {b"post-checkout": hook(canary)}},
    ),
    "a submodule whose name climbs": ("git_objects_refused", submodule("../../x", "lib", "./lib.git")),
    "a submodule whose address is an option": ("git_objects_refused", submodule("lib", "lib", "-u./payload")),
    "a submodule whose address is a long option": ("git_objects_refused", submodule("lib", "lib", "--upload-pack=RUN")),
    "a submodule whose path is an option": ("git_objects_refused", submodule("lib", "-p", "./lib.git")),
    "a submodule whose update is a program": (
        "git_objects_refused",
        submodule("lib", "lib", "./lib.git", "update = !RUN"),
    ),
    "a submodule by ext": ("git_address_denied", submodule("lib", "lib", "ext::sh -c RUN")),
    "a submodule from the disk": ("git_address_denied", submodule("lib", "lib", "file://DIR/repository")),
    "a submodule from a path": ("git_address_denied", submodule("lib", "lib", "DIR/repository")),
    "a submodule whose host is an option": (
        "git_address_denied",
        submodule("lib", "lib", "ssh://-oProxyCommand=RUN/x"),
    ),
    "links out of the tree": (
        None,
        lambda canary: {
            b"out": Link(bytes(canary.folder)),
            b"secret": Link(bytes(canary.folder / "secret")),
            b"up": Link(b"../../canary/secret"),
            b".gitignore": Link(bytes(canary.folder / "secret")),
            b".gitattributes": Link(bytes(canary.folder / "secret")),
            b".mailmap": Link(bytes(canary.folder / "secret")),
        },
    ),
    "a link and a folder that differ by case": (
        None,
        lambda canary: {b"A": Link(bytes(canary.folder / "hooks")), b"a": {b"post-checkout": hook(canary)}},
    ),
    "a bare repository as the tree": (None, dot_git),
    "a bare repository in the tree": (None, lambda canary: {b"lib": dot_git(canary), b"lib.git": dot_git(canary)}),
    "filters, hooks and settings": (
        None,
        lambda canary: {
            b".gitattributes": b"* filter=lfs diff=lfs merge=lfs text working-tree-encoding=UTF-16\n",
            b".gitconfig": f"[core]\n\tfsmonitor = {canary.run}\n".encode(),
            b".lfsconfig": b"[lfs]\n\turl = http://127.0.0.1:9/\n",
            b"hooks": {b"post-checkout": hook(canary), b"post-merge": hook(canary)},
            b".githooks": {b"post-checkout": hook(canary)},
            b"big.bin": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5\n",
        },
    ),
    "names that are options": (
        None,
        lambda canary: {b"-rf": b"", b"--upload-pack=touch ran": b"", b"--": b"", b"-": {b"-oProxyCommand=x": b""}},
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_repository_built_to_attack_does_nothing_outside(
    dash: Node, root: Path, forge: Forge, canary: Canary, name: str
) -> None:
    expected, attack = ATTACKS[name]
    before = canary.state()
    plant(forge.bare, attack(canary))
    cloned = dash.run(make_clone(root, forge, submodules=b".gitmodules" in attack(canary)))
    results = [cloned, *(dash.run(act) for act in (make_status(root), make_delete(root, force=True)))]
    assert code(cloned) == expected, cloned.words
    assert expected is None or code(results[1]) == "project_missing"
    assert canary.state() == before
    assert [result for result in results if SECRET in result.stdout + result.stderr] == []
    assert leftovers(root) == []


def test_a_return_in_the_path_of_a_submodule_runs_no_hook(dash: Node, root: Path, forge: Forge, canary: Canary) -> None:
    """CVE-2025-48384: where git loses the return, the submodule is written through the link into its own hooks."""
    library = Path(shutil.copytree(forge.bare, forge.base / "lib.git"))
    sha = plant(library, {b"post-checkout": hook(canary)})
    declared = modules("lib", 'path = "lib\r"', "url = ../lib.git")
    plant(forge.bare, {b".gitmodules": declared, b"lib\r": Module(sha), b"lib": Link(b".git/modules/lib/hooks")})
    before = canary.state()
    dash.run(make_clone(root, forge, submodules=True))
    assert canary.state() == before
    assert code(dash.run(make_delete(root, force=True))) is None
    assert leftovers(root) == []


def test_a_repository_that_turns_hostile_is_not_pulled(
    dash: Node, root: Path, forge: Forge, cloned: Path, canary: Canary
) -> None:
    head = git("rev-parse", "HEAD", cwd=cloned)
    plant(forge.bare, {b".git": dot_git(canary)})
    assert code(dash.run(make_pull(root, forge, strategy="reset"))) == "git_objects_refused"
    assert git("rev-parse", "HEAD", cwd=cloned) == head
    assert not (canary.folder / "ran").exists()


def test_links_that_a_pull_brings_are_not_written_through(
    dash: Node, root: Path, forge: Forge, cloned: Path, canary: Canary
) -> None:
    """First `out` leads out, then it is a folder: git has to take the link away before it writes."""
    before = canary.state()
    plant(forge.bare, {b"out": Link(bytes(canary.folder))})
    outcome(dash.run(make_pull(root, forge, strategy="reset")))
    plant(forge.bare, {b"out": {b"secret": b"changed", b"hooks": {b"keep": b"changed"}}})
    outcome(dash.run(make_pull(root, forge, strategy="reset")))
    assert (cloned / "out/secret").read_bytes() == b"changed"
    assert canary.state() == before


NAMES = [
    b"\x1b]0;x\x07",
    b"<img src=x onerror=alert(1)>",
    b"{{7*7}}",
    b"a\nb",
    b"a\rb",
    b"\xff\xfe",
    b"$(touch ran)",
    b"'",
]


def test_names_that_steer_terminals_and_pages_are_told_apart(
    dash: Node, root: Path, forge: Forge, canary: Canary
) -> None:
    plant(forge.bare, dict.fromkeys(NAMES, b"x"), "\x1b[2J<script>{{7*7}}</script>")
    assert outcome(dash.run(make_clone(root, forge))).head.subject == "\x1b[2J<script>{{7*7}}</script>"
    for path in (root / "app").iterdir():
        if path.is_file():
            path.write_bytes(b"changed")
    changes = parse_status(dash.run(make_status(root)).stdout).changes
    assert {change.path for change in changes} == {name.decode("utf-8", "replace") for name in NAMES}
    assert code(dash.run(make_delete(root, force=True))) is None
    assert leftovers(root) == []


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """Listens; whoever connects is in its backlog."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def test_a_server_that_names_bundles_elsewhere_is_not_followed(
    dash: Node, root: Path, forge: Forge, trap: socket.socket
) -> None:
    where = f"http://127.0.0.1:{trap.getsockname()[1]}/x.bundle"
    settings = {"uploadpack.advertiseBundleURIs": "true", "bundle.version": "1", "bundle.mode": "all"}
    for key, value in (settings | {"bundle.x.uri": where}).items():
        git("config", key, value, cwd=forge.bare)
    outcome(dash.run(make_clone(root, forge, allowed_schemes=("git", "http"))))
    with pytest.raises(BlockingIOError):
        trap.accept()


def test_an_address_for_large_files_in_the_repository_is_not_asked(
    dash: Node, root: Path, forge: Forge, trap: socket.socket
) -> None:
    """Here git-lfs is not installed; what keeps it out is that no filter is configured, wherever it would be."""
    where = f"[lfs]\n\turl = http://127.0.0.1:{trap.getsockname()[1]}/\n".encode()
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5\n"
    plant(forge.bare, {b".lfsconfig": where, b".gitattributes": b"* filter=lfs\n", b"big": pointer})
    outcome(dash.run(make_clone(root, forge)))
    assert (root / "app/big").read_bytes() == pointer
    with pytest.raises(BlockingIOError):
        trap.accept()
