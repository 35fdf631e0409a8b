from pathlib import Path

import pytest

from app.services import nodes
from tests.cli.conftest import Installation
from tests.support.sshd import SshdServer


def test_a_node_is_added_with_defaults_and_nothing_is_said_to_it(installed: Installation) -> None:
    installed.ok("node", "add", "web-1", "web-1.example.com")
    row = installed.json("node", "list")[0]
    assert (row["ssh_port"], row["projects_root"], row["status"]) == (22, "/data/projects", "UNKNOWN")
    assert "web-1.example.com:22" in installed.ok("node", "list")


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("-rf; reboot", "192.0.2.1"), "name"),
        (("web-1", "host;reboot"), "hostname"),
        (("web-1", "192.0.2.1", "--user", "a b"), "ssh_user"),
        (("web-1", "192.0.2.1", "--port", "0"), "ssh_port"),
        (("web-1", "192.0.2.1", "--root", "data/../.."), "projects_root"),
    ],
)
def test_a_bad_value_is_refused_naming_the_field(installed: Installation, words: tuple[str, ...], field: str) -> None:
    refused = (
        installed.run("node", "add", "--", *words) if words[0].startswith("-") else installed.run("node", "add", *words)
    )
    assert refused.exit_code == 1
    assert "[invalid_value]" in refused.stderr
    assert f"  {field}: " in refused.stderr


def test_an_unpinned_node_is_not_spoken_to(installed: Installation, fresh_sshd: SshdServer) -> None:
    installed.ok("key", "add", "main", "--generate", "ed25519")
    installed.ok("node", "add", "here", "127.0.0.1", "--port", str(fresh_sshd.port), "--key", "main")
    probed = installed.run("node", "probe", "here")
    assert probed.exit_code == 1
    assert "host_key_unpinned" in probed.stdout
    assert fresh_sshd.connections() == 0


def test_scan_shows_what_pin_then_takes(installed: Installation, fresh_sshd: SshdServer) -> None:
    installed.ok("node", "add", "here", "127.0.0.1", "--port", str(fresh_sshd.port))
    wanted = fresh_sshd.host_keys()[0]
    assert installed.json("node", "scan", "here")[0]["fingerprint"] == wanted.fingerprint
    assert fresh_sshd.login_attempts() == 0
    installed.ok("node", "pin", "here", "--fingerprint", wanted.fingerprint)
    assert installed.json("node", "pins", "here")[0]["public_key"] == str(wanted)
    installed.ok("node", "unpin", "here", wanted.fingerprint)
    assert installed.json("node", "pins", "here") == []


def test_only_a_fingerprint_that_was_offered_is_pinned(installed: Installation) -> None:
    installed.ok("node", "add", "web-1", "192.0.2.1")
    refused = installed.run("node", "pin", "web-1", "--fingerprint", "SHA256:" + "A" * 43)
    assert refused.exit_code == 1
    assert "scan" in refused.stderr


def test_known_hosts_pins_this_node_and_names_what_it_skips(installed: Installation, fresh_sshd: SshdServer) -> None:
    installed.ok("node", "add", "here", "127.0.0.1", "--port", str(fresh_sshd.port))
    line = f"[127.0.0.1]:{fresh_sshd.port} {fresh_sshd.host_keys()[0]}"
    pinned = installed.run(
        "node", "pin", "here", "--known-hosts", "-", stdin=f"{line}\n[127.0.0.1]:{fresh_sshd.port} ssh-rsa !\n"
    )
    assert pinned.exit_code == 0
    assert fresh_sshd.host_keys()[0].fingerprint in pinned.stdout
    assert "Skipped line 2" in pinned.stderr


def test_known_hosts_without_a_key_for_the_node_is_a_refusal(installed: Installation) -> None:
    installed.ok("node", "add", "web-1", "192.0.2.1")
    assert installed.run("node", "pin", "web-1", "--known-hosts", "-", stdin="").exit_code == 1


def test_pin_wants_exactly_one_way(installed: Installation) -> None:
    installed.ok("node", "add", "web-1", "192.0.2.1")
    assert installed.run("node", "pin", "web-1").exit_code == 2


def test_a_jump_host_is_named(installed: Installation) -> None:
    installed.ok("node", "add", "door", "192.0.2.1")
    installed.ok("node", "add", "inner", "10.0.0.5", "--jump", "door")
    assert "[node_in_use]" in installed.run("node", "delete", "door").stderr
    assert installed.run("node", "add", "other", "10.0.0.6", "--jump", "nobody").exit_code == 1


@pytest.mark.ssh
def test_a_pinned_node_is_probed_online(enrolled: Installation) -> None:
    assert "ONLINE" in enrolled.ok("node", "probe")
    assert enrolled.json("node", "show", "here")["status"] == "ONLINE"


@pytest.mark.ssh
def test_a_swapped_host_key_fails_the_probe_without_a_login(enrolled: Installation, fresh_sshd: SshdServer) -> None:
    fresh_sshd.restart_with(["ed25519"])
    probed = enrolled.run("node", "probe", "here")
    assert probed.exit_code == 1
    assert "host_key_mismatch" in probed.stdout
    assert fresh_sshd.login_attempts() == 0


@pytest.mark.ssh
def test_a_defect_is_told_with_the_command_that_mends_it_and_is_no_success(enrolled: Installation) -> None:
    root = enrolled.json("node", "show", "here")["projects_root"]
    Path(root).rmdir()
    probed = enrolled.run("node", "probe", "here")
    assert probed.exit_code == 1
    assert "root_missing" in probed.stdout
    assert f"-m 755 {root}" in probed.stdout


@pytest.mark.ssh
def test_a_root_that_was_replaced_is_accepted(enrolled: Installation) -> None:
    assert "[wrong_state]" in enrolled.run("node", "accept-root", "here").stderr
    with enrolled.within():
        nodes.note_root_marked(nodes.get_node_by_name("here").id)
    assert "root_unmarked" in enrolled.run("node", "probe", "here").stdout
    assert "is accepted as it is" in enrolled.ok("node", "accept-root", "here")
    enrolled.ok("node", "probe", "here")


@pytest.mark.ssh
def test_a_node_is_shown_without_words_of_python(enrolled: Installation) -> None:
    shown = enrolled.ok("node", "show", "here")
    assert "facts.git_version" in shown
    assert "{" not in shown


@pytest.mark.ssh
def test_a_planned_rebuild_is_announced_and_the_new_key_pinned(enrolled: Installation, fresh_sshd: SshdServer) -> None:
    assert "[invalid_value]" in enrolled.run("node", "expect-new-key", "here", "--hours", "25").stderr
    enrolled.ok("node", "expect-new-key", "here")
    enrolled.ok("node", "expect-new-key", "here", "--cancel")
    assert "[wrong_state]" in enrolled.run("node", "expect-new-key", "here", "--cancel").stderr
    assert "until" in enrolled.ok("node", "expect-new-key", "here", "--hours", "2")
    fresh_sshd.restart_with(["ed25519"])
    enrolled.ok("node", "probe", "here")
    assert enrolled.json("node", "pins", "here")[0]["public_key"] == str(fresh_sshd.host_keys()[0])
