"""`user` and `token`: who may log in, and with what programs do."""

import sys
from typing import Any

import click

from app.cli.act import Acts, actor, read_secret
from app.cli.show import as_json, print_json, print_table
from app.models import Role
from app.plurals import counted
from app.schemas.users import UserSchema
from app.services import second_factor, sessions
from app.services.paging import MAX_PAGE_SIZE
from app.services.tokens import create_token
from app.services.users import create_user, ensure_has_password, get_user_by_name, list_users, update_user


@click.group(cls=Acts)
def user() -> None:
    """People."""


@user.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--password-stdin", is_flag=True, help="One line on stdin; without it you are asked.")
def add_user(name: str, role: str, password_stdin: bool) -> None:
    """Make a user."""
    password = read_secret(sys.stdin if password_stdin else None, "Password", confirm=True)
    made = create_user(name, Role(role), password, actor())
    click.echo(f"Made the {made.role.value} {made.name}")


@user.command("list")
@as_json
def list_people(is_json: bool) -> None:
    """Users, by name."""
    rows = list_users(1, MAX_PAGE_SIZE).items
    if is_json:
        return print_json(UserSchema(many=True).dump(rows))
    cells = ((row.id, row.name, row.role.value, "yes" if row.is_active else "no", row.created_at) for row in rows)
    return print_table(("ID", "NAME", "ROLE", "MAY LOG IN", "MADE"), cells)


@user.command("passwd")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="One line on stdin; without it you are asked.")
def set_password(name: str, password_stdin: bool) -> None:
    """Give a user another password; every session of the user ends."""
    chosen = get_user_by_name(name)  # what stands in the way is told before a password is asked for
    ensure_has_password(chosen)
    password = read_secret(sys.stdin if password_stdin else None, "New password", confirm=True)
    update_user(chosen.id, {"password": password}, actor())
    click.echo(f"Changed the password of {name}; logins with the old one have ended")


@user.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice([role.value for role in Role]))
def set_role(name: str, role: str) -> None:
    """Give a user another role. An active admin must be left."""
    _update(name, {"role": Role(role)})
    click.echo(f"{name} is {role} now")


@user.command("disable")
@click.argument("name")
def disable_user(name: str) -> None:
    """Keep a user out: sessions end, tokens stop."""
    _update(name, {"is_active": False})
    click.echo(f"{name} may not log in any more")


@user.command("enable")
@click.argument("name")
def enable_user(name: str) -> None:
    """Let a user in again."""
    _update(name, {"is_active": True})
    click.echo(f"{name} may log in again")


@user.command("logout")
@click.argument("name")
def end_sessions(name: str) -> None:
    """End every login of a user in a browser; API tokens stay."""
    sessions.end_sessions(get_user_by_name(name).id, actor())
    click.echo(f"Every login of {name} has ended")


@user.command("reset-second-factor")
@click.argument("name")
def reset_second_factor(name: str) -> None:
    """For a user who has lost app and recovery codes: the password alone is enough again."""
    second_factor.reset(get_user_by_name(name).id, actor())
    click.echo(f"{name} logs in with the password alone; every login has ended")


@click.group(cls=Acts)
def token() -> None:
    """API tokens."""


@token.command("add")
@click.option("--user", "user_name", required=True, help="Whose rights the token has.")
@click.option("--name", "label", required=True, help="What it is for.")
@click.option("--role", type=click.Choice([role.value for role in Role]), help="At most the user's; without it: that.")
@click.option("--days", type=int, default=90, show_default=True, help="How long it is valid.")
def add_token(user_name: str, label: str, role: str | None, days: int) -> None:
    """Make an API token; it is the last line of the output, shown this once."""
    made = create_token(get_user_by_name(user_name), label, days, actor(), Role(role) if role else None)
    click.echo(f"A token of {user_name} for {counted(days, 'day')}, shown this once:")
    click.echo(made.reveal())


def _update(name: str, values: dict[str, Any]) -> None:
    update_user(get_user_by_name(name).id, values, actor())
