"""What may happen between two lines of a durable process's programs, made certain: a line of theirs is replaced."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from app.commands import durable
from app.commands.base import Command
from app.commands.paths import ProjectsRoot
from tests.commands.shells import SHELLS, end, finish
from tests.commands.test_durable import (
    DurableNode,
    durable_node,
    folder_of,
    program,
    root,
    run,
    taken_apart,
    until,
)

__all__ = ["root"]
CANNOT_FORK = "exit 2"  # what dash does then, wherever it is


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> DurableNode:
    return durable_node(request, tmp_path)


def raced(command: Command, line: str, other: str) -> Command:
    """With another line in its program, or in the ones that it starts."""
    changed = replace(
        command,
        program=command.program.replace(line, other),
        arguments=tuple(each.replace(line, other) for each in command.arguments),
    )
    assert changed != command
    return changed


def test_an_output_that_nobody_could_be_started_for_is_lost_at_once(node: DurableNode, root: Path) -> None:
    """The process table is full when the guard's runner needs more: it ends there, and must not do so silently."""
    command = run(program("echo ran", root=root), root)
    unable = raced(command, 'if [ -n "$bb_merge" ]; then', f'{CANNOT_FORK}; if [ -n "$bb_merge" ]; then')
    assert node.follow(unable).end == "process_lost -"


def test_a_guard_that_can_start_nothing_more_leaves_no_timer_behind(node: DurableNode, root: Path) -> None:
    unable = raced(run(program("echo ran", root=root, seconds=600), root), "exec 5<>status", CANNOT_FORK)
    assert node.follow(unable).end == "process_lost -"


def test_an_end_is_told_where_nothing_can_be_forked_any_more(node: DurableNode, root: Path) -> None:
    """The rename of the outcome is the last that a guard does, in its own process."""
    no_fork = "mv() { exit 2; }\nfinish() {"
    assert node.follow(raced(run(program("exit 3", root=root), root), "finish() {", no_fork)).end == "exit 3"


def test_a_folder_that_vanishes_under_its_follower_is_lost_at_once(node: DurableNode, root: Path) -> None:
    """Somebody else has collected it, or an admin has cleared up."""
    process = node.start(run(program("echo on; until [ -e go ]; do sleep 0.02; done", root=root), root))
    until(lambda: (folder_of(root) / "out").exists() and (folder_of(root) / "out").read_bytes())
    shutil.rmtree(folder_of(root))
    told = taken_apart(finish(process)).end
    (root / "app/go").touch()
    end(process)
    assert told == "process_lost -"


def test_a_folder_that_vanishes_while_all_are_listed_is_left_out(node: DurableNode, root: Path) -> None:
    for key in ("job-1", "job-2"):
        (root / ".bareboat/jobs" / key).mkdir(parents=True, mode=0o700)
    collected = "rmdir ./job-1 2>/dev/null; bb_word=lost"
    listed = node.run(raced(durable.orphans(ProjectsRoot(str(root))), "bb_word=lost", collected))
    assert [orphan.key for orphan in durable.parse_orphans(listed.stdout)] == ["job-2"], listed.words
