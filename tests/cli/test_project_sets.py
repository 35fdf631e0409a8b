from tests.cli.conftest import Installation
from tests.cli.test_schedules import with_project


def test_a_set_is_made_grown_pulled_shown_and_deleted(installed: Installation) -> None:
    """Its node has no pinned key, so nothing is said to it; the project that is there joins."""
    with_project(installed)
    (project,) = installed.json("project", "list")
    made = installed.ok("set", "create", "shop", project["git_url"], "--node", "web-1", "--branch", "main")
    assert made == "Set shop is on 1 node; nothing has to be cloned"
    (row,) = installed.json("set", "list")
    assert (row["name"], row["size"], row["branch"]) == ("shop", 1, "main")
    assert "web-1" in installed.ok("set", "show", "shop")
    assert installed.json("set", "show", "shop", "--live")["drift"]["members"][0]["flags"] == ["no_answer"]
    assert "(project.pull on 1) is begun" in installed.ok("set", "pull", "shop", "--concurrency", "1")
    assert "nothing has to be cloned" in installed.ok("set", "add", "shop", "--node", "web-1")
    assert installed.ok("set", "update", "shop", "--branch", "next") == "Set shop is changed"
    assert "add --delete" in installed.run("set", "remove", "shop", "--node", "web-1", "--force").stderr
    assert "it stays there" in installed.ok("set", "remove", "shop", "--node", "web-1")
    assert "its projects stay" in installed.ok("set", "delete", "shop")
    assert installed.run("set", "show", "shop").exit_code == 1


def test_waiting_for_the_clones_ends_with_the_outcome(installed: Installation) -> None:
    with_project(installed)
    waited = installed.run("set", "create", "other", "https://git.example.com/x.git", "--node", "web-1", "--wait")
    assert (waited.exit_code, waited.stdout) == (1, "Run 1 FAILED: 1 unreachable\n")
