"""Pulls that change local work, and their undo, through services and a real sshd."""

from datetime import timedelta

import pytest

from app.db import db, unit_of_work, utcnow
from app.models import JobState, Recovery
from app.services import projects, recoveries
from app.services.events import SYSTEM
from tests.commands.test_recovery import make_dirty, state
from tests.support.forge import Forge, git
from tests.support.live import Live

pytestmark = pytest.mark.ssh


def test_a_reset_is_undone_byte_for_byte_and_that_too(live: Live, node_id: int, forge: Forge) -> None:
    project_id, tree = live.clone(node_id, forge.url).project_id or 0, live.root / "shop"
    make_dirty(tree)
    before, theirs = state(tree), forge.push()
    assert live.finish(projects.request_pull(project_id, "reset", SYSTEM)).state is JobState.SUCCEEDED
    after = state(tree)
    (kept,) = recoveries.latest_recoveries(project_id, 10)
    assert (kept.act, git("rev-parse", kept.ref, cwd=tree) != "") == ("reset", True)
    job = live.finish(recoveries.request_undo(project_id, kept.id, SYSTEM))
    assert (job.state, state(tree) == before, live.project(job).head) == (JobState.SUCCEEDED, True, before["sha"])
    back = recoveries.latest_recoveries(project_id, 10)[0]
    assert (back.act, back.head) == ("undo", theirs)
    live.finish(recoveries.request_undo(project_id, back.id, SYSTEM))
    assert state(tree) == after


def test_a_stash_that_does_not_fit_leaves_everything_and_no_recovery(live: Live, node_id: int, forge: Forge) -> None:
    project_id, tree = live.clone(node_id, forge.url).project_id or 0, live.root / "shop"
    forge.push("README", "theirs\n")
    (tree / "README").write_text("mine\n")
    before = state(tree)
    job = live.finish(projects.request_pull(project_id, "stash", SYSTEM))
    assert (job.error_code, "README" in (job.error_message or "")) == ("pull_conflict", True)
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
