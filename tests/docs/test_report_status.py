"""The shipped snippet, run for real: as a git hook, by curl and by wget, against a server, the token in no argument."""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.serving import make_server

from app.config import CHECKOUT
from app.services import nodes, projects
from app.services.events import SYSTEM
from tests.support.forge import commit, git

SNIPPET = CHECKOUT / "docs" / "snippets" / "report-status.sh"
CLIENTS = [name for name in ("curl", "wget") if shutil.which(name)]
SHELLS = [words for words in ("dash", "bash", "busybox sh") if shutil.which(words.split()[0])]


@dataclass(frozen=True)
class Site:
    app: Flask
    url: str
    project_id: int
    token: str
    home: Path
    tree: Path

    def report(self, *words: str, client: str = "curl", shell: str = "sh") -> "subprocess.CompletedProcess[str]":
        argv = [*shell.split(), str(SNIPPET), *words]
        return subprocess.run(
            argv, cwd=self.tree, env=self.environment(client), capture_output=True, text=True, timeout=60
        )

    def environment(self, client: str) -> dict[str, str]:
        """Only this client is found; what it is told is noted on its way to the real one."""
        programs = self.home / f"only-{client}"
        if not programs.exists():
            programs.mkdir()
            for name in ("git", "sed", "head", "tail", "tr", "cut", "mktemp", "rm", "grep", "cat", "sh"):
                (programs / name).symlink_to(shutil.which(name) or name)
            noting = f'#!/bin/sh\necho "$@" >> {self.home}/argv\nexec {shutil.which(client)} "$@"\n'
            (programs / client).write_text(noting)
            (programs / client).chmod(0o755)
        return {"PATH": str(programs), "HOME": str(self.home), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}

    def standing(self) -> tuple[str, str | None]:
        with self.app.app_context():
            project = projects.get_project(self.project_id)
            return project.status.value, project.error_message


@pytest.fixture
def site(app: Flask, make_node: Callable[..., int], make_project: Callable[..., int], tmp_path: Path) -> Iterator[Site]:
    node_id = make_node()
    project_id = make_project(node_id)
    with app.app_context():
        token = nodes.renew_token(node_id, SYSTEM).reveal()
    tree = tmp_path / "shop"
    git("init", "-q", "-b", "main", str(tree), cwd=tmp_path)
    commit(tree, "README", "hello\n", "first")
    (tree / ".git" / "bareboat-project").write_text(f"{project_id}\n")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    url = f"http://127.0.0.1:{server.port}"
    settings = tmp_path / ".bareboat-report"
    settings.write_text(f"url={url}/\ntoken={token}\n")
    settings.chmod(0o600)
    yield Site(app, url, project_id, token, tmp_path, tree)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("client", CLIENTS)
def test_it_reports_and_the_token_is_in_no_argument(site: Site, client: str) -> None:
    done = site.report("ERROR", 'a "quoted"\n\\ line: ü $(reboot)', client=client)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    assert site.standing() == ("ERROR", 'a "quoted" \\ line: ?? $(reboot)')
    assert site.report("ACTIVE", client=client).returncode == 0
    assert site.standing() == ("ACTIVE", None)
    said = (site.home / "argv").read_text()
    assert "/status" in said
    assert site.token not in said


@pytest.mark.parametrize("shell", SHELLS)
def test_it_runs_under_every_shell(site: Site, shell: str) -> None:
    assert (
        site.report(
            "ERROR", "x" * 5000, shell=str(shutil.which(shell.split()[0])) + shell[len(shell.split()[0]) :]
        ).returncode
        == 0
    )
    assert site.standing() == ("ERROR", "x" * 1900)


def test_as_a_git_hook_it_reports_what_the_check_says(site: Site) -> None:
    hook = site.tree / ".git" / "hooks" / "post-commit"
    hook.parent.mkdir(exist_ok=True)
    shutil.copy(SNIPPET, hook)
    hook.chmod(0o755)
    check = site.tree / ".git" / "bareboat-check"
    check.write_text("#!/bin/sh\necho building\necho the build broke >&2\nexit 3\n")
    check.chmod(0o755)
    commit_by_hand(site)
    assert site.standing() == ("ERROR", "the build broke")
    check.write_text("#!/bin/sh\nexit 0\n")
    commit_by_hand(site)
    assert site.standing() == ("ACTIVE", None)


def commit_by_hand(site: Site) -> None:
    who = {f"GIT_{who}_{what}": "dev@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(
        ["git", "commit", "-q", "--allow-empty", "-m", "more"],
        cwd=site.tree,
        env=site.environment("curl") | who,
        check=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("words", "why"),
    [(("DELETING",), "say ACTIVE or ERROR"), ((), "say ACTIVE or ERROR"), (("ACTIVE; reboot",), "say")],
)
def test_what_is_no_status_is_refused_before_anything_is_sent(site: Site, words: tuple[str, ...], why: str) -> None:
    done = site.report(*words)
    assert done.returncode == 1
    assert why in done.stderr
    assert not (site.home / "argv").exists()


def test_an_old_token_or_a_missing_id_is_said(site: Site) -> None:
    with site.app.app_context():
        nodes.renew_token(1, SYSTEM)
    refused = site.report("ACTIVE")
    assert refused.returncode == 1
    assert "did not take it" in refused.stderr
    assert site.token not in refused.stderr + refused.stdout
    os.unlink(site.tree / ".git" / "bareboat-project")
    assert "bareboat-project" in site.report("ACTIVE").stderr


def test_nothing_is_left_behind(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    subprocess.run(
        ["sh", str(SNIPPET), "ACTIVE"],
        cwd=site.tree,
        env=site.environment("curl") | {"TMPDIR": str(folder)},
        check=True,
        timeout=60,
    )
    assert list(folder.iterdir()) == []
