import re

import pytest

from tests.cli.conftest import PASSWORD, Installation


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_a_user_is_made_with_a_role(installed: Installation, role: str) -> None:
    shown = installed.ok("user", "add", "ada", "--role", role, "--password-stdin", stdin=PASSWORD + "\n")
    assert shown == f"Made the {role} ada"


def test_a_user_name_is_taken_once(installed: Installation) -> None:
    refused = installed.run("user", "add", "admin", "--role", "viewer", "--password-stdin", stdin=PASSWORD)
    assert refused.exit_code == 1
    assert "[name_taken]" in refused.stderr


def test_an_unknown_role_is_a_usage_error(installed: Installation) -> None:
    assert installed.run("user", "add", "ada", "--role", "king", "--password-stdin").exit_code == 2


def test_without_a_terminal_a_password_is_not_waited_for(installed: Installation) -> None:
    refused = installed.run("user", "add", "ada", "--role", "viewer")
    assert refused.exit_code == 2
    assert "stdin" in refused.stderr


def test_the_token_is_alone_on_the_last_line_and_opens_rest(installed: Installation) -> None:
    token = installed.ok("token", "add", "--user", "admin", "--name", "laptop", "--days", "2").splitlines()[-1]
    assert re.fullmatch(r"bbt_[A-Za-z0-9_-]{43}", token)
    app = installed.app()
    answer = app.test_client().get("/api/v1/users", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def test_a_token_needs_a_user(installed: Installation) -> None:
    refused = installed.run("token", "add", "--user", "nobody", "--name", "x")
    assert refused.exit_code == 1
    assert "[not_found]" in refused.stderr
