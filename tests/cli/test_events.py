import click

from app.schemas.base import MAX_ID
from tests.cli.conftest import Installation, end


def test_events_are_found_by_what_they_are_about(installed: Installation) -> None:
    installed.ok("key", "add", "fleet", "--generate", "ed25519")
    installed.ok("node", "add", "web-1", "192.0.2.1", "--key", "fleet")
    (made,) = installed.json("events", "list", "--node", "web-1")
    assert (made["action"], made["detail"]) == ("node.create", "192.0.2.1")
    assert "node.create" in installed.ok("events", "list", "--action", "node", "--search", "192.0", "--limit", "1")
    assert installed.json("events", "list", "--trouble") == []
    assert installed.json("events", "list", "--before", str(made["id"]), "--actor", made["actor"])
    refused = installed.run("events", "list", "--since", "yesterday")
    assert refused.exit_code == 1
    assert "since: Write a time as 2026-01-31T12:00, in UTC." in refused.stderr


def test_an_id_that_nothing_can_have_is_refused_before_the_database_is_asked(installed: Installation) -> None:
    refused = installed.run("events", "list", "--before", str(2**31))
    assert (refused.exit_code, "2147483647" in refused.stderr) == (2, True)
    assert installed.run("job", "show", str(2**64)).exit_code == 2


def test_every_id_that_a_command_takes_has_that_limit(installed: Installation) -> None:
    app = installed.app()
    groups = [group for group in app.cli.commands.values() if isinstance(group, click.Group)]
    end(app)
    ids = [
        (group.name, name, param.name, getattr(param.type, "max", None))
        for group in groups
        for name, command in group.commands.items()
        for param in command.params
        if isinstance(param, click.Argument) and isinstance(param.type, click.types.IntParamType)
    ]
    assert len(ids) > 10
    assert [found for found in ids if found[-1] != MAX_ID] == []
