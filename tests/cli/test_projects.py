import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.config import CHECKOUT
from app.db import release
from app.models import JobState
from app.services import jobs
from tests.cli.conftest import Installation, end
from tests.support.fakes import FakeServer, silence
from tests.support.forge import Forge, commit, git
from tests.support.sshd import SshdServer

pytestmark = pytest.mark.ssh


def root_of(installation: Installation) -> Path:
    return Path(installation.json("node", "list")[0]["projects_root"])


def test_a_project_is_cloned_pulled_checked_out_and_deleted(enrolled: Installation, forge: Forge) -> None:
    cloned = enrolled.run("project", "clone", "app", forge.url, "--node", "here", "--wait")
    assert (cloned.exit_code, cloned.stdout) == (0, "project.clone app on here: done (job 1)\n")
    assert cloned.stderr
    tree = root_of(enrolled) / "app"
    assert (tree / "README").read_text() == "hello\n"
    assert enrolled.json("project", "list")[0]["status"] == "ACTIVE"

    sha = forge.push()
    enrolled.ok("project", "pull", "app")
    status = enrolled.json("project", "status", "app")
    assert (status["head"]["sha"], status["dirty"]) == (sha, False)

    enrolled.ok("project", "checkout", "app", "feature")
    assert (tree / "feature").exists()
    shown = enrolled.ok("project", "status", "app", "--node", "here")
    assert "feature" in shown
    assert "clean" in shown

    enrolled.ok("project", "delete", "app")
    assert not tree.exists()
    assert enrolled.json("project", "list") == []


def test_a_command_that_waits_leaves_nothing_on_the_node_and_warns_of_nothing(
    enrolled: Installation, forge: Forge
) -> None:
    environment = enrolled.environment({})
    words = ["project", "clone", "app", forge.url, "--node", "here", "--wait"]
    argv = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
    done = subprocess.run(argv, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert "remains" not in done.stderr
    assert list((root_of(enrolled) / ".bareboat" / "jobs").iterdir()) == []


def test_a_clone_without_wait_is_left_in_the_queue(enrolled: Installation, forge: Forge) -> None:
    assert "job show 1" in enrolled.ok("project", "clone", "app", forge.url, "--node", "here")
    assert enrolled.json("job", "show", "1")["state"] == "QUEUED"
    assert enrolled.ok("job", "cancel", "1") == "Job 1 is cancelled"


def test_a_failed_clone_ends_with_status_1_its_code_and_the_end_of_the_log(
    enrolled: Installation, forge: Forge
) -> None:
    failed = enrolled.run(
        "project", "clone", "app", forge.url.replace("app.git", "nothing.git"), "--node", "here", "--wait"
    )
    assert failed.exit_code == 1
    assert "[git_not_found]" in failed.stderr
    assert "project.clone app on node here" in failed.stderr
    assert list(root_of(enrolled).glob("[!.]*")) == []


def test_a_refusal_is_one_line_with_its_code(enrolled: Installation, forge: Forge) -> None:
    refused = enrolled.run("project", "clone", "../x", forge.url, "--node", "here", "--wait")
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith("Error: ")
    assert "  name: " in refused.stderr


def test_work_that_exists_only_there_is_deleted_with_force_alone(enrolled: Installation, forge: Forge) -> None:
    enrolled.ok("project", "clone", "app", forge.url, "--node", "here", "--wait")
    commit(root_of(enrolled) / "app", "mine", "x\n")
    refused = enrolled.run("project", "delete", "app")
    assert refused.exit_code == 1
    assert "[work_unpushed]" in refused.stderr
    enrolled.ok("project", "delete", "app", "--force")


def test_a_diverged_pull_is_refused_and_reset_keeps_what_was_there(enrolled: Installation, forge: Forge) -> None:
    enrolled.ok("project", "clone", "app", forge.url, "--node", "here", "--wait")
    tree = root_of(enrolled) / "app"
    mine = commit(tree, "mine", "x\n")
    sha = forge.push()
    told = enrolled.run("project", "pull", "app").stderr
    assert "[not_fast_forward]" in told
    assert f"  only on the node (1):\n    {mine[:12]}  change\n  only upstream (1):\n    {sha[:12]}  more" in told
    job_id = str(enrolled.json("job", "list")[0]["id"])
    assert enrolled.json("job", "show", job_id)["error"]["details"]["commits_here"][0]["sha"] == mine
    assert f"only on the node (1):\n    {mine[:12]}" in enrolled.ok("job", "show", job_id)
    enrolled.ok("project", "pull", "app", "--strategy", "reset")
    assert git("rev-parse", "HEAD", cwd=tree) == sha
    assert mine in git("for-each-ref", "--format=%(objectname)", "refs/bareboat", cwd=tree)


def test_ctrl_c_stops_the_job_and_waits_for_the_proof(enrolled: Installation, fresh_sshd: SshdServer) -> None:
    with FakeServer(silence) as server:
        url = f"git://127.0.0.1:{server.port}/app.git"
        words = ["flask", "--app", "wsgi", "project", "clone", "app", url, "--node", "here", "--wait"]
        command = enrolled.start(words)
        _await_words(command)
        _await_running(enrolled)
        command.send_signal(signal.SIGINT)
        _, stderr = command.communicate(timeout=60)
    assert command.returncode == 1
    assert "Stopping" in stderr
    assert "CANCELLED" in stderr
    assert enrolled.json("job", "show", "1")["state"] == "CANCELLED"
    assert list(root_of(enrolled).glob("[!.]*")) == []


def test_a_job_that_another_process_runs_is_followed_to_its_end(enrolled: Installation) -> None:
    with FakeServer(silence) as server:
        url = f"git://127.0.0.1:{server.port}/app.git"
        words = ["flask", "--app", "wsgi", "project", "clone", "app", url, "--node", "here", "--wait"]
        runs = enrolled.start(words)
        _await_words(runs)
        _await_running(enrolled)
        follows = enrolled.start(words)
        _await_words(follows)
        runs.send_signal(signal.SIGINT)
        runs.communicate(timeout=60)
        _, stderr = follows.communicate(timeout=60)
    assert follows.returncode == 1
    assert "job 1 CANCELLED" in stderr


def _await_running(installation: Installation) -> None:
    app = installation.app()
    with app.app_context():
        until = time.monotonic() + 120
        while jobs.get_job(1).state is not JobState.RUNNING:
            release()
            assert time.monotonic() < until
            time.sleep(0.05)  # another process moves the row
    end(app)


def _await_words(command: "subprocess.Popen[str]") -> None:
    """Its first words of progress: it has begun to wait."""
    assert command.stderr is not None
    assert command.stderr.readline()
