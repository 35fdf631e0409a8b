"""status.sh, and what others wrote into a repository."""

import os
import shutil
from pathlib import Path

import pytest

from app.commands import git as commands
from app.commands.gitstatus import parse_status
from tests.commands.acts import (
    code,
    make_checkout,
    make_delete,
    make_pull,
    make_status,
    outcome,
)
from tests.commands.shells import Node
from tests.support.forge import Forge, commit, git


def test_a_status_tells_every_kind_of_change(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    for name in ("a", "b", "c", "d"):
        commit(cloned, name, f"{name} with some text to be found again\n" * 5)
    forge.push()
    git("fetch", "-q", forge.url, "+refs/heads/*:refs/remotes/origin/*", cwd=cloned)
    (cloned / "a").write_text("changed\n")
    git("mv", "b", "moved", cwd=cloned)
    git("rm", "-q", "c", cwd=cloned)
    (cloned / "d").unlink()
    (cloned / "d").symlink_to("a")
    (cloned / "added").write_text("x")
    git("add", "added", cwd=cloned)
    (cloned / 'new\nline "quoted"').write_text("x")
    (Path(os.fsdecode(os.fsencode(cloned) + b"/bad\xff"))).write_text("x")
    got = parse_status(node.run(make_status(root)).stdout)
    assert {change.path: change.state for change in got.changes} == {
        "a": "modified",
        "moved": "renamed",
        "c": "deleted",
        "d": "type_changed",
        "added": "added",
        'new\nline "quoted"': "untracked",
        "bad\N{REPLACEMENT CHARACTER}": "untracked",
    }
    assert (got.branch, got.upstream, got.ahead, got.behind, got.dirty) == ("main", "origin/main", 4, 1, True)
    assert got.head is not None
    assert got.head.author == "dev@example.org"
    assert not got.truncated


def test_a_clean_and_detached_tree_says_so(node: Node, root: Path, cloned: Path) -> None:
    git("checkout", "-q", "--detach", cwd=cloned)
    got = parse_status(node.run(make_status(root)).stdout)
    assert (got.branch, got.detached, got.dirty, got.changes) == (None, True, False, ())


def test_a_status_of_ten_thousand_files_is_cut(node: Node, root: Path, cloned: Path) -> None:
    for number in range(10_000):
        (cloned / f"{number:0>60}").touch()
    result = node.run(make_status(root))
    got = parse_status(result.stdout)
    assert result.status == 0
    assert len(result.stdout) <= commands.STATUS_LIMIT_BYTES + 1000
    assert (len(got.changes), got.truncated) == (1000, True)


def test_a_status_reads_no_repository_above_the_project(node: Node, root: Path, tmp_path: Path) -> None:
    git("init", "-q", ".", cwd=root)
    git("config", "core.fsmonitor", f"touch {tmp_path}/canary", cwd=root)
    (root / "app").mkdir()
    assert code(node.run(make_status(root))) == "repository_broken"
    shutil.copytree(root / ".git", root / "app/.git")
    (root / "app/.git/HEAD").unlink()
    assert code(node.run(make_status(root))) == "repository_broken"
    assert not (tmp_path / "canary").exists()


POISON = {
    "core.fsmonitor": ("core.fsmonitor", "touch {canary}; false"),
    "core.sshcommand": ("core.sshCommand", "touch {canary}; false"),
    "core.worktree": ("core.worktree", "/"),
    "core.pager": ("core.pager", "touch {canary}"),
    "hook.evil.command": ("hook.evil.command", "touch {canary}"),
    "url.ext::touch {canary}.insteadof": ("url.ext::touch {canary}.insteadOf", "git://"),
    "filter.x.clean": ("filter.x.clean", "touch {canary}; cat"),
    "include.path": ("include.path", "/dev/null"),
    "remote.origin.uploadpack": ("remote.origin.uploadpack", "touch {canary}"),
    "remote.git://x/y.url": ("remote.git://x/y.url", "ext::touch {canary}"),
    "branch.main.mergeoptions": ("branch.main.mergeoptions", "-s evil"),
    "alias.status": ("alias.status", "!touch {canary}"),
    "credential.helper": ("credential.helper", "!touch {canary}"),
    "diff.external": ("diff.external", "touch {canary}"),
}


@pytest.mark.parametrize("name", POISON)
def test_a_setting_that_we_did_not_write_stops_every_act(
    dash: Node, root: Path, forge: Forge, cloned: Path, tmp_path: Path, name: str
) -> None:
    canary = str(tmp_path / "canary")
    key, value = (text.format(canary=canary) for text in POISON[name])
    git("config", key, value, cwd=cloned)
    (cloned / ".gitattributes").write_text("* filter=x\n")
    (cloned / "README").write_text("changed\n")
    acts = (make_status(root), make_pull(root, forge), make_checkout(root, "feature"), make_delete(root))
    results = [dash.run(act) for act in acts]
    assert [code(result) for result in results] == ["config_tampered"] * 4
    assert name.format(canary=canary) in results[0].words
    assert not (tmp_path / "canary").exists()
    assert (cloned / "README").exists()


@pytest.mark.parametrize(
    "kind", ["fsmonitor", "alternates", "worktree", "remotes", "branches", "gitfile", "gitlink", "address"]
)
def test_tampering_is_seen_by_every_shell(node: Node, root: Path, forge: Forge, cloned: Path, kind: str) -> None:
    dot_git = cloned / ".git"
    if kind == "fsmonitor":
        git("config", "core.fsmonitor", "false", cwd=cloned)
    elif kind == "alternates":
        (dot_git / "objects/info/alternates").write_text("/elsewhere\n")
    elif kind == "worktree":
        (dot_git / "config.worktree").touch()
    elif kind in ("remotes", "branches"):
        (dot_git / kind).mkdir(exist_ok=True)
        (dot_git / kind / "git@git.example.org:app.git").write_text("URL: git://127.0.0.1/other\n")
    elif kind == "address":
        git("config", "remote.origin.url", "git://127.0.0.1/other", cwd=cloned)
    else:
        dot_git.rename(root / "moved.git")
        if kind == "gitlink":
            dot_git.symlink_to(root / "moved.git")
        else:
            dot_git.write_text(f"gitdir: {root}/moved.git\n")
    assert code(node.run(make_pull(root, forge))) == "config_tampered"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives folders to another user, which only root may")
@pytest.mark.parametrize("folder", [".", ".git"])
def test_in_what_belongs_to_another_user_no_git_runs(
    node: Node, root: Path, forge: Forge, cloned: Path, folder: str
) -> None:
    """CVE-2022-24765; and somebody who has worked there as root is told what to mend."""
    os.chown(cloned / folder, 65534, 65534)
    results = [node.run(act) for act in (make_status(root), make_pull(root, forge), make_delete(root))]
    assert [code(result) for result in results] == ["repository_unsafe"] * 3
    assert "belongs to user 65534" in results[0].words
    assert (cloned / "README").exists()


@pytest.mark.parametrize("ignore", [None, "none"])
def test_the_settings_of_a_submodule_are_not_used(
    dash: Node, root: Path, forge: Forge, cloned: Path, tmp_path: Path, ignore: str | None
) -> None:
    """git asks a submodule what is changed in it by running there, with its filters."""
    lib = cloned / "lib"
    git("init", "-q", "-b", "main", "lib", cwd=cloned)
    commit(lib, ".gitattributes", "* filter=x\n")
    commit(lib, "f", "x\n")
    declared = '[submodule "lib"]\n\tpath = lib\n\turl = ../lib.git\n' + (f"\tignore = {ignore}\n" if ignore else "")
    (cloned / ".gitmodules").write_text(declared)
    git("add", "lib", ".gitmodules", cwd=cloned)
    git("commit", "-q", "-m", "lib", cwd=cloned)
    git("branch", "same", cwd=cloned)
    git("config", "filter.x.clean", f"touch {tmp_path}/canary; cat", cwd=lib)
    for act in (make_status(root), make_checkout(root, "same"), make_delete(root)):
        (lib / "f").write_text("y\n")
        dash.run(act)
    assert not (tmp_path / "canary").exists()


def test_a_planted_hook_does_not_run(node: Node, root: Path, forge: Forge, cloned: Path, tmp_path: Path) -> None:
    hooks = cloned / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "post-merge", "reference-transaction", "post-index-change", "fsmonitor-watchman"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/canary\n")
        (hooks / name).chmod(0o755)
    forge.push()
    outcome(node.run(make_pull(root, forge)))
    outcome(node.run(make_checkout(root, "feature")))
    assert not (tmp_path / "canary").exists()


def test_harmless_settings_of_a_person_are_no_tampering(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    for key, value in {
        "user.name": "A Person",
        "user.email": "a@example.org",
        "remote.fork.url": "https://example.org/fork",
        "branch.main.rebase": "true",
        "pull.rebase": "true",
        "push.default": "current",
        "rerere.enabled": "true",
        "color.ui": "never",
    }.items():
        git("config", key, value, cwd=cloned)
    assert node.run(make_status(root)).status == 0


def test_variables_of_the_account_do_not_reach_git(
    dash: Node, root: Path, cloned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.fsmonitor=touch {tmp_path}/canary'")
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    assert parse_status(dash.run(make_status(root)).stdout).branch == "main"
    assert not (tmp_path / "canary").exists()
    assert not (tmp_path / "trace").exists()
