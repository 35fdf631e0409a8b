"""`init`: everything that an installation needs before its first start. Running it again changes nothing."""

import secrets
import sys
from pathlib import Path

import click
from flask import current_app
from flask_migrate import upgrade
from sqlalchemy.engine import make_url

from app.cli.act import Act, actor, read_secret
from app.errors import DatabaseNotCurrent
from app.models import Role
from app.secrets import Secret, Vault, create_master_key, load_master_key
from app.services import startup
from app.services.runtime import runtime
from app.services.users import create_user, has_users

FIRST_USER = "admin"


class _FirstAct(Act):
    needs_tables = False


@click.command(cls=_FirstAct)
@click.option("--password-stdin", is_flag=True, help="Take the admin's password from stdin instead of making one.")
@click.option("--accept-master-key", is_flag=True, help="Go on with a new master key; what is sealed is given up.")
def init(password_stdin: bool, accept_master_key: bool) -> None:
    """Make instance folder, master key, database and the first admin, as far as they are not there."""
    done = [_ensure_folder(), _ensure_master_key(), _ensure_database()]
    if accept_master_key:
        startup.accept_master_key()
    startup.ensure_own_master_key()
    done.append(_ensure_admin(password_stdin))
    if not any(done):
        click.echo("Everything is there already; nothing was changed.")


def _ensure_folder() -> bool:
    folder = Path(current_app.instance_path)
    if folder.is_dir():
        return False
    folder.mkdir(mode=0o700, parents=True)
    click.echo(f"Made the instance folder {folder}")
    return True


def _ensure_master_key() -> bool:
    path = Path(current_app.config["KEYS_DIR"]) / "master.key"
    if current_app.config["MASTER_KEY"] is not None or path.exists():
        load_master_key(current_app.config["MASTER_KEY"], path)
        return False
    runtime().vault = Vault(create_master_key(path))
    click.echo(f"Made the master key {path}; keep a copy of it in another place than the database's backups.")
    return True


def _ensure_database() -> bool:
    try:
        startup.ensure_current_schema()
    except DatabaseNotCurrent:
        upgrade()
        startup.ensure_current_schema()
        click.echo(f"Migrated the database {_database_name()}")
        return True
    return False


def _ensure_admin(password_stdin: bool) -> bool:
    if has_users():
        return False
    password = read_secret(sys.stdin, "Password") if password_stdin else Secret(secrets.token_urlsafe(12))
    create_user(FIRST_USER, Role.ADMIN, password, actor())
    click.echo(f"Made the user {FIRST_USER}" + ("" if password_stdin else ", shown this once:"))
    if not password_stdin:
        click.echo(f"password: {password.reveal()}")
    return True


def _database_name() -> str:
    return make_url(current_app.config["SQLALCHEMY_DATABASE_URI"]).render_as_string(hide_password=True)
