"""Delete, restore and purge, through services and a real sshd."""

from datetime import timedelta

import pytest

from app.db import db, unit_of_work, utcnow
from app.errors import NameTaken
from app.models import JobState, Node, NodeStatus, ProjectStatus, TrashEntry
from app.services import projects, trash
from app.services.events import SYSTEM
from tests.commands.test_trash import dirty, everything
from tests.support.forge import Forge
from tests.support.live import Live

pytestmark = pytest.mark.ssh


def deleted(live: Live, node_id: int, forge: Forge) -> TrashEntry:
    project = live.project(live.clone(node_id, forge.url))
    dirty(live.root / "shop")
    live.finish(projects.request_delete(project.id, True, SYSTEM))
    return trash.list_trash({}, 1, 10).items[0]


def test_a_deleted_project_comes_back_byte_for_byte(live: Live, node_id: int, forge: Forge) -> None:
    project = live.project(live.clone(node_id, forge.url))
    dirty(live.root / "shop")
    before, head = everything(live.root / "shop"), project.head
    live.finish(projects.request_delete(project.id, True, SYSTEM))
    entry = trash.list_trash({}, 1, 10).items[0]
    assert ((live.root / "shop").exists(), entry.name, entry.deleted_by) == (False, "shop", "bareboat")
    job = live.finish(trash.request_restore(entry.id, SYSTEM))
    assert (job.state, everything(live.root / "shop") == before) == (JobState.SUCCEEDED, True)
    back = live.project(job)
    assert (back.status, back.head, back.git_url) == (ProjectStatus.ACTIVE, head, forge.url)
    assert (projects.read_status(back.id).dirty, trash.list_trash({}, 1, 10).items) == (True, [])


def test_a_taken_name_keeps_it_in_the_trash(live: Live, node_id: int, forge: Forge) -> None:
    entry_id = deleted(live, node_id, forge).id
    live.clone(node_id, forge.url)
    with pytest.raises(NameTaken):
        trash.request_restore(entry_id, SYSTEM)
    assert trash.get_entry(entry_id).job_id is None


def test_a_restore_that_fails_leaves_no_project(live: Live, node_id: int, forge: Forge) -> None:
    entry_id = deleted(live, node_id, forge).id
    (live.root / "shop").mkdir()
    job = live.finish(trash.request_restore(entry_id, SYSTEM))
    assert (job.error_code, job.project_id) == ("target_exists", None)
    (live.root / "shop").rmdir()
    assert live.finish(trash.request_restore(entry_id, SYSTEM)).state is JobState.SUCCEEDED


def test_what_is_over_is_removed_when_its_node_is_back(live: Live, node_id: int, forge: Forge) -> None:
    entry = deleted(live, node_id, forge)
    kept = live.root / ".bareboat/trash" / entry.key
    trash.empty_trash()
    assert (entry.job_id, kept.exists()) == (None, True)
    with unit_of_work() as session:
        session.get_one(TrashEntry, entry.id).keep_until = utcnow() - timedelta(seconds=1)
        session.get_one(Node, node_id).status = NodeStatus.OFFLINE
    trash.empty_trash()
    assert trash.get_entry(entry.id).job_id is None
    with unit_of_work() as session:
        session.get_one(Node, node_id).status = NodeStatus.ONLINE
    trash.empty_trash()
    job = trash.get_entry(entry.id).job
    assert job is not None
    assert live.finish(job).state is JobState.SUCCEEDED
    assert (kept.exists(), db.session.query(TrashEntry).count()) == (False, 0)


def test_without_a_time_to_keep_nothing_is_kept(live: Live, node_id: int, forge: Forge) -> None:
    live.app.config["TRASH_DAYS"] = 0
    project = live.project(live.clone(node_id, forge.url))
    live.finish(projects.request_delete(project.id, False, SYSTEM))
    assert (trash.list_trash({}, 1, 10).items, list((live.root / ".bareboat/trash").iterdir())) == ([], [])


def test_a_git_server_that_is_gone_is_no_reason_to_lose_work(live: Live, node_id: int, forge: Forge) -> None:
    project = live.project(live.clone(node_id, forge.url))
    forge.bare.rename(forge.base / "gone.git")
    job = live.finish(projects.request_delete(project.id, False, SYSTEM))
    assert (job.error_code, (live.root / "shop").exists()) == ("remote_unasked", True)
