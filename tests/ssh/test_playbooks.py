"""Playbooks through services and real sshds: in a project, over fifty nodes, and over the controller's death."""

import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from app.db import db, release, unit_of_work, utcnow
from app.errors import ConnectionLost
from app.jobs.runner import Runner
from app.models import Job, JobState, Node, NodeStatus, Project, ProjectStatus, Run
from app.services import background, hostkeys, jobs, keys, nodes, playbook_runs, run_moves, runs
from app.services.events import SYSTEM
from app.services.steps_client import StepsClient
from tests.support.controller_process import Controller, fresh, wait_until
from tests.support.live import Live
from tests.support.sshd import KeyPair, SshdServer

pytestmark = [pytest.mark.ssh]

URL = "https://git.example.com/shop.git"
HOSTILE = ["$(reboot)", "; rm -rf .", "a\nb", "-rf", "ä😀", "y" * 100_000]
STAGED = """
description: Three steps, each of which waits to be let on.
steps:
  - {name: one, run: [./stage, "1"]}
  - {name: two, run: [./stage, "2"]}
  - {name: three, run: [./stage, "3"], changes: false}
"""
STAGE = '#!/bin/sh\necho "$1" >>count\nuntil [ -e "go$1" ]; do sleep 0.05; done\necho "past $1"\n'
ECHO = """
description: Writes a word down.
inputs:
  word: {type: string}
steps:
  - {name: write, run: [./record, {input: word}]}
"""
HANGS = """
description: Hangs where a file says so.
steps:
  - {name: look, run: [sh, -c, "[ ! -e hang ] || sleep 300"], timeout_seconds: 2, changes: false}
  - {name: make, run: [touch, made], creates: made}
"""


@pytest.fixture
def add_project(live: Live, tmp_path: Path) -> Callable[..., int]:
    """A folder that is a project on the node, with no repository in it: a playbook needs none."""

    def add(node_id: int, root: Path, name: str = "shop") -> int:
        (root / name).mkdir()
        values = {"git_url": URL, "status": ProjectStatus.ACTIVE, "cloned_at": utcnow()}
        with unit_of_work() as session:
            project = Project(name=name, name_folded=name, node_id=node_id, **values)
            session.add(project)
            session.flush()
            return int(project.id)

    return add


@pytest.fixture
def write(live: Live, tmp_path: Path) -> Callable[[str, str], None]:
    """A playbook of a test's own."""
    folder = tmp_path / "playbooks"
    folder.mkdir()
    live.app.config["PLAYBOOKS_DIR"] = str(folder)
    return lambda name, text: (folder / f"{name}.yml").write_text(text) and None


def begin(name: str, project_id: int, **inputs: object) -> Job:
    run = playbook_runs.begin(name, {"project_ids": [project_id], "inputs": inputs}, SYSTEM)
    return jobs.get_job(runs.jobs_under_way(run.id)[0])


def outcomes(job: Job) -> list[str]:
    return [step["outcome"] for step in (job.result or {})["steps"]]


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def test_hostile_inputs_arrive_whole_over_ssh(
    live: Live, node_id: int, add_project: Callable[..., int], write: Callable[[str, str], None]
) -> None:
    write("echo", ECHO)
    project_id, shop = add_project(node_id, live.root), live.root / "shop"
    program(shop, "record", '#!/bin/sh\nprintf "%s\\0" "$#" "$@" >>recorded\n')
    for word in HOSTILE:
        job = live.finish(begin("echo", project_id, word=word))
        assert (job.state, outcomes(job)) == (JobState.SUCCEEDED, ["changed"]), live.log(job)
    recorded = (shop / "recorded").read_bytes().decode().split("\0")[:-1]
    assert recorded == [part for word in HOSTILE for part in ("1", word)]


def test_the_example_does_what_it_says(live: Live, node_id: int, add_project: Callable[..., int]) -> None:
    job = live.finish(begin("example", add_project(node_id, live.root), greeting="$(hi)", loud=True))
    log = live.log(job)
    assert job.state is JobState.SUCCEEDED, log
    assert outcomes(job) == ["ok", "ok", "ignored", "ok", "skipped"]
    assert "$(hi) from shop\n" in log
    assert "$(hi)! (1 times)\n" in log
    assert job.result is not None
    assert job.result["changed"] is False


def test_a_playbook_goes_on_at_the_right_step_when_the_controller_is_killed(
    live: Live, node_id: int, add_project: Callable[..., int], write: Callable[[str, str], None],
    controller: Controller,
) -> None:  # fmt: skip
    write("staged", STAGED)
    project_id, shop = add_project(node_id, live.root), live.root / "shop"
    program(shop, "stage", STAGE)
    job_id = begin("staged", project_id).id
    release()
    for stage in (1, 2):
        controller.start()
        wait_until(lambda: (shop / "count").exists() and f"{stage}\n" in (shop / "count").read_text())  # noqa: B023
        wait_until(lambda: fresh(job_id).is_attached)
        controller.end(signal.SIGKILL)
        (shop / f"go{stage}").touch()
    for stage in range(1, 4):
        (shop / f"go{stage}").touch()
    controller.start()
    wait_until(lambda: fresh(job_id).is_finished)
    job = fresh(job_id)
    assert (job.state, outcomes(job)) == (JobState.SUCCEEDED, ["changed", "changed", "ok"]), live.log(job)
    assert (shop / "count").read_text() == "1\n2\n3\n", "each step ran once"
    assert live.log(job).count("past 2\n") == 1


@pytest.mark.slow
def test_over_fifty_nodes_the_dead_and_the_hanging_hold_nobody_up(
    live: Live, make_sshd: Callable[..., SshdServer], ssh_keypair: KeyPair, tmp_path: Path,
    add_project: Callable[..., int], write: Callable[[str, str], None],
) -> None:  # fmt: skip
    write("hangs", HANGS)
    servers = [make_sshd() for _ in range(4)]
    key_id = keys.import_key("fleet", ssh_keypair.private, None, SYSTEM).id
    ids = [_member(live, servers[number % 4], key_id, number, add_project) for number in range(50)]
    (live.root / "n7" / "shop" / "hang").touch()
    with socket.socket() as taken:  # bound, and not listening: nobody else takes the port
        taken.bind(("127.0.0.1", 0))
        with unit_of_work() as session:
            for name in ("n11", "n12"):
                session.query(Node).filter_by(name=name).one().ssh_port = taken.getsockname()[1]
        run_id = playbook_runs.begin("hangs", {"project_ids": ids, "concurrency": 12}, SYSTEM).id
        _run_all(live, run_id, threads=4)
    run = runs.with_recap(runs.get_run(run_id))
    counted = {"ok": 0, "changed": 47, "failed": 1, "unreachable": 2, "skipped": 0, "waiting": 0, "running": 0}
    assert (run.state.value, run.recap) == ("FAILED", counted)
    wrong = {member.node_name: member for member in runs.list_members(run_id, {}, 1, 3).items}
    assert set(wrong) == {"n7", "n11", "n12"}
    hung = jobs.get_job(wrong["n7"].job_id or 0)
    assert (hung.state, outcomes(hung)) == (JobState.TIMED_OUT, ["timed_out", "not_run"])
    again = runs.request_retry(run_id, SYSTEM)
    assert again.size == 3


def _member(live: Live, server: SshdServer, key_id: int, number: int, add_project: Callable[..., int]) -> int:
    """A node with a root of its own, on a listener that it shares."""
    root = live.root / f"n{number}"
    root.mkdir(mode=0o755)
    target = server.target()
    where = {"name": f"n{number}", "hostname": target.hostname, "ssh_port": target.port, "ssh_user": target.user}
    node_id = nodes.create_node(where | {"ssh_key_id": key_id, "projects_root": str(root)}, SYSTEM).id
    hostkeys.pin_public_key(node_id, str(server.host_keys()[0]), SYSTEM)
    with unit_of_work() as session:
        session.get_one(Node, node_id).status = NodeStatus.ONLINE
    return add_project(node_id, root)


def _run_all(live: Live, run_id: int, threads: int) -> None:
    """Runners as in a server, until the run has ended."""
    runner, is_over = Runner(live.app, live.runtime.registry), threading.Event()

    def work() -> None:
        while not is_over.is_set():
            if not runner.run_next():
                is_over.wait(0.05)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        wait_until(lambda: _is_over(run_id), 120)
    finally:
        is_over.set()
        for worker in workers:
            worker.join()
    db.session.rollback()


def _is_over(run_id: int) -> bool:
    run_moves.advance(run_id)
    db.session.rollback()
    return db.session.get_one(Run, run_id).is_finished


def test_a_playbook_on_nodes_runs_in_the_account_s_home(
    live: Live, node_id: int, write: Callable[[str, str], None]
) -> None:
    """Nothing is written there but our own folder, which is cleared."""
    steps = "steps:\n  - {name: where, run: [pwd], changes: false}\n"
    write("where", f"description: d\non: node\n{steps}  - {{name: root, run: [test, -d, {{node: projects_root}}]}}\n")
    run = playbook_runs.begin("where", {"node_ids": [node_id]}, SYSTEM)
    job = live.finish(jobs.get_job(runs.jobs_under_way(run.id)[0]))
    assert (job.state, outcomes(job)) == (JobState.SUCCEEDED, ["ok", "changed"]), live.log(job)
    (home,) = [Path(line) for line in live.log(job).splitlines() if line.startswith("/")]
    assert home != live.root
    assert list(home.joinpath(".bareboat", "jobs").glob(f"job-{job.id}-*-{job.uid[:8]}")) == []
    assert f" {job.process_key} {job.kind} - {job.requested_by} exit " in (home / ".bareboat/acts.log").read_text()
    assert runs.get_run(run.id).state.value == "SUCCEEDED"


@pytest.mark.parametrize("has_root", [True, False])
def test_what_a_playbook_on_a_node_has_left_in_the_home_is_cleared(
    live: Live, node_id: int, write: Callable[[str, str], None], mocker: MockerFixture, sshd: SshdServer, has_root: bool
) -> None:
    """Its connection broke when the folder was to be removed. What others have there stays."""
    write("where", "description: d\non: node\nsteps:\n  - {name: where, run: [pwd], changes: false}\n")
    mocker.patch.object(StepsClient, "collect", side_effect=ConnectionLost())
    run = playbook_runs.begin("where", {"node_ids": [node_id]}, SYSTEM)
    job = live.finish(jobs.get_job(runs.jobs_under_way(run.id)[0]))
    left = sshd.home / ".bareboat/jobs" / job.process_key
    other = left.with_name("job-1-1-00000000")
    other.mkdir(exist_ok=True)
    assert left.exists()
    mocker.stopall()
    if not has_root:
        live.root.rename(live.root.with_name("away"))
    background.clear_nodes()
    assert (left.exists(), other.exists()) == (False, True)


def test_a_node_is_prepared(live: Live, node_id: int) -> None:
    """The projects root is not there yet."""
    root = live.root / "below" / "projects"
    with unit_of_work() as session:
        session.get_one(Node, node_id).projects_root = str(root)
    run = playbook_runs.begin("prepare-node", {"node_ids": [node_id]}, SYSTEM)
    job = live.finish(jobs.get_job(runs.jobs_under_way(run.id)[0]))
    assert (job.state, outcomes(job)) == (JobState.SUCCEEDED, ["ignored", "changed", "skipped", "ok"]), live.log(job)
    assert root.stat().st_mode & 0o777 == 0o755
