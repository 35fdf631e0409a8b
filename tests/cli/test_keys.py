import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Installation


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
