from pathlib import Path

import pytest

from tests.cli.conftest import Installation
from tests.cli.test_keys import write_key

TOKEN = "tok3n-of-the-shop"
ADD = ("credential", "add", "shop", "--host", "git.example.com")


def test_a_token_comes_on_stdin_and_is_never_shown(installed: Installation) -> None:
    shown = installed.ok(*ADD, "--username", "bot", "--token-stdin", stdin=f"{TOKEN}\n")
    shown += installed.ok("credential", "list")
    assert "git.example.com" in shown
    assert TOKEN not in shown


def test_a_token_or_a_key_comes_from_a_file(installed: Installation, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    installed.ok(*ADD, "--username", "bot", "--token-file", str(tmp_path / "token"))
    key = write_key(tmp_path, "-N", "open sesame")
    words = ("credential", "add", "key", "--host", "git.example.com", "--key-file", str(key), "--passphrase-stdin")
    assert installed.ok(*words, stdin="open sesame\n").startswith("ssh-ed25519 ")
    installed.ok("credential", "delete", "shop")
    assert [row["kind"] for row in installed.json("credential", "list")] == ["ssh"]


@pytest.mark.parametrize("words", [(), ("--token-stdin", "--key-file", "-"), ("--token-stdin", "--passphrase-stdin")])
def test_wrong_words_are_usage_errors(installed: Installation, words: tuple[str, ...]) -> None:
    assert installed.run(*ADD, *words).exit_code == 2


def test_a_git_server_is_added_pinned_listed_and_forgotten(installed: Installation, tmp_path: Path) -> None:
    assert "with 2 pinned" in installed.ok("git-host", "add", "gitlab.com")
    public = write_key(tmp_path, "-N", "").with_suffix(".pub").read_text().strip()
    pinned = installed.ok("git-host", "pin", "gitlab.com", "--public-key", public).split()[-1]
    assert pinned in installed.ok("git-host", "list")
    installed.ok("git-host", "delete", "gitlab.com")
