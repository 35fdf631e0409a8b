"""The playbooks that are shipped: each is read; hostile values through every input are one literal word, or refused."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.commands import steps
from app.commands.base import NODE_PATH
from app.commands.paths import ProjectName, ProjectsRoot
from app.commands.steps import Step
from app.config import CHECKOUT
from app.errors import Invalid
from app.playbooks.playbook import Playbook, bound_inputs, bound_steps, load
from tests.commands.shells import Node

SHIPPED = {path.stem: path for path in (CHECKOUT / "playbooks").glob("*.yml")}
HOSTILE = ["$(reboot)", "`reboot`", "; rm -rf .", "a\nb\n", "-rf", "--help", "ä→😀\u202e", "'\"\\ $HOME *", "%s%n"]
HOSTILE += ["x" * 100_000]
MARK = "0123456789ab"


def read(name: str) -> Playbook:
    return load(name, SHIPPED[name].name, SHIPPED[name].read_text())


INPUTS = [(name, key) for name in sorted(SHIPPED) for key in read(name).inputs]


def test_all_that_is_promised_is_shipped() -> None:
    on_nodes = {"prepare-node", "node-report", "code-server", "code-server-stop"}
    assert set(SHIPPED) == on_nodes | {"example", "git-gc", "python-setup", "node-setup"}


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_shipped_playbook_is_read(name: str) -> None:
    assert read(name).steps


@pytest.fixture
def sh() -> Node:
    return Node(("/bin/sh",), NODE_PATH)


def recorder(folder: Path) -> str:
    """A program that writes down its words, each ended by NUL."""
    program = folder / "record"
    program.write_text('#!/bin/sh\nfor word do printf "%s\\0" "$word"; done >>recorded\n')
    program.chmod(0o755)
    return "./record"


def bound(playbook: Playbook, key: str, value: str) -> list[dict[str, Any]]:
    """The steps that the value is a word of; none where it is refused."""
    try:
        inputs = bound_inputs(playbook, {key: value})
    except Invalid:
        return []
    return [step for step in bound_steps(playbook, inputs) if value in step["argv"]]


def words(step: dict[str, Any]) -> list[str]:
    return [word if isinstance(word, str) else "fact" for word in step["argv"][1:]]


@pytest.mark.parametrize(("name", "key"), INPUTS)
def test_hostile_values_arrive_as_one_literal_word_or_are_refused(
    tmp_path: Path, sh: Node, name: str, key: str
) -> None:
    """The real program with the real words, but for the program's own name: that is a recorder's."""
    project = tmp_path / "root" / "shop"
    project.mkdir(parents=True)
    program, playbook = recorder(project), read(name)
    raw = [step for value in HOSTILE for step in bound(playbook, key, value)]
    asked = [Step(step["name"], (program, *words(step)), None, {}, 60) for step in raw]
    sh.run(steps.run(ProjectsRoot(str(tmp_path / "root")), ProjectName("shop"), asked, "job-1", MARK, 60))
    recorded = (project / "recorded").read_bytes().decode().split("\0")[:-1] if raw else []
    assert recorded == [word for step in raw for word in words(step)]


def test_only_typed_inputs_refuse_hostile_values() -> None:
    """So that the test above is not passed by refusing."""
    refusing = {(name, key) for name, key in INPUTS if not bound(read(name), key, "$(reboot)")}
    typed = {(name, key) for name, key in INPUTS if read(name).inputs[key]["type"] != "string"}
    checked = ("address", "version", "archive_url", "archive_sha256")
    assert refusing - typed == {("code-server", key) for key in checked}


@pytest.mark.parametrize("shell", ["dash", "bash --posix", "busybox ash"])
def test_scripts_of_shipped_playbooks_are_read_by_every_shell(shell: str) -> None:
    scripts = [step["run"][2] for name in SHIPPED for step in read(name).steps if step["run"][:2] == ["sh", "-c"]]
    for script in scripts:
        subprocess.run([*shell.split(), "-n"], input=script.encode(), check=True)
    assert len(scripts) > 10
