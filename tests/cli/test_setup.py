import stat

from flask.cli import FlaskGroup
from sqlalchemy import select

from app.db import db
from app.models import Installation as Installed
from app.models import User
from tests.cli.conftest import PASSWORD, Installation, end
from tests.support.databases import IS_POSTGRESQL


def test_init_makes_all_that_a_start_needs_and_shows_the_password_once(bare: Installation) -> None:
    shown = bare.ok("init")
    assert "password: " in shown
    assert stat.S_IMODE((bare.home / "keys" / "master.key").stat().st_mode) == 0o600
    assert IS_POSTGRESQL or (bare.home / "instance" / "bareboat.db").exists()


def test_init_again_changes_nothing_and_says_so(bare: Installation) -> None:
    bare.ok("init")
    key = (bare.home / "keys" / "master.key").read_bytes()
    assert bare.ok("init") == "Everything is there already; nothing was changed."
    assert (bare.home / "keys" / "master.key").read_bytes() == key


def test_init_takes_the_password_from_stdin_and_shows_none(bare: Installation) -> None:
    shown = bare.ok("init", "--password-stdin", stdin=PASSWORD + "\n")
    assert "Made the user admin" in shown
    assert PASSWORD not in shown


def test_a_password_that_is_too_short_is_refused_and_may_be_given_again(bare: Installation) -> None:
    refused = bare.run("init", "--password-stdin", stdin="short\n")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: ")
    assert "[invalid_value]" in refused.stderr
    assert "Made the user admin" in bare.ok("init", "--password-stdin", stdin=PASSWORD + "\n")


def test_a_master_key_that_others_can_read_is_refused_by_init(installed: Installation) -> None:
    (installed.home / "keys" / "master.key").chmod(0o644)
    refused = installed.start(["flask", "--app", "wsgi", "init"])
    _, stderr = refused.communicate(timeout=60)
    assert refused.returncode != 0
    assert "chmod 600" in stderr
    assert "Traceback" not in stderr


def test_a_command_before_init_says_what_to_run(bare: Installation) -> None:
    (bare.home / "instance").mkdir(parents=True)
    refused = bare.run("node", "list")
    assert refused.exit_code == 1
    assert "flask --app wsgi init" in refused.stderr


def test_flasks_own_db_commands_know_the_migrations(installed: Installation) -> None:
    assert installed.run("db", "current").exit_code == 0


def test_with_another_master_key_nothing_is_done_until_it_is_accepted(installed: Installation) -> None:
    (installed.home / "keys" / "master.key").unlink()
    refused = installed.run("init")
    assert refused.exit_code == 1
    assert "--accept-master-key" in refused.stderr
    assert installed.run("user", "list").exit_code == 1
    installed.ok("init", "--accept-master-key")
    assert "admin" in installed.ok("user", "list")


def test_no_command_is_hidden_by_one_of_flask_s_own(bare: Installation) -> None:
    """`flask run` is the development server, whatever an application calls `run`: flask looks at its own first."""
    app = bare.app()
    try:
        assert set(app.cli.commands) & set(FlaskGroup().commands) == set()
    finally:
        end(app)


def test_two_new_installations_share_no_secret(bare: Installation, template: Installation) -> None:
    """CVE-2022-29186: what an image brought along was the same key everywhere."""
    one, other = bare.ok("init"), template
    assert "password: " in one
    contents = [
        {path.name: path.read_bytes() for path in home.rglob("*") if path.is_file()} for home in (bare.home, other.home)
    ]
    assert "master.key" in contents[0]
    assert [name for name in contents[0] if contents[0][name] and contents[0][name] == contents[1].get(name)] == []
    assert [secrets_in(installation) & secrets_in(other) for installation in (bare,)] == [set()]


def secrets_in(installation: Installation) -> set[str]:
    """What must not be the same elsewhere: hashes, sealed texts, the key of the cookies."""
    app = installation.app()
    try:
        with app.app_context():
            hashes = set(db.session.scalars(select(User.password_hash)))
            return hashes | set(db.session.scalars(select(Installed.canary))) | {repr(app.config["SECRET_KEY"])}
    finally:
        end(app)
