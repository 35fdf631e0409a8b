"""Another SSH key for nodes, on real servers that read the account's own authorized_keys."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from app.db import unit_of_work, utcnow
from app.errors import ActFailed, ConnectionLost
from app.models import Job, JobState, MemberState, Run, RunState
from app.services import hostkeys, keys, nodes, rotation_acts, rotations, run_moves, runs
from app.services.events import SYSTEM
from tests.support.controller_process import fresh
from tests.support.live import Live
from tests.support.sshd import KeyPair, SshdServer

pytestmark = pytest.mark.ssh

OTHER = "ssh-rsa AAAAB3other somebody@else"


@pytest.fixture
def server(make_sshd: Callable[..., SshdServer], tmp_path: Path, live: Live) -> SshdServer:
    return make_sshd(extra=(f"AuthorizedKeysFile {tmp_path}/sshd-0/home/.ssh/authorized_keys",))


@pytest.fixture
def file(server: SshdServer, ssh_keypair: KeyPair) -> Path:
    """Somebody else's key before ours, and no newline at the end."""
    path = server.home / ".ssh/authorized_keys"
    path.parent.mkdir(mode=0o700)
    path.write_text(f'{OTHER}\nfrom="127.0.0.0/8" {ssh_keypair.public}')
    path.chmod(0o600)
    return path


@pytest.fixture
def node_id(live: Live, server: SshdServer, file: Path, ssh_keypair: KeyPair) -> int:
    live.app.config["JOB_MAX_ATTEMPTS"] = 3
    node_id = live.add_node(server, ssh_keypair)
    assert live.probe(node_id).ok
    return node_id


@pytest.fixture
def new_id(live: Live) -> int:
    return keys.generate_key("fleet-2", "ed25519", SYSTEM).id


def old_id(live: Live, node_id: int) -> int:
    return live.node(node_id).ssh_key_id or 0


def begin(live: Live, from_id: int, to_id: int, **values: object) -> Run:
    return rotations.begin(from_id, {"to_key_id": to_id, **values}, SYSTEM)


def ended(live: Live, run: Run) -> tuple[RunState, list[tuple[MemberState, str | None]]]:
    run_id = run.id
    for job_id in runs.jobs_under_way(run_id):
        live.runtime.queue.nudge(job_id)
        live.finish(fresh(job_id))
    run_moves.advance(run_id)
    members = runs.list_members(run_id, {}, 1, 100).items
    return runs.get_run(run_id).state, [(member.state, member.error_code) for member in members]


def job_of(run: Run) -> Job:
    return fresh(runs.list_members(run.id, {}, 1, 100).items[0].job_id or 0)


def public(key_id: int) -> str:
    return keys.get_key(key_id).public_key


def test_a_node_gets_the_new_key_and_only_the_old_line_goes(live: Live, node_id: int, new_id: int, file: Path) -> None:
    (live.root / ".bareboat").mkdir(mode=0o700)
    run = begin(live, old_id(live, node_id), new_id)
    assert ended(live, run) == (RunState.SUCCEEDED, [(MemberState.CHANGED, None)])
    assert old_id(live, node_id) == new_id
    assert file.read_text() == f'{OTHER}\nfrom="127.0.0.0/8" {public(new_id)}\n'
    assert live.probe(node_id).ok
    told = [line.split()[1:] for line in (live.root / ".bareboat/acts.log").read_text().splitlines()]
    who = [job_of(run).process_key, "node.rotate_key", "-", SYSTEM.name]
    assert told == [[*who, "added"], [*who, "removed"]]


def test_back_again_is_the_same_run_the_other_way(live: Live, node_id: int, new_id: int, file: Path) -> None:
    old = old_id(live, node_id)
    ended(live, begin(live, old, new_id))
    assert ended(live, begin(live, new_id, old))[0] is RunState.SUCCEEDED
    assert (old_id(live, node_id), file.read_text()) == (old, f'{OTHER}\nfrom="127.0.0.0/8" {public(old)}\n')


def test_where_the_new_key_is_refused_the_node_keeps_the_old_and_the_file_is_as_it_was(
    live: Live, node_id: int, new_id: int, file: Path, server: SshdServer
) -> None:
    """Another file is read by sshd, as where a tool manages the keys."""
    old, before = old_id(live, node_id), file.read_bytes()
    server.stop()
    server.extra = (f"AuthorizedKeysFile {server.folder}/authorized_keys",)
    server.start()
    live.runtime.nodes.forget(server.target())
    run = begin(live, old, new_id)
    assert ended(live, run) == (RunState.FAILED, [(MemberState.FAILED, "new_key_refused")])
    assert (old_id(live, node_id), file.read_bytes()) == (old, before)
    assert "AuthorizedKeysFile" in (job_of(run).error_message or "")
    assert live.probe(node_id).ok


@pytest.mark.parametrize("step", ["_ensure_let_in", "_switch", "_remove_old"])
def test_a_job_that_dies_between_two_steps_is_taken_up_and_ends_the_same(
    live: Live, node_id: int, new_id: int, file: Path, mocker: MockerFixture, step: str
) -> None:
    """As after kill -9: nobody says what was done."""
    dies = mocker.patch.object(rotation_acts, step, side_effect=ConnectionLost())
    run = begin(live, old_id(live, node_id), new_id)
    assert ended(live, run)[0] is RunState.RUNNING
    mocker.stop(dies)
    jobs_left = runs.jobs_under_way(run.id)
    live.runtime.nodes.reap()
    _end_pause(live, jobs_left)
    assert ended(live, run) == (RunState.SUCCEEDED, [(MemberState.CHANGED, None)])
    assert file.read_text() == f'{OTHER}\nfrom="127.0.0.0/8" {public(new_id)}\n'
    assert old_id(live, node_id) == new_id


def test_a_cancel_in_the_middle_takes_the_new_key_out_and_a_retry_does_it_all(
    live: Live, node_id: int, new_id: int, file: Path, mocker: MockerFixture
) -> None:
    """The connection breaks when the new line is there, the run is cancelled, the node is back."""
    old, before = old_id(live, node_id), file.read_bytes()
    dies = mocker.patch.object(rotation_acts, "_ensure_let_in", side_effect=ConnectionLost())
    run = begin(live, old, new_id)
    assert ended(live, run)[0] is RunState.RUNNING
    assert public(new_id) in file.read_text()
    mocker.stop(dies)
    runs.request_cancel(run.id, SYSTEM)
    run_moves.advance(run.id)
    _end_pause(live, runs.jobs_under_way(run.id))
    assert ended(live, run) == (RunState.CANCELLED, [(MemberState.SKIPPED, "cancelled")])
    assert (old_id(live, node_id), file.read_bytes()) == (old, before)
    assert "taken out of authorized_keys again" in live.log(job_of(run))
    assert ended(live, runs.request_retry(run.id, SYSTEM, with_skipped=True))[0] is RunState.SUCCEEDED
    assert file.read_text() == f'{OTHER}\nfrom="127.0.0.0/8" {public(new_id)}\n'


def test_a_cancel_after_the_switch_comes_too_late_and_the_node_is_changed(
    live: Live, node_id: int, new_id: int, file: Path, mocker: MockerFixture
) -> None:
    dies = mocker.patch.object(rotation_acts, "_remove_old", side_effect=ConnectionLost())
    run = begin(live, old_id(live, node_id), new_id)
    ended(live, run)
    mocker.stop(dies)
    runs.request_cancel(run.id, SYSTEM)
    run_moves.advance(run.id)
    _end_pause(live, runs.jobs_under_way(run.id))
    assert ended(live, run) == (RunState.CANCELLED, [(MemberState.CHANGED, None)])
    assert (old_id(live, node_id), file.read_text().count(public(new_id))) == (new_id, 1)


def test_a_cancel_while_it_waits_after_the_switch_is_told_as_a_change_and_the_rest_is_done_later(
    live: Live, node_id: int, new_id: int, file: Path, mocker: MockerFixture
) -> None:
    old = old_id(live, node_id)
    fails = mocker.patch.object(rotation_acts, "_remove_old", side_effect=ActFailed("keys_changed"))
    run = begin(live, old, new_id)
    assert ended(live, run)[0] is RunState.RUNNING
    assert job_of(run).state is JobState.QUEUED
    mocker.stop(fails)
    runs.request_cancel(run.id, SYSTEM)
    assert ended(live, run) == (RunState.CANCELLED, [(MemberState.CHANGED, "cancelled")])
    told = runs.list_members(run.id, {}, 1, 100).items[0].error_message or ""
    assert "logs in with fleet-2 by now" in told
    assert (told, old_id(live, node_id)) == (job_of(run).error_message, new_id)
    assert ended(live, begin(live, old, new_id, node_ids=[node_id]))[0] is RunState.SUCCEEDED
    assert file.read_text() == f'{OTHER}\nfrom="127.0.0.0/8" {public(new_id)}\n'


def test_a_key_that_was_there_before_stays_when_it_is_refused(
    live: Live, node_id: int, new_id: int, file: Path, mocker: MockerFixture
) -> None:
    file.write_text(f"{public(new_id)}\n{file.read_text()}")
    before = file.read_bytes()
    mocker.patch.object(rotation_acts, "_is_let_in", return_value=False)
    assert ended(live, begin(live, old_id(live, node_id), new_id))[1] == [(MemberState.FAILED, "new_key_refused")]
    assert file.read_bytes() == before


def test_of_two_nodes_that_are_one_account_the_last_removes_the_old_line(
    live: Live, node_id: int, new_id: int, file: Path, server: SshdServer
) -> None:
    old, row = old_id(live, node_id), live.node(node_id)
    values = {name: getattr(row, name) for name in ("hostname", "ssh_port", "ssh_user", "ssh_key_id", "projects_root")}
    second = nodes.create_node(values | {"name": "same"}, SYSTEM).id
    hostkeys.pin_public_key(second, str(server.host_keys()[0]), SYSTEM)
    assert ended(live, begin(live, old, new_id, node_ids=[node_id]))[0] is RunState.SUCCEEDED
    assert public(old).split()[1] in file.read_text()
    assert ended(live, begin(live, old, new_id))[0] is RunState.SUCCEEDED
    assert file.read_text() == f'{OTHER}\nfrom="127.0.0.0/8" {public(new_id)}\n'


def test_a_jump_host_and_the_node_behind_it_are_changed_in_one_run(
    live: Live, node_id: int, new_id: int, make_sshd: Callable[..., SshdServer], tmp_path: Path, ssh_keypair: KeyPair
) -> None:
    inner = make_sshd(extra=(f"AuthorizedKeysFile {tmp_path}/sshd-1/home/.ssh/authorized_keys",))
    path = inner.home / ".ssh/authorized_keys"
    path.parent.mkdir(mode=0o700)
    path.write_text(f"{ssh_keypair.public}\n")
    row, old = live.node(node_id), old_id(live, node_id)
    values = {"name": "inner", "hostname": "127.0.0.1", "ssh_port": inner.port, "ssh_user": row.ssh_user}
    values |= {"ssh_key_id": old, "jump_node_id": node_id, "projects_root": row.projects_root}
    inner_id = nodes.create_node(values, SYSTEM).id
    hostkeys.pin_public_key(inner_id, str(inner.host_keys()[0]), SYSTEM)
    assert live.probe(inner_id).ok
    assert ended(live, begin(live, old, new_id))[0] is RunState.SUCCEEDED
    live.runtime.nodes.forget(inner.target())
    assert (path.read_text(), live.probe(inner_id).ok, live.probe(node_id).ok) == (f"{public(new_id)}\n", True, True)


def test_a_node_that_is_away_is_unreachable_and_done_when_it_is_tried_again(
    live: Live, node_id: int, new_id: int, server: SshdServer
) -> None:
    server.stop()
    for _ in range(3):
        live.probe(node_id)
    run = begin(live, old_id(live, node_id), new_id)
    assert ended(live, run) == (RunState.FAILED, [(MemberState.UNREACHABLE, "node_offline")])
    server.start()
    assert live.probe(node_id).ok
    assert ended(live, runs.request_retry(run.id, SYSTEM))[0] is RunState.SUCCEEDED


def _end_pause(live: Live, job_ids: list[int]) -> None:
    with unit_of_work() as session:
        for job_id in job_ids:
            session.get_one(Job, job_id).lease_expires_at = utcnow()
