"""authorized_keys.sh under three shells, with files as people, tools and attackers leave them."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.commands import authorized_keys as commands
from app.commands.base import Command
from tests.commands.acts import code
from tests.commands.shells import Node, Result

OLD = "ssh-ed25519 AAAAC3NzaOLD fleet"
NEW = "ssh-ed25519 AAAAC3NzaNEW fleet 2"
OTHER = b"ssh-rsa AAAAB3other somebody@else\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home/.ssh").mkdir(parents=True, mode=0o700)
    (tmp_path / "home").chmod(0o755)
    return tmp_path / "home"


@pytest.fixture
def file(home: Path) -> Path:
    path = home / ".ssh/authorized_keys"
    path.write_bytes(OLD.encode() + b"\n")
    path.chmod(0o640)
    return path


def run(node: Node, home: Path, command: Command) -> Result:
    return node.run(replace(command, environment={"HOME": str(home)}))


def said(node: Node, home: Path, command: Command) -> str:
    result = run(node, home, command)
    assert (result.reason, result.status) == ("exit", 0), result.words
    return result.stdout.decode().strip()


def test_a_change_is_noted_where_acts_are(node: Node, home: Path, file: Path, tmp_path: Path) -> None:
    noted = commands.Noted(str(tmp_path / "projects"), "TIME job-1 node.rotate_key - ann")
    assert said(node, home, commands.add(NEW, OLD, "job-1", noted)) == "added"
    (tmp_path / "projects/.bareboat").mkdir(parents=True, mode=0o700)
    assert said(node, home, commands.add(NEW, OLD, "job-1", noted)) == "present"
    assert said(node, home, commands.remove(NEW, "job-1", noted)) == "removed"
    log = tmp_path / "projects/.bareboat/acts.log"
    assert log.read_text() == "TIME job-1 node.rotate_key - ann removed\n"
    assert (log.stat().st_mode & 0o777, (home / ".bareboat").exists()) == (0o600, False)


ODD_FILES = {
    "no final newline": OTHER + OLD.encode(),
    "in the middle": b"# comment\n\n" + OTHER + OLD.encode() + b"\n  \n" + OTHER,
    "bytes of no encoding": b"# \x81\xff\xc3\x81\r\n" + OLD.encode() + b"\r\n\x01\x7f\\n %s $(reboot) `x`\n",
    "keys that look alike": b"ssh-ed25519 AAAAC3NzaOLDx a\nssh-ed25519 xAAAAC3NzaOLD b\n" + OLD.encode() + b"\n",
}


@pytest.mark.parametrize("content", ODD_FILES.values(), ids=ODD_FILES)
def test_added_and_taken_back_the_file_is_as_it_was(node: Node, home: Path, file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert said(node, home, commands.add(NEW, OLD, "job-1")) == "added"
    assert file.read_bytes() == content.replace(OLD.encode(), f"{NEW}\n{OLD}".encode())
    assert said(node, home, commands.add(NEW, OLD, "job-1")) == "present"
    assert said(node, home, commands.look(NEW, "job-1")) == "present"
    assert said(node, home, commands.remove(NEW, "job-1")) == "removed"
    assert file.read_bytes() == content
    assert said(node, home, commands.remove(NEW, "job-1")) == "absent"
    assert (file.stat().st_mode & 0o777, [path.name for path in file.parent.iterdir()]) == (0o640, [file.name])


def test_the_old_line_goes_and_nothing_else(node: Node, home: Path, file: Path) -> None:
    options = b'from="10.0.0.0/8",command="echo \\"ssh-ed25519 AAAAC3NzaOLD\\" # x" '
    about_it = b'command="ssh-ed25519 AAAAC3NzaOLD" ssh-rsa AAAAB3mine a\n# ' + OLD.encode() + b"\nrestrict " + OTHER
    file.write_bytes(about_it + options + OLD.encode() + b"\n\t" + OLD.encode() + b"\n" + OTHER)
    assert said(node, home, commands.add(NEW, OLD, "job-1")) == "added"
    assert said(node, home, commands.remove(OLD, "job-1")) == "removed"
    assert file.read_bytes() == about_it + options + NEW.encode() + b"\n" + OTHER


def test_a_file_that_is_read_only_stays_so(node: Node, home: Path, file: Path) -> None:
    file.chmod(0o400)
    assert said(node, home, commands.add(NEW, OLD, "job-1")) == "added"
    assert file.stat().st_mode & 0o777 == 0o400


def test_what_a_killed_try_has_left_is_in_nobodys_way(node: Node, home: Path, file: Path) -> None:
    (file.parent / ".authorized_keys.job-1").write_text("half")
    assert said(node, home, commands.add(NEW, OLD, "job-1")) == "added"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def linked(file: Path) -> None:
    file.rename(file.with_name("real"))
    file.symlink_to("real")


def folder_linked(file: Path) -> None:
    file.parent.rename(file.parent.with_name("real"))
    file.parent.symlink_to("real")


UNSAFE = {
    "a link": linked,
    "a link to the folder": folder_linked,
    "a second name": lambda file: file.with_name("same").hardlink_to(file),
    "the file, for the group": lambda file: file.chmod(0o660),
    "the folder, for others": lambda file: file.parent.chmod(0o702),
    "the home, for the group": lambda file: file.parent.parent.chmod(0o775),
    "NUL": lambda file: file.write_bytes(OLD.encode() + b"\n\0\n"),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "odd options": lambda file: file.write_bytes(b'environment="A=\xff" ' + OLD.encode()),
    "too large": lambda file: file.write_bytes(OLD.encode() + b"\n" + b"#" * 1_048_577),
}


@pytest.mark.parametrize("spoil", UNSAFE.values(), ids=UNSAFE)
def test_what_is_not_the_accounts_plain_own_file_is_refused_untouched(
    dash: Node, home: Path, file: Path, spoil: object
) -> None:
    spoil(file)  # type: ignore[operator]
    before = file.read_bytes() if file.is_file() else None
    assert code(run(dash, home, commands.add(NEW, OLD, "job-1"))) == "keys_unsafe"
    assert (file.read_bytes() if file.is_file() else None) == before


@pytest.mark.parametrize("content", [OTHER, b"", b"# " + OLD.encode(), None])
def test_where_the_key_in_use_is_not_in_the_file_nothing_is_added(
    node: Node, home: Path, file: Path, content: bytes | None
) -> None:
    file.unlink() if content is None else file.write_bytes(content)
    assert code(run(node, home, commands.add(NEW, OLD, "job-1"))) == "key_line_missing"
    assert (file.read_bytes() if file.exists() else None) == content
