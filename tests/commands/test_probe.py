from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.commands.paths import ProjectsRoot
from app.commands.probe import CHANGING, Facts, facts, parse_facts
from tests.commands.shells import NONCE, Node

DATA = Path(__file__).parent / "data/facts"


def read(name: str) -> Facts:
    return parse_facts((DATA / f"{name}.txt").read_bytes())


def test_facts_of_debian_are_read() -> None:
    got = read("debian")
    assert (got.os, got.kernel, got.arch) == ("Debian GNU/Linux 12 (bookworm)", "6.1.0-28-amd64", "x86_64")
    assert (got.git_version, got.cpus, got.load1, got.problems) == ("2.39.5", 2, 2.94, ())
    assert (got.disk_total_bytes, got.memory_total_bytes) == (264212084 * 1024, 24684084 * 1024)


def test_a_node_without_git_is_a_problem() -> None:
    got = read("busybox-without-git")
    assert (got.git_version, got.problems) == (None, ("git_missing",))


def test_a_missing_root_comes_first_and_an_old_git_counts() -> None:
    got = read("old-git-and-no-root")
    assert (got.os, got.git_version) == ("Alpine Linux v3.20", "2.19.4")
    assert got.problems == ("root_missing", "git_missing")
    assert got.kernel == "[2Jevil"


def test_what_a_hostile_node_says_is_bounded_or_absent() -> None:
    got = read("hostile")
    assert len(got.os or "") == 120
    assert got.problems == ("git_missing",)
    assert got == Facts(os=got.os, kernel=got.kernel, problems=got.problems)


@given(st.binary(max_size=500))
def test_any_bytes_are_facts(output: bytes) -> None:
    parse_facts(output)


def test_every_shell_finds_the_facts(node: Node, root: Path) -> None:
    got = parse_facts(node.run(facts(ProjectsRoot(str(root)))).stdout)
    assert got.problems == ()
    assert None not in (got.kernel, got.arch, got.git_version, got.disk_free_bytes, got.load1, got.cpus, got.clock)
    assert None not in (got.memory_total_bytes, got.uptime_seconds)
    assert list(root.iterdir()) == []


def test_the_state_of_the_root_is_told(node: Node, root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    states = {
        path: parse_facts(node.run(facts(ProjectsRoot(str(tmp_path / path)))).stdout).problems
        for path in ("nothing", "link", "projects")
    }
    assert states == {"nothing": ("root_missing",), "link": ("root_unsafe",), "projects": ()}


@pytest.mark.parametrize("only_changing", [True, False])
def test_the_mark_of_the_root_is_told(node: Node, root: Path, only_changing: bool) -> None:
    def is_marked() -> bool:
        result = node.run(facts(ProjectsRoot(str(root)), only_changing=only_changing))
        return parse_facts(result.stdout, only_changing=only_changing).is_root_marked

    seen = [is_marked()]
    (root / ".bareboat").mkdir()
    (root / ".bareboat/root").touch()
    assert [*seen, is_marked()] == [False, True]


@pytest.mark.parametrize("mode", [0o775, 0o777])
def test_a_root_open_to_others_is_told(dash: Node, root: Path, mode: int) -> None:
    root.chmod(mode)
    assert parse_facts(dash.run(facts(ProjectsRoot(str(root)))).stdout).problems == ("root_unsafe",)


def test_a_hostile_root_is_one_word() -> None:
    assert "set -- '/data/$(touch x)' all\n" in facts(ProjectsRoot("/data/$(touch x)")).script(NONCE)


def test_every_shell_finds_the_facts_that_change(node: Node, root: Path) -> None:
    output = node.run(facts(ProjectsRoot(str(root)), only_changing=True)).stdout
    got = parse_facts(output, only_changing=True)
    assert got.problems == ()
    assert {name for name, value in asdict(got).items() if value not in (None, (), False)} == CHANGING


def test_the_facts_that_change_tell_of_a_root_that_is_gone_or_elsewhere(node: Node, root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    states = {
        path: parse_facts(
            node.run(facts(ProjectsRoot(str(tmp_path / path)), only_changing=True)).stdout, only_changing=True
        ).problems
        for path in ("nothing", "link", "projects")
    }
    assert states == {"nothing": ("root_missing",), "link": ("root_unsafe",), "projects": ()}
