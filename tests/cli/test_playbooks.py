from pathlib import Path

from tests.cli.conftest import Installation
from tests.cli.test_schedules import with_project


def test_playbooks_are_listed_shown_and_run(installed: Installation) -> None:
    with_project(installed)
    assert {"example", "git-gc", "node-report"} <= {row["name"] for row in installed.json("playbook", "list")}
    assert "Tidies" in installed.ok("playbook", "list")
    assert installed.json("playbook", "show", "git-gc")["steps"][1]["run"] == ["git", "gc", "--quiet"]
    assert "greeting" in installed.ok("playbook", "show", "example")
    given = ("--input", "times=3", "--input", "loud=true", "--input", "greeting=a=b")
    begun = installed.ok("playbook", "run", "example", "--project", "shop", *given)
    assert begun.startswith("Run 1 (project.playbook on 1) is begun")
    inputs = installed.json("run", "show", "1")["params"]["inputs"]
    assert inputs == {"greeting": "a=b", "times": 3, "loud": True, "place": "here"}
    assert "project.playbook" not in installed.run("playbook", "run", "node-report", "--node", "web-1").stdout


def test_a_file_is_checked(installed: Installation, tmp_path: Path) -> None:
    file = tmp_path / "mine.yml"
    file.write_text("description: d\nsteps:\n  - {name: a, run: [true]}\n")
    refused = installed.run("playbook", "check", str(file))
    assert refused.exit_code == 1
    assert "mine.yml:3: steps[0].run[0]: True is no text; write it in quotes" in refused.stderr
    file.write_text("description: d\nsteps:\n  - {name: a, run: ['true']}\n")
    assert installed.ok("playbook", "check", str(file)) == "mine.yml is a playbook on projects: 1 steps, 0 inputs"


def test_a_wrong_input_is_named(installed: Installation) -> None:
    with_project(installed)
    refused = installed.run("playbook", "run", "example", "--project", "shop", "--input", "times=many")
    assert (refused.exit_code, "Write a whole number." in refused.stderr) == (1, True)
    assert "NAME=VALUE" in installed.run("playbook", "run", "example", "--project", "shop", "--input", "x").stderr
