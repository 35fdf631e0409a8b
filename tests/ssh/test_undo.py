"""Pulls that change local work, and their undo, through services and a real sshd."""

from datetime import timedelta
from pathlib import Path

import pytest

from app.commands.git import STRATEGIES
from app.db import db, unit_of_work, utcnow
from app.models import JobState, Recovery
from app.services import projects, recoveries
from app.services.events import SYSTEM
from tests.commands.test_recovery import make_dirty, state
from tests.support.forge import Forge, commit, git
from tests.support.live import Live

pytestmark = pytest.mark.ssh


def change_files(tree: Path) -> None:
    """Staged and changed again, deleted, executable, untracked; nothing committed."""
    (tree / "added").write_bytes(b"staged\r\n")
    git("add", "added", cwd=tree)
    (tree / "added").write_bytes(b"and changed\0\xff")
    (tree / "doomed").unlink()
    (tree / "README").chmod(0o755)
    (tree / "untracked").symlink_to("/nowhere")


def add_commits(tree: Path) -> None:
    commit(tree, "own", "one\n")
    commit(tree, "own", "two\r\n")
    (tree / "untracked").write_bytes(b"x\r\n")


def change_all(tree: Path) -> None:
    """Commits, changes of every kind, and a file that git does not know where one is to come."""
    make_dirty(tree)
    (tree / "NEWS").write_bytes(b"mine\r\n")


WORK = {"stash": change_files, "rebase": add_commits, "backup": change_all, "reset": change_all}


def test_a_pull_by_every_strategy_is_undone_byte_for_byte_and_that_too(live: Live, node_id: int, forge: Forge) -> None:
    """Files with their modes, untracked ones too, index, branch and HEAD."""
    assert set(WORK) == set(STRATEGIES) - {"ff-only"}
    forge.push("doomed")
    project_id, tree = live.clone(node_id, forge.url).project_id or 0, live.root / "shop"
    for strategy, change in WORK.items():
        change(tree)
        before, theirs = state(tree), forge.push("NEWS", f"{strategy}\n")
        pulled = live.finish(projects.request_pull(project_id, strategy, SYSTEM))
        assert (pulled.state, live.project(pulled).status) == (JobState.SUCCEEDED, "ACTIVE"), live.log(pulled)
        after = state(tree)
        assert git("merge-base", theirs, "HEAD", cwd=tree) == theirs
        kept = recoveries.latest_recoveries(project_id, 10)[0]
        assert (kept.act, git("rev-parse", kept.ref, cwd=tree) != "") == (strategy, True)
        undone = live.finish(recoveries.request_undo(project_id, kept.id, SYSTEM))
        assert state(tree) == before, live.log(undone)
        assert (undone.state, live.project(undone).head) == (JobState.SUCCEEDED, before["sha"])
        back = recoveries.latest_recoveries(project_id, 10)[0]
        assert (back.act, back.head) == ("undo", after["sha"])
        live.finish(recoveries.request_undo(project_id, back.id, SYSTEM))
        assert state(tree) == after
        git("reset", "-q", "--hard", "origin/main", cwd=tree)
        git("clean", "-q", "-fdx", cwd=tree)


def test_what_is_refused_leaves_everything_and_no_recovery_and_says_what_it_is_about(
    live: Live, node_id: int, forge: Forge
) -> None:
    project_id, tree = live.clone(node_id, forge.url).project_id or 0, live.root / "shop"
    forge.push("README", "theirs\n")
    (tree / "README").write_text("mine\n")
    before = state(tree)
    job = live.finish(projects.request_pull(project_id, "stash", SYSTEM))
    assert (job.error_code, "README" in (job.error_message or "")) == ("pull_conflict", True)
    assert state(tree) == before
    git("checkout", "-q", "README", cwd=tree)
    (tree / "a\x1b[31m").write_text("mine\n")
    before = state(tree)
    forge.push("a\x1b[31m", "theirs\n")
    job = live.finish(projects.request_pull(project_id, "ff-only", SYSTEM))
    assert job.error_code == "tree_dirty"
    assert (job.error or {})["details"]["files"] == [{"path": "a\\x1b[31m", "state": "untracked"}]
    assert (state(tree) == before, recoveries.latest_recoveries(project_id, 10)) == (True, [])


def test_what_is_over_is_dropped(live: Live, node_id: int, forge: Forge) -> None:
    project_id, tree = live.clone(node_id, forge.url).project_id or 0, live.root / "shop"
    (tree / "README").write_text("mine\n")
    live.finish(projects.request_pull(project_id, "reset", SYSTEM))
    recoveries.drop_old_recoveries()
    (kept,) = recoveries.latest_recoveries(project_id, 10)
    with unit_of_work() as session:
        session.get_one(Recovery, kept.id).keep_until = utcnow() - timedelta(seconds=1)
    recoveries.drop_old_recoveries()
    assert (db.session.query(Recovery).count(), git("for-each-ref", "refs/bareboat", cwd=tree)) == (0, "")
