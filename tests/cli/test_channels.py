"""`channel …`: the address comes from stdin, the secret is the last line, once."""

from tests.cli.conftest import Installation


def test_a_channel_is_made_listed_tested_turned_off_and_deleted(installed: Installation) -> None:
    url = "https://hooks.example.com/s3cret"
    words = ("channel", "add", "ops", "--kind", "json", "--url-stdin", "--event", "node.offline")
    made = installed.ok(*words, stdin=url + "\n").splitlines()
    assert made[0] == "Channel ops leads to https://hooks.example.com:443"
    assert made[-1].startswith("bbs_")
    (row,) = installed.json("channel", "list")
    assert (row["name"], row["events"]) == ("ops", ["node.offline"])
    assert "s3cret" not in installed.ok("channel", "list")
    assert "is asked for" in installed.ok("channel", "test", "ops")
    (sent,) = installed.json("channel", "log", "ops")
    assert (sent["event"], sent["state"]) == ("test", "PENDING")
    refused = installed.run("channel", "send-again", "ops", str(sent["id"]))
    assert "only what has failed is sent again" in refused.stderr
    assert installed.ok("channel", "disable", "ops") == "Channel ops is off"
    assert installed.ok("channel", "enable", "ops") == "Channel ops is on"
    assert installed.ok("channel", "delete", "ops") == "Channel ops is deleted"


def test_mail_needs_a_server(installed: Installation) -> None:
    refused = installed.run("channel", "add", "mail", "--kind", "email", "--to", "ops@example.org")
    assert "No mail server is set up" in refused.stderr
