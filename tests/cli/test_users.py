import re

import pytest

from app.errors import Unauthenticated
from app.secrets import Secret
from app.services.users import authenticate
from tests.cli.conftest import PASSWORD, Installation, end


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
    assert list_users(installed, token) == 200


def test_a_token_needs_a_user(installed: Installation) -> None:
    refused = installed.run("token", "add", "--user", "nobody", "--name", "x")
    assert refused.exit_code == 1
    assert "[not_found]" in refused.stderr


OTHER = "another long password"


def list_users(installed: Installation, token: str) -> int:
    """The status that REST answers."""
    app = installed.app()
    try:
        return app.test_client().get("/api/v1/users", headers={"Authorization": f"Bearer {token}"}).status_code
    finally:
        end(app)


def can_log_in(installed: Installation, password: str) -> bool:
    app = installed.app()
    try:
        with app.app_context():
            authenticate("admin", Secret(password), None)
    except Unauthenticated:
        return False
    finally:
        end(app)
    return True


def test_a_lost_password_is_replaced_without_the_old_one(installed: Installation) -> None:
    installed.ok("user", "passwd", "admin", "--password-stdin", stdin=OTHER + "\n")
    assert can_log_in(installed, OTHER)
    assert not can_log_in(installed, PASSWORD)


def test_an_unknown_name_is_told_before_a_password_is_asked_for(installed: Installation) -> None:
    refused = installed.run("user", "passwd", "nobody")
    assert refused.exit_code == 1
    assert "[not_found]" in refused.stderr


def test_a_user_is_listed_with_role_and_whether_it_may_log_in(installed: Installation) -> None:
    installed.ok("user", "add", "ada", "--role", "viewer", "--password-stdin", stdin=PASSWORD + "\n")
    installed.ok("user", "role", "ada", "operator")
    installed.ok("user", "disable", "ada")
    row = installed.json("user", "list")[0]
    assert (row["name"], row["role"], row["is_active"]) == ("ada", "operator", False)
    assert "operator  no" in installed.ok("user", "list")
    installed.ok("user", "enable", "ada")
    assert installed.json("user", "list")[0]["is_active"]


@pytest.mark.parametrize("words", [("role", "admin", "viewer"), ("disable", "admin")])
def test_the_last_admin_stays_admin(installed: Installation, words: tuple[str, ...]) -> None:
    refused = installed.run("user", *words)
    assert refused.exit_code == 1
    assert "[wrong_state]" in refused.stderr


def test_the_message_of_a_single_field_is_not_said_twice(installed: Installation) -> None:
    refused = installed.run("user", "passwd", "admin", "--password-stdin", stdin="short\n")
    assert refused.stderr.count("at least 10 characters") == 1


def test_a_users_logins_are_ended(installed: Installation) -> None:
    assert installed.ok("user", "logout", "admin") == "Every login of admin has ended"
    refused = installed.run("user", "logout", "nobody")
    assert (refused.exit_code, "[not_found]" in refused.stderr) == (1, True)


def test_without_a_second_factor_there_is_none_to_reset(installed: Installation) -> None:
    refused = installed.run("user", "reset-second-factor", "admin")
    assert (refused.exit_code, "[wrong_state]" in refused.stderr) == (1, True)


def test_a_token_is_made_with_a_lower_role(installed: Installation) -> None:
    token = installed.ok("token", "add", "--user", "admin", "--name", "ci", "--role", "viewer").splitlines()[-1]
    assert list_users(installed, token) == 403
