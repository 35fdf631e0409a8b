"""Delete, restore and purge, through services and a real sshd."""

from datetime import timedelta

import pytest
from pytest_mock import MockerFixture

from app.commands import git as git_commands
from app.commands import trash as trash_commands
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


# The process and who watches over it end at once, as when the node is switched off: nobody says what was done.
DIE = 'read -r guard rest <"${BAREBOAT_JOB}pid"; kill -KILL "$guard"; exec sleep 600'


def test_a_delete_that_is_lost_when_it_has_moved_the_folder_is_in_the_trash_and_comes_back(
    live: Live, node_id: int, forge: Forge, mocker: MockerFixture
) -> None:
    project = live.project(live.clone(node_id, forge.url))
    dies = git_commands._DELETE.replace("  keep_in_trash\n", f"  keep_in_trash\n  {DIE}\n")
    mocker.patch.object(git_commands, "_DELETE", dies)
    job = live.finish(projects.request_delete(project.id, True, SYSTEM))
    assert (job.state, job.project_id, (live.root / "shop").exists()) == (JobState.SUCCEEDED, None, False)
    entry = trash.list_trash({}, 1, 10).items[0]
    assert (live.root / ".bareboat/trash" / entry.key / "README").exists()
    assert live.finish(trash.request_restore(entry.id, SYSTEM)).state is JobState.SUCCEEDED
    assert (live.root / "shop/README").exists()


def test_a_restore_that_is_lost_when_it_has_moved_the_folder_ends_with_the_project(
    live: Live, node_id: int, forge: Forge, mocker: MockerFixture
) -> None:
    entry_id = deleted(live, node_id, forge).id
    dies = trash_commands._RESTORE.replace("printf 'restored\\n'", DIE)
    mocker.patch.object(trash_commands, "_RESTORE", dies)
    job = live.finish(trash.request_restore(entry_id, SYSTEM))
    assert (job.state, live.project(job).status) == (JobState.SUCCEEDED, ProjectStatus.ACTIVE)
    assert projects.read_status(job.project_id or 0).dirty
    assert trash.list_trash({}, 1, 10).items == []


def test_what_is_lost_before_it_has_moved_anything_has_failed(
    live: Live, node_id: int, forge: Forge, mocker: MockerFixture
) -> None:
    project = live.project(live.clone(node_id, forge.url))
    mocker.patch.object(git_commands, "_DELETE", DIE)
    job = live.finish(projects.request_delete(project.id, True, SYSTEM))
    assert (job.error_code, live.project(job).status) == ("process_lost", ProjectStatus.ACTIVE)
    mocker.stopall()
    entry_id = deleted_again(live, project.id)
    mocker.patch.object(trash_commands, "_RESTORE", DIE)
    job = live.finish(trash.request_restore(entry_id, SYSTEM))
    assert (job.error_code, job.project_id, trash.get_entry(entry_id).id) == ("process_lost", None, entry_id)


def deleted_again(live: Live, project_id: int) -> int:
    live.finish(projects.request_delete(project_id, True, SYSTEM))
    return trash.list_trash({}, 1, 10).items[0].id
