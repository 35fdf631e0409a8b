import json
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Installation
from tests.support.controller_process import wait_until
from tests.support.forge import Forge, git

pytestmark = pytest.mark.ssh


@pytest.fixture
def cloned(enrolled: Installation, forge: Forge) -> Installation:
    enrolled.ok("project", "clone", "app", forge.url, "--node", "here", "--wait")
    return enrolled


def tree_of(installation: Installation) -> Path:
    return Path(installation.json("project", "list")[0]["path"])


def test_the_output_and_the_exit_status_are_the_command_s_own(cloned: Installation) -> None:
    (tree_of(cloned) / "sub").mkdir()
    script = 'printf "%s\\377|" "$A" "$@"; pwd >&2; exit 3'
    words = ("--cwd", "sub", "--env", "A=$(x)=y", "--", "sh", "-c", script, "sh", "--cwd", "-x", "")
    done = cloned.run("project", "run", "app", *words)
    assert done.exit_code == 3
    parts = [b"$(x)=y", b"--cwd", b"-x", b""]
    assert done.stdout_bytes == b"".join(part + b"\xff|" for part in parts) + f"{tree_of(cloned)}/sub\n".encode()
    assert cloned.run("project", "run", "app", "--", "true").exit_code == 0
    assert cloned.json("job", "show", "2")["exit_status"] == 3


def test_what_did_not_run_to_its_end_has_a_status_of_its_own(cloned: Installation) -> None:
    late = cloned.run("project", "run", "app", "--timeout", "1", "--", "sleep", "60")
    assert (late.exit_code, "[timed_out]" in late.stderr) == (124, True)
    (tree_of(cloned) / "out").symlink_to("/")
    out = cloned.run("project", "run", "app", "--cwd", "out", "--", "true")
    assert (out.exit_code, "[path_escape]" in out.stderr) == (125, True)
    refused = cloned.run("project", "run", "app", "--", "cat", "/etc/passwd")
    assert (refused.exit_code, "argv: " in refused.stderr) == (1, True)
    refused = cloned.run("project", "run", "app", "--env", "A", "--", "true")
    assert (refused.exit_code, "NAME=VALUE" in refused.stderr) == (1, True)


def test_a_preview_says_what_would_run_and_runs_nothing(cloned: Installation) -> None:
    head = git("rev-parse", "HEAD", cwd=tree_of(cloned))
    shown = cloned.ok("project", "run", "app", "--preview", "--env", "A=b c", "--", "touch", "a\nb")
    for words in (r"word 2   'a\nb'", "env A    'b c'", str(tree_of(cloned)), head, "3600 s"):
        assert words in shown
    assert len(cloned.json("job", "list")) == 1
    moved = cloned.run("project", "run", "app", "--commit", "0" * 40, "--", "touch", "x")
    assert (moved.exit_code, "[commit_moved]" in moved.stderr) == (125, True)
    assert git("status", "--porcelain", cwd=tree_of(cloned)) == ""


def test_ctrl_c_ends_the_command_on_the_node(cloned: Installation) -> None:
    tree = tree_of(cloned)
    words = ["flask", "--app", "wsgi", "project", "run", "app", "--", "sh", "-c", "echo on; : >up; exec sleep 600"]
    command = cloned.start(words)
    wait_until((tree / "up").exists)
    command.send_signal(signal.SIGINT)
    stdout, stderr = command.communicate(timeout=60)
    assert (command.returncode, stdout) == (130, "on\n")
    assert "[cancelled]" in stderr
    assert json.loads(cloned.ok("job", "show", "2", "--json"))["state"] == "CANCELLED"
