"""The log of acts on a node: its lines, and that nothing about it keeps an act from its end."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.commands import durable
from app.commands.base import Command, Place
from app.commands.durable import Reader
from app.commands.notes import node_note
from app.commands.paths import ProjectName, ProjectsRoot
from tests.commands.shells import SHELLS
from tests.commands.test_durable import MARK, DurableNode, durable_node

NOTE = "2026-03-01T02:03:04Z job-17-1 project.command app ann"
BOUND = 1024 * 1024


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> DurableNode:
    return durable_node(request, tmp_path)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where it belongs; nothing is there yet."""
    folder = tmp_path / "projects"
    (folder / "app").mkdir(parents=True, mode=0o755)
    (folder / ".bareboat").mkdir(mode=0o700)
    return folder / ".bareboat/acts.log"


def act(node: DurableNode, log: Path, text: str = "exit 3", key: str = "job-17-1") -> str:
    """How an act that is noted ends."""
    root = ProjectsRoot(str(log.parent.parent))
    command = Command(text, place=Place(root, ProjectName("app")), timeout_seconds=60, note=NOTE)
    reader = Reader(nonce=MARK, wait_seconds=90, patience_seconds=90)
    return node.follow(durable.start_and_follow(root, key, command, reader)).end


def lines(log: Path) -> list[str]:
    """Without the seconds that an act took."""
    return [line.rpartition(" after ")[0] or line for line in log.read_text().splitlines()]


def test_an_act_leaves_a_line_when_it_begins_and_one_when_it_ends(node: DurableNode, log: Path) -> None:
    act(node, log)
    act(node, log, "exit 0", "job-18-1")
    assert lines(log) == [f"{NOTE} begins", f"{NOTE} exit 3", f"{NOTE} begins", f"{NOTE} exit 0"]
    assert log.read_text().endswith(" s\n")
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_line_that_is_too_much_for_a_full_log_begins_the_next_one(node: DurableNode, log: Path) -> None:
    log.write_bytes(b"an old line\n" * (BOUND // 12 + 1))
    log.with_name("acts.log.1").write_text("older still\n")
    assert act(node, log) == "exit 3"
    kept = log.with_name("acts.log.1").read_bytes()
    assert lines(log) == [f"{NOTE} exit 3"]
    assert kept.startswith(b"an old line\n")
    assert kept.endswith(f"{NOTE} begins\n".encode())


def test_a_log_that_is_nearly_full_loses_no_line(node: DurableNode, log: Path) -> None:
    """What did not fit is cut off there, and whole in the new one."""
    log.write_bytes(b"x" * (BOUND - len(f"{NOTE} begins\n") - 10))
    act(node, log)
    assert lines(log) == [f"{NOTE} exit 3"]
    assert log.with_name("acts.log.1").stat().st_size == BOUND


def test_a_full_log_that_cannot_be_put_aside_holds_nothing_up(node: DurableNode, log: Path) -> None:
    log.write_bytes(b"x" * BOUND)
    log.with_name("acts.log.1").mkdir()
    assert act(node, log) == "exit 3"
    assert log.stat().st_size == BOUND + len(f"{NOTE} begins\n")
    assert list(log.with_name("acts.log.1").iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe", "link to a pipe"])
def test_what_is_no_plain_file_is_left_alone_and_holds_nothing_up(
    node: DurableNode, log: Path, tmp_path: Path, kind: str
) -> None:
    other = tmp_path / "other"
    if kind.endswith("pipe"):
        os.mkfifo(log if kind == "pipe" else other)
    elif kind == "link":
        other.write_text("theirs")
    if "link" in kind:
        log.symlink_to(other)
    elif kind == "folder":
        log.mkdir()
    assert act(node, log) == "exit 3"
    assert not log.is_file() or other.read_text() == "theirs"
    assert kind != "dangling link" or not other.exists()


def test_without_a_note_there_is_no_log(node: DurableNode, log: Path) -> None:
    root = ProjectsRoot(str(log.parent.parent))
    command = Command("exit 0", place=Place(root))
    node.follow(durable.start_and_follow(root, "job-1", command, Reader(nonce=MARK, wait_seconds=90)))
    assert not log.exists()


def test_a_note_has_five_words_whatever_a_user_is_called() -> None:
    now = datetime(2026, 3, 1, 2, 3, 4, tzinfo=UTC)
    assert node_note(now, "job-17-1", "project.command", "app", "ann") == NOTE
    odd = node_note(now, "job-17-1", "node.playbook", None, "an n\n$(x)\x1b[31mé" + "y" * 100)
    assert odd.split(" ")[3:] == ["-", "an_n___x___31m_" + "y" * 49]
