"""`user` and `token`: who may log in, and with what programs do."""

import sys

import click

from app.cli.act import Acts, actor, read_secret
from app.models import Role
from app.services.tokens import create_token
from app.services.users import create_user, get_user_by_name


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


@click.group(cls=Acts)
def token() -> None:
    """API tokens."""


@token.command("add")
@click.option("--user", "user_name", required=True, help="Whose rights the token has.")
@click.option("--name", "label", required=True, help="What it is for.")
@click.option("--days", type=int, default=90, show_default=True, help="How long it is valid.")
def add_token(user_name: str, label: str, days: int) -> None:
    """Make an API token; it is the last line of the output, shown this once."""
    made = create_token(get_user_by_name(user_name), label, days, actor())
    click.echo(f"A token of {user_name} for {days} days, shown this once:")
    click.echo(made.reveal())
