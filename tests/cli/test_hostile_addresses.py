"""The command line refuses addresses that lead inside, as REST and the pages do."""

from tests.cli.conftest import Installation


def test_an_address_that_leads_inside_is_refused(installed: Installation) -> None:
    installed.ok("key", "add", "k", "--generate", "ed25519")
    installed.ok("node", "add", "here", "192.0.2.1", "--user", "deploy", "--key", "k")
    clone = installed.run("project", "clone", "new", "https://a.localhost/a.git", "--node", "here")
    channel = installed.run("channel", "add", "c", "--kind", "json", "--url-stdin", stdin="https://a.localhost/\n")
    assert (clone.exit_code, channel.exit_code) == (1, 1)
    assert "DENIED_NETWORKS" in clone.output
    assert "DENIED_NETWORKS" in channel.output
    assert installed.json("project", "list") == installed.json("channel", "list") == []
