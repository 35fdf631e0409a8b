"""`hook …`: path and secret are printed, once."""

from tests.cli.conftest import Installation
from tests.cli.test_schedules import with_project


def test_a_hook_is_made_listed_rotated_and_deleted(installed: Installation) -> None:
    with_project(installed)
    made = installed.ok("hook", "add", "shop", "--forge", "gitlab", "--branch", "main")
    assert "path    /api/v1/hooks/bbh_" in made
    assert "secret  whsec_" in made
    (row,) = installed.json("hook", "list", "shop")
    assert (row["id"], row["forge"], row["branch"]) == (1, "gitlab", "main")
    assert "whsec_" not in installed.ok("hook", "list", "shop")
    assert installed.ok("hook", "rotate", "1") != made
    assert installed.ok("hook", "delete", "1") == "Hook 1 is deleted"
    assert "[not_found]" in installed.run("hook", "delete", "1").stderr


def test_a_hook_of_a_set_is_made_listed_and_shows_its_log(installed: Installation) -> None:
    installed.ok("set", "create", "shop", "https://git.example.com/shop/web.git")
    made = installed.ok("hook", "add", "--set", "shop", "--forge", "github", "--concurrency", "3")
    assert made.startswith("Hook 1 of set shop;")
    (row,) = installed.json("hook", "list", "--set", "shop")
    assert (row["set_id"], row["project_id"], row["concurrency"]) == (1, None, 3)
    assert installed.json("hook", "log", "1") == []
    assert "either a PROJECT, or --set NAME" in installed.run("hook", "list").stderr
    assert (
        "concurrency" in installed.run("hook", "add", "--set", "shop", "--forge", "github", "--concurrency", "0").stderr
    )
    assert installed.ok("hook", "delete", "1") == "Hook 1 is deleted"
