import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Installation
from tests.support.sshd import SshdServer


def write_key(folder: Path, *options: str) -> Path:
    path = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-f", path, "-C", "", *options], check=True)
    return path


@pytest.mark.parametrize(("kind", "type_"), [("ed25519", "ssh-ed25519"), ("ecdsa", "ecdsa-sha2-nistp256")])
def test_a_generated_key_prints_its_public_half(installed: Installation, kind: str, type_: str) -> None:
    assert installed.ok("key", "add", "main", "--generate", kind).startswith(f"{type_} AAAA")


def test_an_imported_key_prints_the_public_half_that_belongs_to_it(installed: Installation, tmp_path: Path) -> None:
    path = write_key(tmp_path, "-N", "")
    shown = installed.ok("key", "add", "main", "--import", str(path))
    assert shown.split()[1] == path.with_suffix(".pub").read_text().split()[1]


def test_a_key_can_come_on_stdin(installed: Installation, tmp_path: Path) -> None:
    text = write_key(tmp_path, "-N", "").read_text()
    assert "ssh-ed25519" in installed.ok("key", "add", "main", "--import", "-", stdin=text)


def test_a_passphrase_comes_on_stdin_and_never_in_the_arguments(installed: Installation, tmp_path: Path) -> None:
    path = write_key(tmp_path, "-N", "open sesame")
    refused = installed.run("key", "add", "main", "--import", str(path))
    assert refused.exit_code == 1
    assert "passphrase" in refused.stderr
    words = ("key", "add", "main", "--import", str(path), "--passphrase-stdin")
    assert installed.run(*words, stdin="wrong\n").exit_code == 1
    assert installed.ok(*words, stdin="open sesame\n").startswith("ssh-ed25519 ")


def test_a_public_key_is_refused_with_the_reason(installed: Installation, tmp_path: Path) -> None:
    path = write_key(tmp_path, "-N", "")
    refused = installed.run("key", "add", "main", "--import", f"{path}.pub")
    assert refused.exit_code == 1
    assert "[key_unreadable]" in refused.stderr


@pytest.mark.parametrize("words", [(), ("--generate", "dsa"), ("--generate", "ed25519", "--passphrase-stdin")])
def test_wrong_words_are_usage_errors(installed: Installation, words: tuple[str, ...]) -> None:
    assert installed.run("key", "add", "main", *words).exit_code == 2


def test_list_has_the_fields_of_rest_and_no_private_half(installed: Installation) -> None:
    installed.ok("key", "add", "main", "--generate", "ed25519")
    row = installed.json("key", "list")[0]
    assert {"id", "name", "type", "fingerprint", "public_key"} <= row.keys()
    assert "PRIVATE" not in str(row)
    assert "main" in installed.ok("key", "list")


def test_a_key_in_use_is_kept(installed: Installation) -> None:
    installed.ok("key", "add", "main", "--generate", "ed25519")
    installed.ok("node", "add", "web-1", "192.0.2.1", "--key", "main")
    assert "[key_in_use]" in installed.run("key", "delete", "main").stderr
    installed.ok("node", "delete", "web-1")
    assert installed.ok("key", "delete", "main") == "Deleted the key main"


@pytest.mark.ssh
def test_a_key_is_changed_on_its_nodes_or_the_command_says_why_not(
    enrolled: Installation, fresh_sshd: SshdServer
) -> None:
    """The server of these tests reads another file than the account's own."""
    old = enrolled.json("key", "list")[0]["name"]
    enrolled.ok("key", "add", "new", "--generate", "ed25519")
    refused = enrolled.run("key", "rotate", old, "--to", "new", "--wait")
    assert (refused.exit_code, "key_line_missing" in refused.stderr) == (1, True)
    own = fresh_sshd.home / ".ssh/authorized_keys"
    own.parent.mkdir(mode=0o700)
    own.write_text(f"{fresh_sshd.keypair.public}\n")
    own.chmod(0o600)
    (fresh_sshd.folder / "authorized_keys").unlink()
    (fresh_sshd.folder / "authorized_keys").symlink_to(own)
    enrolled.ok("key", "rotate", old, "--to", "new", "--node", "here", "--wait")
    assert own.read_text() == f"{enrolled.json('key', 'list')[1]['public_key']}\n"
    assert "ONLINE" in enrolled.ok("node", "probe", "here")
    assert "[wrong_state]" in enrolled.run("key", "rotate", old, "--to", "new").stderr
