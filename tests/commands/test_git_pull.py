"""pull.sh and checkout.sh, run for real by three shells against a real git daemon."""

from pathlib import Path

import pytest

from app.commands.refs import GitRef
from tests.commands.acts import code, make_checkout, make_pull, make_status, outcome
from tests.commands.shells import Node
from tests.support.forge import Forge, commit, git


def test_a_pull_moves_forward(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    sha = forge.push()
    got = outcome(node.run(make_pull(root, forge)))
    assert (got.head.sha, got.branch, got.recovery_ref) == (sha, "main", None)
    assert (cloned / "README").read_text() == "more\n"


def test_a_pull_with_nothing_new_succeeds(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    commit(cloned, "mine", "x\n")
    assert outcome(node.run(make_pull(root, forge))).head.sha == git("rev-parse", "HEAD", cwd=cloned)


def test_a_pull_follows_the_branch_at_hand(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    git("checkout", "-q", "feature", cwd=cloned)
    git("checkout", "-q", "feature", cwd=forge.work)
    sha = forge.push("feature", "y\n")
    assert outcome(node.run(make_pull(root, forge, branch=GitRef("main")))).head.sha == sha


def test_a_pull_brings_other_branches_and_tags_too(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    git("checkout", "-q", "-b", "new", cwd=forge.work)
    git("tag", "-f", "v2", forge.push("n", "n\n"), cwd=forge.work)
    git("push", "-q", "origin", "v2", cwd=forge.work)
    outcome(node.run(make_pull(root, forge)))
    assert git("rev-parse", "origin/new", "v2", cwd=cloned)


def test_a_diverged_branch_is_refused_and_its_commits_named(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    before = commit(cloned, "mine", "x\n", "my own work")
    forge.push(message="their work")
    result = node.run(make_pull(root, forge))
    assert code(result) == "not_fast_forward"
    assert "my own work" in result.words
    assert "their work" in result.words
    assert git("rev-parse", "HEAD", cwd=cloned) == before


def test_a_dirty_tree_is_refused_and_its_files_named(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    forge.push()
    (cloned / "README").write_text("edited\n")
    result = node.run(make_pull(root, forge))
    assert code(result) == "tree_dirty"
    assert " M README" in result.words
    assert (cloned / "README").read_text() == "edited\n"


def test_a_detached_head_has_no_upstream(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    git("checkout", "-q", "--detach", cwd=cloned)
    assert code(node.run(make_pull(root, forge))) == "no_upstream"


def test_a_branch_of_ones_own_has_no_upstream(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    git("checkout", "-q", "-b", "mine", cwd=cloned)
    assert code(node.run(make_pull(root, forge, branch=GitRef("main")))) == "no_upstream"


def test_a_branch_that_is_gone_at_origin_is_told_as_such(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    git("checkout", "-q", "feature", cwd=cloned)
    git("push", "-q", "origin", ":feature", cwd=forge.work)
    assert code(node.run(make_pull(root, forge))) == "ref_not_found"


def test_a_lock_that_was_left_is_told_as_such(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    (cloned / ".git/index.lock").touch()
    assert code(node.run(make_pull(root, forge))) == "repository_locked"
    assert node.run(make_status(root)).status == 0


def test_a_reset_keeps_what_it_drops(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    mine = commit(cloned, "mine", "committed\n", "my own work")
    (cloned / "README").write_text("edited\n")
    (cloned / "untracked").write_text("stays\n")
    sha = forge.push()
    got = outcome(node.run(make_pull(root, forge, strategy="reset")))
    assert (got.head.sha, got.branch, got.recovery_ref) == (sha, "main", "refs/bareboat/recovery/job-2")
    assert git("rev-parse", "refs/bareboat/recovery/job-2^1", cwd=cloned) == mine
    assert git("show", "refs/bareboat/recovery/job-2:README", cwd=cloned) == "edited"
    assert (cloned / "README").read_text() == "more\n"
    assert (cloned / "untracked").read_text() == "stays\n"
    assert git("status", "--porcelain", cwd=cloned) == "?? untracked"


def test_a_reset_tried_again_keeps_both(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    first = commit(cloned, "mine", "one\n")
    outcome(node.run(make_pull(root, forge, strategy="reset")))
    second = commit(cloned, "mine", "two\n")
    got = outcome(node.run(make_pull(root, forge, strategy="reset")))
    assert got.recovery_ref == "refs/bareboat/recovery/job-2-2"
    assert git("rev-parse", "refs/bareboat/recovery/job-2", got.recovery_ref, cwd=cloned).split() == [first, second]


def test_a_reset_with_nothing_to_drop_leaves_no_ref(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    assert outcome(node.run(make_pull(root, forge, strategy="reset"))).recovery_ref is None
    assert git("for-each-ref", "refs/bareboat", cwd=cloned) == ""


@pytest.mark.parametrize(("ref", "branch"), [("feature", "feature"), ("v1", None), ("origin/feature", None)])
def test_a_checkout_finds_branches_and_tags(
    node: Node, root: Path, forge: Forge, cloned: Path, ref: str, branch: str | None
) -> None:
    got = outcome(node.run(make_checkout(root, ref)))
    assert (got.branch, got.head.sha) == (branch, git("rev-parse", f"{ref}^{{commit}}", cwd=cloned))
    assert node.run(make_status(root)).status == 0


def test_a_checkout_finds_a_commit_and_the_way_back(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    sha = git("rev-parse", "origin/feature", cwd=cloned)
    assert outcome(node.run(make_checkout(root, sha[:10]))).head.sha == sha
    assert outcome(node.run(make_checkout(root, "main"))).branch == "main"


def test_a_branch_made_by_checkout_can_be_pulled(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    outcome(node.run(make_checkout(root, "feature")))
    assert outcome(node.run(make_pull(root, forge))).branch == "feature"


def test_a_checkout_of_nothing_is_told_as_such(node: Node, root: Path, cloned: Path) -> None:
    assert code(node.run(make_checkout(root, "nothing"))) == "ref_not_found"
    assert code(node.run(make_checkout(root, "abcdef12"))) == "ref_not_found"


def test_a_checkout_over_changes_is_refused(node: Node, root: Path, cloned: Path) -> None:
    (cloned / "README").write_text("edited\n")
    assert code(node.run(make_checkout(root, "feature"))) == "tree_dirty"
