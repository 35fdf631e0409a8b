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
