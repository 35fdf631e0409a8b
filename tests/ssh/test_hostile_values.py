"""Any text, at every entrance that a value has to a node: refused, or harmless on a real one.

A canary lies outside the projects root. Sessions of this node have no network, so that addresses that are taken can be
given to a real git, whoever they name.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.commands import argv, git
from app.commands.base import Command, Place
from app.commands.giturl import GitUrl
from app.commands.paths import ProjectName, ProjectsRoot, RelativePath
from app.commands.refs import GitRef
from app.errors import BareboatError
from app.ssh.pool import ConnectionPool
from app.ssh.target import Target
from app.ssh.watch import Result
from tests.support.attacks import SECRET, Canary, make_canary
from tests.support.forge import commit
from tests.support.forge import git as own_git
from tests.support.sshd import KeyPair, SshdServer

pytestmark = [pytest.mark.ssh, pytest.mark.skipif(os.geteuid() != 0, reason="takes the network away, as root may")]

SCHEMES = ("https", "http", "git", "ssh")
NAME = ProjectName("shop")
ORIGIN = GitUrl.parse("https://git.example.invalid/shop.git")
# RUN leaves a trace where a shell sees it; CANARY is a path outside.
PIECES = [
    *("..", "/", "../", ".git", ".GIT", ".", "~", "-", "--", "--upload-pack=RUN", "-oProxyCommand=RUN", "-c", "HEAD"),
    *("$(RUN)", "`RUN`", ";RUN;", "|RUN", "&RUN", "\nRUN\n", "'", '"', "\\", "${IFS}", "$HOME", "*", "!", "#", "="),
    *("\0", "\r", "\n", "\x1b[2J", "\x7f", "\u202e", "\u2028", "\ud800", "\ufeff", " ", "%00", "%2e%2e", "{{7*7}}"),
    *("ext::sh -c RUN", "file://", "https://", "ssh://", "git://", "git@", "@", ":", "h", "h:", "127.0.0.1", "[::1]"),
    *(
        "CANARY",
        "CANARY/secret",
        "out",
        "out/secret",
        "inner",
        "secret",
        "x",
        "refs/",
        "@{",
        "^",
        "~1",
        "main",
        ".lock",
    ),
]
# Without blanks: what a grammar may take, and a shell would still run.
TAKEN = [
    "a",
    "$(touch$IFSCANARY/ran)",
    "`touch$IFSCANARY/ran`",
    ";touch$IFSCANARY/ran;",
    "'",
    "&",
    "--upload-pack=x",
    "$HOME",
    "!",
]
PATHS = st.lists(st.sampled_from(TAKEN), min_size=1, max_size=3).map("".join)
ADDRESSES = st.builds(
    "{}{}/{}".format,
    st.sampled_from(["https://", "http://", "git://", "ssh://", "ssh://git@", "git@", ""]),
    st.sampled_from(["h.example", "127.0.0.1:1", "[::1]", "h:22", "h:", "h.example:a"]),
    PATHS,
)
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=6).map("".join)
steady = settings(max_examples=50, derandomize=True, deadline=None, database=None)


@dataclass
class Site:
    """A node with a project `shop`, from which links lead out."""

    pool: ConnectionPool
    target: Target
    root: Path
    canary: Canary
    before: dict[str, tuple[int, str]] = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.canary.state()
        self.tree_before = self.paths()

    @property
    def home(self) -> str:
        return f"{self.root}/shop"

    @property
    def projects_root(self) -> ProjectsRoot:
        return ProjectsRoot(str(self.root))

    def meant(self, text: str) -> str:
        return text.replace("RUN", self.canary.run).replace("CANARY", str(self.canary.folder))

    def run(self, command: Command) -> Result:
        """Nothing outside was read, changed or run by it, and nothing new stays in the root."""
        result = self.pool.run(self.target, command)
        assert self.canary.state() == self.before
        assert SECRET not in result.stdout + result.stderr
        assert self.paths() == self.tree_before
        return result

    def paths(self) -> set[str]:
        """Of the root, without git's own files and our own, empty folders."""
        found = {str(path.relative_to(self.root)) for path in self.root.rglob("*")}
        return {path for path in found if ".git/" not in path} - {".bareboat", ".bareboat/tmp", ".bareboat/trash"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, ssh_keypair: KeyPair) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("hostile")
    canary = make_canary(folder / "canary")
    root = folder / "projects"
    (root / "shop/inner").mkdir(parents=True, mode=0o755)
    own_git("init", "-q", "-b", "main", ".", cwd=root / "shop")
    own_git("config", "remote.origin.url", ORIGIN.text, cwd=root / "shop")
    commit(root / "shop", "x", "x\n")
    (root / "shop/out").symlink_to(canary.folder)
    (root / "shop/secret").symlink_to(canary.folder / "secret")
    server = SshdServer(folder / "sshd", ssh_keypair, extra=("ForceCommand exec unshare -n /bin/sh -s",))
    with server, ConnectionPool() as pool:
        yield Site(pool, server.target(), root, canary)


def command_or_refusal(site: Site, values: dict[str, Any]) -> argv.UserCommand | BareboatError:
    try:
        return argv.user_command(values, site.home, argv.Rules())
    except BareboatError as refusal:
        return refusal


@steady
@given(words=st.lists(TEXTS, min_size=1, max_size=4))
@example(words=["CANARY/secret"])
@example(words=["--file=CANARY/secret"])
@example(words=["$(RUN)", "`RUN`", ";RUN", "\nRUN\n", "'\\''RUN"])
def test_words_of_a_command_arrive_as_they_are_or_are_refused(site: Site, words: list[str]) -> None:
    meant = [site.meant(word) for word in words]
    asked = command_or_refusal(site, {"argv": ["printf", r"%s\0", *meant]})
    if isinstance(asked, BareboatError):
        assert set(asked.errors) == {"argv"}
        return
    result = site.run(argv.run(site.projects_root, NAME, asked, "job-1"))
    if not argv.is_refusal(result.exit_status, result.stdout, "job-1"):
        assert result.stdout == "".join(f"{word}\0" for word in meant).encode()


@steady
@given(program=TEXTS)
@example(program="out/hooks/keep")
@example(program="CANARY/secret")
def test_a_program_is_one_inside_or_by_name_or_is_refused(site: Site, program: str) -> None:
    asked = command_or_refusal(site, {"argv": [site.meant(program)]})
    if isinstance(asked, BareboatError):
        assert set(asked.errors) == {"argv"}
        return
    site.run(argv.run(site.projects_root, NAME, asked, "job-1"))


@steady
@given(folder=TEXTS | PATHS)
@example(folder="out")
@example(folder="out/hooks")
@example(folder="secret")
def test_a_folder_is_inside_or_is_refused(site: Site, folder: str) -> None:
    try:
        path = RelativePath(site.meant(folder))
    except BareboatError:
        return
    result = site.run(Command("env pwd -P && ls -A", place=Place(str(site.root), NAME, path)))
    assert result.reason in ("folder_missing", "path_escape") or result.stdout.startswith(f"{site.home}/".encode())


@steady
@given(name=TEXTS | st.text("aZ0._-", min_size=1, max_size=8))
def test_a_project_s_name_leads_to_no_other_folder(site: Site, name: str) -> None:
    try:
        project = ProjectName(site.meant(name))
    except BareboatError:
        return
    result = site.run(git.delete(site.projects_root, project, force=True, trash_key="job-1"))
    assert result.stdout == b"missing\n"


@steady
@given(ref=TEXTS | PATHS)
@example(ref="x;RUN")
@example(ref="$(RUN)")
@example(ref="main")
def test_a_ref_is_a_ref_or_is_refused(site: Site, ref: str) -> None:
    try:
        taken = GitRef(site.meant(ref))
    except BareboatError:
        return
    result = site.run(git.checkout(site.projects_root, NAME, taken, url=ORIGIN))
    assert result.exit_status in (0, 82)


@steady
@given(text=ADDRESSES | TEXTS)
@example(text="https://h.example/$(touch$IFSCANARY/ran)")
@example(text="git@h.example:a;touch$IFSCANARY/ran")
@example(text="ssh://h.example/'`touch$IFSCANARY/ran`")
def test_an_address_is_an_address_or_is_refused(site: Site, text: str) -> None:
    try:
        url = GitUrl.parse(site.meant(text))
    except BareboatError:
        return
    clone = git.clone(site.projects_root, ProjectName("new"), url, job_key="job-1", allowed_schemes=SCHEMES)
    assert site.run(clone).exit_status not in (0, None)


@steady
@given(
    variables=st.dictionaries(TEXTS | st.sampled_from(["A", "B_1", "PATH", "LD_PRELOAD", "GIT_DIR"]), TEXTS, max_size=3)
)
def test_variables_arrive_as_they_are_or_are_refused(site: Site, variables: dict[str, str]) -> None:
    meant = {name: site.meant(value) for name, value in variables.items()}
    asked = command_or_refusal(site, {"argv": ["env", "-0"], "env": meant})
    if isinstance(asked, BareboatError):
        assert set(asked.errors) == {"env"}
        return
    seen = site.run(argv.run(site.projects_root, NAME, asked, "job-1")).stdout.decode().split("\0")
    assert [name for name, value in meant.items() if f"{name}={value}" not in seen] == []
