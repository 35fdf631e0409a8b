import pytest

from tests.cli.conftest import Installation
from tests.cli.test_schedules import with_project


def test_a_run_is_started_listed_shown_and_tried_again(installed: Installation) -> None:
    """Its node has no pinned key, so nothing is said to it."""
    with_project(installed)
    begun = installed.ok("runs", "start", "project.pull", "--project", "shop", "--concurrency", "1")
    assert begun == "Run 1 (project.pull on 1) is begun; see: runs show 1"
    (row,) = installed.json("runs", "list")
    assert (row["state"], row["recap"]["unreachable"]) == ("FAILED", 1)
    shown = installed.json("runs", "show", "1")
    assert [member["error"]["code"] for member in shown["members"]] == ["host_key_unpinned"]
    assert "web-1" in installed.ok("runs", "show", "1")
    assert "has ended already" in installed.run("runs", "cancel", "1").stderr
    assert "Run 2 (project.pull on 1)" in installed.ok("runs", "retry", "1")


def test_waiting_ends_with_the_outcome(installed: Installation) -> None:
    with_project(installed)
    waited = installed.run("runs", "start", "project.command", "--all-on", "web-1", "--wait", "--", "git", "gc")
    assert (waited.exit_code, waited.stdout) == (1, "Run 1 FAILED: 1 unreachable\n")
    assert "host_key_unpinned" in waited.stderr


@pytest.mark.ssh
def test_waiting_runs_the_jobs_here(enrolled: Installation, tmp_path: object) -> None:
    assert enrolled.run("project", "clone", "shop", "git://127.0.0.1:1/x.git", "--node", "here", "--wait").exit_code
    waited = enrolled.run("runs", "start", "project.pull", "--all-on", "here", "--wait")
    assert (waited.exit_code, waited.stdout) == (1, "Run 1 FAILED: 1 failed\n")


def test_an_unknown_project_is_named(installed: Installation) -> None:
    refused = installed.run("runs", "start", "project.pull", "--project", "shop")
    assert (refused.exit_code, "'shop'" in refused.stderr) == (1, True)
