"""A project's own playbooks, read on a real node: what is run is what was judged."""

from pathlib import Path

import pytest

from app.db import db, unit_of_work, utcnow
from app.errors import ActFailed, Forbidden, Invalid, NotFound, PlaybookInvalid, WrongState
from app.models import Event, Job, JobState, NotificationDelivery, Project, ProjectStatus, Role
from app.secrets import Secret
from app.services import channels, jobs, own_playbooks, playbook_runs, projects, runs, schedules
from app.services.events import SYSTEM, Actor
from tests.support.forge import commit, git
from tests.support.live import Live

pytestmark = [pytest.mark.ssh]

OTTO = Actor("otto", Role.OPERATOR)
WRITE = """
description: Writes a word down.
inputs:
  word: {type: string, required: true}
steps:
  - {name: write, run: [./record, {input: word}]}
"""
RECORD = '#!/bin/sh\nprintf "%s" "$1" >recorded\n'


@pytest.fixture
def shop(live: Live) -> Path:
    folder = live.root / "shop"
    (folder / ".bareboat").mkdir(parents=True)
    (folder / ".bareboat" / "write.yml").write_text(WRITE)
    (folder / "record").write_text(RECORD)
    (folder / "record").chmod(0o755)
    return folder


@pytest.fixture
def project_id(live: Live, node_id: int, shop: Path) -> int:
    values = {"git_url": "https://git.example.com/shop.git", "status": ProjectStatus.ACTIVE, "cloned_at": utcnow()}
    with unit_of_work() as session:
        project = Project(name="shop", name_folded="shop", node_id=node_id, allow_own_playbooks=True, **values)
        session.add(project)
        session.flush()
        return int(project.id)


def begin(project_id: int, **inputs: object) -> Job:
    run = playbook_runs.begin_own(project_id, "write", inputs, OTTO)
    return jobs.get_job(runs.jobs_under_way(run.id)[0])


def allow(project_id: int, is_allowed: bool, actor: Actor = SYSTEM) -> None:
    projects.update_project(project_id, {"allow_own_playbooks": is_allowed}, actor)


def test_what_was_judged_is_run_whatever_becomes_of_the_file(live: Live, project_id: int, shop: Path) -> None:
    job = begin(project_id, word="$(reboot)")
    (shop / ".bareboat" / "write.yml").write_text(WRITE.replace("./record", "rm"))
    job = live.finish(job)
    assert job.state is JobState.SUCCEEDED, live.log(job)
    assert (shop / "recorded").read_text() == "$(reboot)"
    assert (job.params["name"], job.params["project_id"]) == ("write", project_id)


def test_what_is_not_allowed_is_neither_read_nor_run(live: Live, project_id: int, shop: Path) -> None:
    job = begin(project_id, word="late")
    with pytest.raises(Forbidden):
        allow(project_id, False, OTTO)
    allow(project_id, False)
    job = live.finish(job)
    assert (job.state, job.error_code, (shop / "recorded").exists()) == (JobState.FAILED, "wrong_state", False)
    for ask in (lambda: begin(project_id, word="x"), lambda: own_playbooks.list_own_playbooks(project_id)):
        with pytest.raises(WrongState, match="an admin allows it"):
            ask()
    with unit_of_work() as session:
        told = session.query(Event).filter_by(action="project.update").one().detail
    assert "allow_own_playbooks" in (told or "")


def test_the_broken_are_listed_with_file_and_line(live: Live, project_id: int, shop: Path, tmp_path: Path) -> None:
    folder = shop / ".bareboat"
    (folder / "broken.yml").write_text("description: d\nsteps: []\n")
    (folder / "huge.yml").write_text("é" * 40_000)
    (folder / "latin.yml").write_bytes(b"description: d\nsteps: \xff\n")
    (folder / "link.yml").symlink_to(folder / "write.yml")
    (folder / "look.yml").write_text("description: d\non: node\nsteps:\n  - {name: a, run: [ls]}\n")
    (folder / "Not A Name.yml").touch()
    errors = {row.name: row.error for row in own_playbooks.list_own_playbooks(project_id)}
    assert errors == {
        "broken": ".bareboat/broken.yml:2: steps: write 1 to 50 steps",
        "huge": ".bareboat/huge.yml:1: a playbook has at most 65536 bytes; put long scripts into the project",
        "latin": ".bareboat/latin.yml:2: not UTF-8; write plain UTF-8 text",
        "link": ".bareboat/link.yml: a link is not followed; put the file itself there",
        "look": ".bareboat/look.yml:2: on: a project's own playbook is for the project; write `on: project`",
        "write": None,
    }
    for name in ("broken", "huge", "latin", "link", "look"):
        with pytest.raises(PlaybookInvalid):
            playbook_runs.begin_own(project_id, name, {}, OTTO)
    for name in ("none", "../write", "write.yml", "W"):
        with pytest.raises(NotFound):
            own_playbooks.get_own_playbook(project_id, name)


def test_a_folder_that_is_a_link_or_missing_gives_nothing(
    live: Live, project_id: int, shop: Path, tmp_path: Path
) -> None:
    (shop / ".bareboat").rename(tmp_path / "elsewhere")
    assert own_playbooks.list_own_playbooks(project_id) == []
    (shop / ".bareboat").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ActFailed) as refused:
        own_playbooks.list_own_playbooks(project_id)
    assert refused.value.code == "path_escape"


def test_the_rules_of_runs_and_commands_hold(live: Live, node_id: int, project_id: int, shop: Path) -> None:
    values = {"git_url": "https://git.example.com/b.git", "status": ProjectStatus.ACTIVE, "cloned_at": utcnow()}
    with unit_of_work() as session:
        other = Project(name="other", name_folded="other", node_id=node_id, allow_own_playbooks=True, **values)
        session.add(other)
        session.flush()
        params = {"name": "write", "inputs": {"word": "x"}, "project_id": project_id}
        asked = {"kind": "project.playbook", "params": params, "project_ids": [other.id]}
    (member,) = runs.list_members(runs.begin(asked, OTTO).id, {}, 1, 9).items
    assert (member.state.value, "own; run it on that project only" in (member.error_message or "")) == ("failed", True)
    with pytest.raises(Invalid, match="required"):
        begin(project_id)
    live.app.config["ALLOWED_COMMANDS"] = ["true"]
    run = playbook_runs.begin_own(project_id, "write", {"word": "x"}, OTTO)
    (member,) = runs.list_members(run.id, {}, 1, 9).items
    assert member.error_code == "command_not_allowed"


def test_what_failed_is_read_anew_when_it_is_tried_again(live: Live, project_id: int, shop: Path) -> None:
    (shop / "record").unlink()
    assert live.finish(begin(project_id, word="x")).error_code == "step_failed"
    (shop / ".bareboat" / "write.yml").write_text(WRITE.replace("./record", "test"))
    same = live.finish(jobs.request_retry(1, OTTO))
    assert (same.error_code, "as it was read when it was asked for" in live.log(same)) == ("step_failed", True)
    again = runs.request_retry(1, OTTO)
    assert again.params["steps"][0]["argv"] == ["test", "x"]
    assert live.finish(jobs.get_job(runs.jobs_under_way(again.id)[0])).state is JobState.SUCCEEDED


def test_a_scheduled_one_is_read_by_its_job_and_tells_once_that_it_vanished(
    live: Live, project_id: int, shop: Path
) -> None:
    git("init", "-q", "-b", "main", cwd=shop)
    git("remote", "add", "origin", "https://git.example.com/shop.git", cwd=shop)
    head = commit(shop, "README", "x\n")
    channels.create_channel({"name": "ops", "kind": "json", "url": Secret("https://192.0.2.9/")}, SYSTEM)
    params = {"name": "write", "project_id": project_id, "inputs": {"word": "one"}}
    values = {"name": "nightly", "project_id": project_id, "cron": "0 4 * * *", "kind": "project.playbook"}
    schedule_id = schedules.create_schedule(values | {"params": params}, OTTO).id

    def run() -> Job:
        return live.finish(schedules.request_run(schedule_id, OTTO))

    file = shop / ".bareboat" / "write.yml"
    file.write_text(WRITE.replace("{input: word}", "pushed since"))
    job = run()
    assert (job.state, (shop / "recorded").read_text()) == (JobState.SUCCEEDED, "pushed since"), live.log(job)
    assert (job.params["commit"], (job.result or {})["commit"]) == (head, head)
    assert f"The playbook was read in the working tree at {head[:12]}." in live.log(job)

    file.write_text("description: d\nsteps: []\n")
    broken = run()
    assert (broken.state, broken.error_code) == (JobState.FAILED, "playbook_invalid")
    told = f".bareboat/write.yml:2: steps: write 1 to 50 steps (in the working tree at {head[:12]})"
    assert told in (broken.error_message or "")
    file.unlink()
    assert run().error_code == "playbook_missing"
    assert told_events() == ["schedule.failing"]
    file.write_text(WRITE.replace("word", "other"))
    assert run().error_code == "inputs_unfit"
    file.write_text(WRITE)
    assert (run().state, (shop / "recorded").read_text()) == (JobState.SUCCEEDED, "one")
    assert told_events() == ["schedule.failing", "schedule.recovered"]
    (shop / "record").unlink()
    failed = run()
    commit(shop, "README", "y\n")
    file.unlink()
    again = live.finish(jobs.request_retry(failed.id, OTTO))
    assert (failed.error_code, again.error_code) == ("step_failed", "step_failed")
    assert f"as it was read in the working tree at {head[:12]}, and not read anew." in live.log(again)


def told_events() -> list[str]:
    db.session.rollback()
    return [row.event for row in db.session.query(NotificationDelivery).order_by(NotificationDelivery.id)]
