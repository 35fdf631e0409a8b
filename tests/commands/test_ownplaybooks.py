"""The program that reads a project's own playbooks, in real shells."""

import os
from pathlib import Path

import pytest

from app.commands.ownplaybooks import FILES_LIMIT, OwnFile, own_playbooks, parse_own_playbooks
from app.commands.paths import ProjectName, ProjectsRoot, RelativePath
from app.errors import PlaybookInvalid
from tests.commands.shells import Node, Result

SHOP = ProjectName("shop")
LINK = "a link is not followed; put the file itself there"
SPECIAL = "not a regular file; put a file there"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "root" / "shop" / ".bareboat"
    made.mkdir(parents=True)
    return made


def read(node: Node, folder: Path, file: str | None = None, file_bytes: int = 100) -> Result:
    root, name = ProjectsRoot(str(folder.parent.parent)), RelativePath(file) if file else None
    return node.run(own_playbooks(root, SHOP, name, file_bytes=file_bytes))


def files(result: Result) -> tuple[OwnFile, ...]:
    assert (result.reason, result.status, result.words) == ("exit", 0, ""), result
    return parse_own_playbooks(result.stdout)


def test_files_come_whole_and_what_is_none_with_a_word(node: Node, folder: Path) -> None:
    (folder / "a.yml").write_bytes("ä: 'ü'\n\n".encode())
    (folder / "b.yml").symlink_to("/etc/passwd")
    (folder / "c.yml").mkdir()
    os.mkfifo(folder / "d.yml")
    (folder / "e.yml").symlink_to("nowhere")
    (folder / "f.txt").touch()
    (folder / "-g\n h.yml").write_bytes(b"x\0y")
    found = {file.name: file for file in files(read(node, folder))}
    assert found == {
        "-g\n h.yml": OwnFile("-g\n h.yml", b"x\1y"),
        "a.yml": OwnFile("a.yml", "ä: 'ü'\n\n".encode()),
        "b.yml": OwnFile("b.yml", problem=LINK),
        "c.yml": OwnFile("c.yml", problem=SPECIAL),
        "d.yml": OwnFile("d.yml", problem=SPECIAL),
        "e.yml": OwnFile("e.yml", problem=LINK),
    }


def test_one_is_asked_for_by_name(node: Node, folder: Path) -> None:
    assert files(read(node, folder, "a.yml")) == ()
    assert files(read(node, folder)) == ()
    (folder / "a.yml").write_text("x" * 101)
    (folder / "b.yml").touch()
    assert files(read(node, folder, "a.yml")) == (OwnFile("a.yml", b"x" * 100),)


def test_a_folder_that_is_a_link_is_not_entered(node: Node, folder: Path, tmp_path: Path) -> None:
    folder.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "a.yml").touch()
    assert read(node, folder).reason == "folder_missing"
    folder.symlink_to(tmp_path / "elsewhere")
    assert (read(node, folder).reason, read(node, folder).stdout.count(b"a.yml")) == ("path_escape", 0)


def test_too_many_and_too_much_are_refused(node: Node, folder: Path) -> None:
    for number in range(FILES_LIMIT + 5):
        (folder / f"{number}.yml").touch()
    with pytest.raises(PlaybookInvalid, match=f"more than {FILES_LIMIT} playbooks"):
        files(read(node, folder))
    for number in range(20):
        (folder / f"{number}.yml").write_bytes(b"x" * 65536)
    with pytest.raises(PlaybookInvalid, match="at most 256 KiB"):
        files(read(node, folder, file_bytes=65537))
