from pathlib import Path

import pytest

from tests.cli.conftest import Installation
from tests.cli.test_schedules import with_project
from tests.support.forge import Forge


def test_playbooks_are_listed_shown_and_run(installed: Installation) -> None:
    with_project(installed)
    assert {"example", "git-gc", "node-report"} <= {row["name"] for row in installed.json("playbook", "list")}
    assert "Tidies" in installed.ok("playbook", "list")
    assert installed.json("playbook", "show", "git-gc")["steps"][1]["run"] == ["git", "gc", "--quiet"]
    assert r"printf '%s from %s\n' {input: greeting} {project: name}" in installed.ok("playbook", "show", "example")
    given = ("--input", "times=3", "--input", "loud=true", "--input", "greeting=a=b")
    begun = installed.ok("playbook", "run", "example", "--project", "shop", *given)
    assert begun.startswith("Run 1 (project.playbook on 1) is begun")
    inputs = installed.json("runs", "show", "1")["params"]["inputs"]
    assert inputs == {"greeting": "a=b", "times": 3, "loud": True, "place": "here"}
    assert "project.playbook" not in installed.run("playbook", "run", "node-report", "--node", "web-1").stdout


def test_a_file_is_checked(installed: Installation, tmp_path: Path) -> None:
    file = tmp_path / "mine.yml"
    file.write_text("description: d\nsteps:\n  - {name: a, run: [true]}\n")
    refused = installed.run("playbook", "check", str(file))
    assert refused.exit_code == 1
    assert "mine.yml:3: steps[0].run[0]: True is no text; write it in quotes" in refused.stderr
    file.write_text("description: d\nsteps:\n  - {name: a, run: ['true']}\n")
    assert installed.ok("playbook", "check", str(file)) == "mine.yml is a playbook on projects: 1 step, 0 inputs"


def test_a_wrong_input_is_named(installed: Installation) -> None:
    with_project(installed)
    refused = installed.run("playbook", "run", "example", "--project", "shop", "--input", "times=many")
    assert (refused.exit_code, "Write a whole number." in refused.stderr) == (1, True)
    assert "NAME=VALUE" in installed.run("playbook", "run", "example", "--project", "shop", "--input", "x").stderr


@pytest.mark.ssh
def test_a_project_s_own_are_allowed_listed_and_run(enrolled: Installation, forge: Forge) -> None:
    enrolled.ok("project", "clone", "app", forge.url, "--node", "here", "--wait")
    folder = Path(enrolled.json("project", "list")[0]["path"], ".bareboat")
    folder.mkdir()
    (folder / "touch.yml").write_text(
        "description: Makes one.\ninputs:\n  file: {default: made}\n"
        "steps:\n  - {name: a, run: [touch, {input: file}]}\n"
    )
    assert "an admin allows it" in enrolled.run("project", "playbooks", "app").stderr
    assert enrolled.ok("project", "allow-playbooks", "app") == "app may run playbooks of its own"
    (row,) = enrolled.json("project", "playbooks", "app")
    assert (row["name"], row["error"]) == ("touch", None)
    assert "Makes one." in enrolled.ok("project", "playbooks", "app", "--node", "here")
    run = ("playbook", "run", "touch", "--own", "--project", "app")
    assert "1 changed" in enrolled.ok(*run, "--input", "file=there", "--wait")
    assert (folder.parent / "there").exists()
    assert "--own wants one --project" in enrolled.run(*run, "--project", "other").stderr
    enrolled.ok("project", "allow-playbooks", "app", "--no")
    assert enrolled.run(*run).exit_code == 1
