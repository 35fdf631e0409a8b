"""A project set on three nodes, each with a projects root of its own on one real sshd: cloned, pulled, compared."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app import start_background, stop
from app.db import db, unit_of_work
from app.jobs.queue import HeldQueue
from app.jobs.runner import Runner
from app.models import ForgeKind, HostKey, JobState, MemberState, Node, Run, RunState
from app.services import hooks, hostkeys, keys, nodes, project_sets, projects, recoveries, runs, set_drift
from app.services.events import SYSTEM
from app.services.runs import RunOptions
from app.services.set_drift import Drift
from tests.support.controller_process import wait_until
from tests.support.forge import Forge, commit, git
from tests.support.live import Live
from tests.support.pushes import github
from tests.support.sshd import KeyPair, SshdServer

pytestmark = pytest.mark.ssh

PATIENCE = 60.0
Finish = Callable[[Run], dict[str, int]]


@pytest.fixture
def trees(live: Live, sshd: SshdServer, ssh_keypair: KeyPair, tmp_path: Path) -> list[Path]:
    """Where the set `shop` will be, on the nodes 1, 2 and 3."""
    roots = [tmp_path / f"root-{number}" for number in (1, 2, 3)]
    target, key = sshd.target(), keys.import_key("key", ssh_keypair.private, None, SYSTEM)
    way = {"hostname": target.hostname, "ssh_port": target.port, "ssh_user": target.user, "ssh_key_id": key.id}
    for number, root in enumerate(roots, 1):
        root.mkdir(mode=0o755)
        node_id = nodes.create_node(way | {"name": f"n{number}", "projects_root": str(root)}, SYSTEM).id
        hostkeys.pin_public_key(node_id, str(sshd.host_keys()[0]), SYSTEM)
        assert live.probe(node_id).ok
    return [root / "shop" for root in roots]


@pytest.fixture
def finish(live: Live) -> Finish:
    """Plays the runner until the run has ended; answers its recap without zeros."""

    def play(run: Run) -> dict[str, int]:
        run_id, queue = run.id, live.runtime.queue
        assert isinstance(queue, HeldQueue)
        while not runs.get_run(run_id).is_finished:
            queue.deliver(Runner(live.app, live.runtime.registry).run)
            db.session.rollback()
        return {state: count for state, count in runs.with_recap(runs.get_run(run_id)).recap.items() if count}

    return play


def flags(drift: Drift) -> dict[str, tuple[str, ...]]:
    return {member.node_name: member.flags for member in sorted(drift.members, key=lambda member: member.node_name)}


def test_a_set_is_cloned_pulled_and_its_grid_tells_who_is_behind_dirty_and_diverged(
    live: Live, trees: list[Path], forge: Forge, finish: Finish
) -> None:
    options = RunOptions(concurrency=2)
    made = project_sets.create_set({"name": "shop", "git_url": forge.url}, [1, 2, 3], options, SYSTEM)
    set_id, run = made.id, made.run
    assert run is not None
    assert finish(run) == {"changed": 3}
    pushed = forge.push()
    assert finish(project_sets.request_pull(set_id, "ff-only", options, SYSTEM)) == {"changed": 3}
    assert {git("rev-parse", "HEAD", cwd=tree) for tree in trees} == {pushed}
    even = set_drift.read_drift(set_id, live=True, seconds=PATIENCE)
    assert (flags(even), even.reference.head) == ({"n1": (), "n2": (), "n3": ()}, pushed)

    dirty, diverged, behind = trees
    (dirty / "notes").write_text("mine\n")
    commit(diverged, "own", "mine\n")
    git("reset", "-q", "--hard", "HEAD~1", cwd=behind)
    live_drift = set_drift.read_drift(set_id, live=True, seconds=PATIENCE)
    assert flags(live_drift) == {"n1": ("dirty",), "n2": ("ahead",), "n3": ("behind",)}
    assert (live_drift.reference.head, all(member.is_live for member in live_drift.members)) == (pushed, True)

    git("pull", "-q", "--ff-only", cwd=behind)
    own_commits = projects.request_pull(member_id(set_id, "n2"), "ff-only", SYSTEM)
    assert live.finish(own_commits).state is JobState.SUCCEEDED
    known = set_drift.read_drift(set_id)
    assert (flags(known), known.reference.head) == ({"n1": (), "n2": ("ahead",), "n3": ()}, pushed)

    theirs = forge.push(text="again\n")
    pull = project_sets.request_pull(set_id, "ff-only", options, SYSTEM)
    run_id = pull.id
    assert finish(pull) == {"changed": 2, "failed": 1}
    assert runs.get_run(run_id).state is RunState.FAILED
    stored = set_drift.read_drift(set_id)
    assert (flags(stored), stored.reference.head) == ({"n1": (), "n2": ("error", "diverged"), "n3": ()}, theirs)
    seen = set_drift.read_drift(set_id, live=True, seconds=PATIENCE)
    assert flags(seen) == {"n1": ("dirty",), "n2": ("error", "diverged"), "n3": ()}
    (apart,) = [member for member in seen.members if member.node_name == "n2"]
    assert (apart.ahead, apart.behind) == (1, 1)

    commit(behind, "README", "mine\n", "in the way")
    last = forge.push(text="theirs\n")
    rebase = project_sets.request_pull(set_id, "rebase", options, SYSTEM)
    run_id = rebase.id
    assert finish(rebase) == {"changed": 2, "failed": 1}
    (refused,) = runs.list_members(run_id, {"state": MemberState.FAILED}, 1, 10).items
    assert (refused.node_name, refused.error_code) == ("n3", "pull_conflict")
    assert acts_undoable(set_id) == {"n1": [], "n2": ["rebase"], "n3": []}
    assert finish(project_sets.request_pull(set_id, "backup", options, SYSTEM))["changed"] >= 2
    assert {git("rev-parse", "HEAD", cwd=tree) for tree in trees} == {last}
    assert acts_undoable(set_id) == {"n1": [], "n2": ["backup", "rebase"], "n3": ["backup"]}


def member_id(set_id: int, node_name: str) -> int:
    return next(one.id for one in project_sets.list_members(set_id) if one.node.name == node_name)


def acts_undoable(set_id: int) -> dict[str, list[str]]:
    return {
        project.node.name: [one.act for one in recoveries.latest_recoveries(project.id, 9)]
        for project in project_sets.list_members(set_id)
    }


def test_of_many_pushes_in_a_row_the_last_is_on_every_node_by_the_webhook_of_the_set(
    live: Live, trees: list[Path], forge: Forge, finish: Finish
) -> None:
    made = project_sets.create_set({"name": "shop", "git_url": forge.url}, [1, 2, 3], RunOptions(), SYSTEM)
    assert made.run
    finish(made.run)
    owner = hooks.HookOwner(set_id=made.id)
    hook, token, secret = hooks.create_hook(owner, {"forge": ForgeKind.GITHUB, "concurrency": 2}, SYSTEM)
    path, hook_id = hooks.path_of(token), hook.id
    live.app.config["SCHEDULER_ENABLED"] = True
    start_background(live.app)
    try:
        for number in range(6):
            pushed = forge.push(text=f"{number}\n")
            sent = github(secret.reveal())
            assert live.app.test_client().post(path, data=sent.body, headers=sent.headers).status_code == 202
        wait_until(lambda: {git("rev-parse", "HEAD", cwd=tree) for tree in trees} == {pushed})
        wait_until(
            lambda: not db.session.rollback() and not runs.list_runs({"state": RunState.RUNNING}, None, 1, 9).items
        )
        log = hooks.list_deliveries(owner, hook_id, 1, 9).items
        assert {str(one.outcome) for one in log} <= {"queued", "joined"}
        assert 1 <= len({one.run_id for one in log}) <= 6
    finally:
        stop(live.app)


def test_nodes_come_and_go(live: Live, trees: list[Path], forge: Forge, finish: Finish) -> None:
    made = project_sets.create_set({"name": "shop", "git_url": forge.url}, [1], RunOptions(), SYSTEM)
    set_id = made.id
    assert made.run
    finish(made.run)
    more = project_sets.request_add(set_id, [1, 2, 3], RunOptions(), SYSTEM)
    assert more.run
    assert finish(more.run) == {"changed": 2}
    git("checkout", "-q", "-b", "mine", cwd=trees[1])
    grid = set_drift.read_drift(set_id, live=True, seconds=PATIENCE)
    assert flags(grid) == {"n1": (), "n2": ("other_branch",), "n3": ()}
    project_sets.take_out(set_id, 2, SYSTEM)
    assert (len(project_sets.member_ids(set_id)), trees[1].exists()) == (2, True)
    back = project_sets.request_add(set_id, [2], RunOptions(), SYSTEM)
    assert (back.run, back.size) == (None, 3)
    commit(trees[2], "own", "mine\n")
    for node_id, is_gone in ((1, True), (3, False)):
        job_id = project_sets.take_out(set_id, node_id, SYSTEM, delete=True).job_id
        assert job_id
        queue = live.runtime.queue
        assert isinstance(queue, HeldQueue)
        queue.deliver(Runner(live.app, live.runtime.registry).run)
        db.session.rollback()
        assert trees[node_id - 1].exists() is not is_gone
    assert [project.node_id for project in project_sets.list_members(set_id)] == [2, 3]


def test_a_node_that_hangs_holds_no_grid(
    live: Live, trees: list[Path], forge: Forge, finish: Finish, sshd: SshdServer, make_sshd: Callable[..., SshdServer]
) -> None:
    """One of the members moves to a server whose shell never answers; the look ends at its limit."""
    made = project_sets.create_set({"name": "shop", "git_url": forge.url}, [1, 2, 3], RunOptions(), SYSTEM)
    set_id = made.id
    assert made.run
    finish(made.run)
    hanging = make_sshd(extra=("ForceCommand sleep 600",))
    move(3, hanging)
    grid = set_drift.read_drift(set_id, live=True, seconds=3)
    assert flags(grid) == {"n1": (), "n2": (), "n3": ("no_answer",)}
    assert "3 seconds" in (grid.members[0].problem or "")


def move(node_id: int, server: SshdServer) -> None:
    with unit_of_work() as session:
        session.get_one(Node, node_id).ssh_port = server.port
        session.query(HostKey).filter_by(node_id=node_id).one().public_key = str(server.host_keys()[0])
