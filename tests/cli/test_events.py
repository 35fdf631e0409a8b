from tests.cli.conftest import Installation


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
