"""The playbooks of code-server on a real sshd. It is a stand-in that is installed and started here; the real one is
installed only when CODE_SERVER_FOR_REAL says how: `registry` or `internet` (minutes, and 700 MB)."""

import json
import os
import shutil
import signal
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.commands.base import NODE_PATH
from app.models import Job, JobState
from app.services import jobs, playbook_runs, runs
from app.services.events import SYSTEM
from tests.support.code_server import PROGRAM, Shop, leave_program
from tests.support.live import Live
from tests.support.ports import free_port
from tests.support.processes import survivors_with
from tests.support.sshd import KeyPair, SshdServer

pytestmark = pytest.mark.ssh

FOR_REAL = os.environ.get("CODE_SERVER_FOR_REAL")
INSTALLED = {"Fetch the archive", "Unpack it", "Install it with npm", "Put it in its place"}
SERVICE = '#!/bin/sh\necho "$0" "$@" >>"$HOME/said"\n'
RUN = (
    SERVICE
    + 'while [ "$1" != -- ]; do shift; done\nshift\nsetsid "$@" </dev/null >/dev/null 2>&1 &\necho $! >"$HOME/pid"\n'
)


@pytest.fixture
def home(fresh_sshd: SshdServer) -> Iterator[Path]:
    """The account's; what was started there is ended."""
    yield fresh_sshd.home
    file = fresh_sshd.home / ".bareboat/code-server/running"
    if file.exists():
        with suppress(ProcessLookupError):
            os.killpg(int(file.read_text().split()[0]), signal.SIGKILL)
    assert survivors_with(f"{fresh_sshd.home}/.bareboat/code-server/program") == []


@pytest.fixture
def node_id(live: Live, home: Path, fresh_sshd: SshdServer, ssh_keypair: KeyPair) -> int:
    node_id = live.add_node(fresh_sshd, ssh_keypair)
    assert live.probe(node_id).ok
    return node_id


@pytest.fixture
def run(live: Live, node_id: int) -> Callable[..., Job]:
    def begin(name: str = "code-server", **inputs: object) -> Job:
        begun = playbook_runs.begin(name, {"node_ids": [node_id], "inputs": inputs}, SYSTEM)
        return live.finish(jobs.get_job(runs.jobs_under_way(begun.id)[0]))

    return begin


def archive(shop: Shop, **changes: object) -> dict[str, object]:
    return {"source": "archive", "archive_url": shop.archive_url, "archive_sha256": shop.sha256} | changes


def address() -> str:
    return f"127.0.0.1:{free_port()}"


def changed(job: Job) -> set[str]:
    return {step["name"] for step in (job.result or {})["steps"] if step["outcome"] == "changed"}


def asked(place: str, path: str = "/") -> dict[str, object]:
    with urllib.request.urlopen(f"http://{place}{path}", timeout=60) as answer:
        found: dict[str, object] = json.loads(answer.read())
        return found


def process_id(home: Path) -> int:
    return int((home / ".bareboat/code-server/running").read_text().split()[0])


def test_it_is_installed_from_an_archive_started_and_goes_on_until_it_is_stopped(
    live: Live, home: Path, shop: Shop, run: Callable[..., Job]
) -> None:
    place = address()
    job = run(**archive(shop, address=place))
    log = live.log(job)
    assert (job.state, changed(job)) == (JobState.SUCCEEDED, {"Fetch the archive", "Unpack it", "Start it"}), log
    assert asked(place) == {"path": "/", "cwd": str(home), "job": None}, "it is no part of the job"
    config = home / ".bareboat/code-server/config.yaml"
    password = config.read_text().splitlines()[1].removeprefix("password: ")
    assert (config.stat().st_mode & 0o777, len(password), password in log) == (0o600, 32, False)
    first = process_id(home)

    again = run(**archive(shop, address=place))
    assert (changed(again), (again.result or {})["changed"], process_id(home)) == (set(), False, first), live.log(again)

    other = address()
    moved = run(**archive(shop, address=other))
    assert (changed(moved), asked(other)["cwd"]) == ({"Start it"}, str(home)), live.log(moved)
    assert not Path(f"/proc/{first}").exists(), "the one on the other address has ended"
    assert password in config.read_text(), "the password stays"

    stopped = run("code-server-stop")
    assert (stopped.state, changed(stopped)) == (JobState.SUCCEEDED, {"Stop it"}), live.log(stopped)
    assert changed(run("code-server-stop")) == set()
    with pytest.raises(OSError, match="refused"):
        asked(other)


@pytest.mark.skipif(not shutil.which("npm", path=NODE_PATH), reason="npm is not installed")
def test_it_is_installed_with_npm(live: Live, home: Path, shop: Shop, run: Callable[..., Job]) -> None:
    """By the real npm, from a registry on loopback; with `registry` nothing else is asked."""
    (home / ".npmrc").write_text(f"registry={shop.registry}\n")
    place = address()
    job = run(address=place)
    assert (job.state, changed(job)) == (
        JobState.SUCCEEDED,
        {*INSTALLED, "Start it"} - {"Fetch the archive", "Unpack it"},
    ), live.log(job)
    assert asked(place)["job"] is None
    missing = run(address=place, version="4.0.0", existing=False)
    assert (missing.error_code, missing.exit_status) == ("step_failed", 1)
    assert f"npm does not find code-server 4.0.0 at {shop.registry}" in (missing.error_message or "")
    assert asked(place)["job"] is None, "what runs goes on"


def test_one_that_is_installed_is_taken(live: Live, home: Path, run: Callable[..., Job]) -> None:
    leave_program(home, "code-server", PROGRAM)
    place = address()
    job = run(address=place)
    assert (job.state, changed(job)) == (JobState.SUCCEEDED, {"Take one that is installed", "Start it"}), live.log(job)
    assert asked(place)["job"] is None


def test_an_archive_that_is_another_one_is_not_installed(
    live: Live, home: Path, shop: Shop, run: Callable[..., Job]
) -> None:
    job = run(**archive(shop, archive_sha256="0" * 64))
    assert (job.state, job.error_code) == (JobState.FAILED, "step_failed")
    assert f"has the SHA-256 {shop.sha256}, and not {'0' * 64}; nothing was installed" in (job.error_message or "")
    assert list((home / ".bareboat/code-server").iterdir()) == []
    unsaid = run(source="archive")
    assert "give archive_url and archive_sha256, too" in (unsaid.error_message or "")


def test_an_address_that_another_program_has_is_refused(
    live: Live, home: Path, shop: Shop, run: Callable[..., Job]
) -> None:
    leave_program(home, "code-server", PROGRAM)
    job = run(address=shop.url.removeprefix("http://"))
    assert (job.state, job.error_code) == (JobState.FAILED, "step_failed"), live.log(job)
    assert "is taken by another program on the node" in (job.error_message or "")


def test_one_that_ends_at_once_says_its_last_words(live: Live, home: Path, run: Callable[..., Job]) -> None:
    leave_program(home, "code-server", '#!/bin/sh\n[ "$1" = --version ] || { echo "no such Code" >&2; exit 1; }\n')
    job = run(address=address())
    assert (job.state, job.error_code) == (JobState.FAILED, "step_failed")
    assert "no such Code" in live.log(job)


def test_where_the_account_lingers_it_is_a_service(live: Live, home: Path, run: Callable[..., Job]) -> None:
    """As far as its programs are called: there is no systemd where tests run."""
    leave_program(home, "code-server", PROGRAM)
    leave_program(home, "loginctl", "#!/bin/sh\necho yes\n")
    leave_program(home, "systemctl", SERVICE + 'case $* in *MainPID*) cat "$HOME/pid" ;; esac\n')
    leave_program(home, "systemd-run", RUN)
    place = address()
    job = run(address=place)
    assert (job.state, asked(place)["job"]) == (JobState.SUCCEEDED, None), live.log(job)
    said = (home / "said").read_text()
    assert f"systemd-run --user --quiet --unit=bareboat-code-server --collect --working-directory={home}" in said
    assert run("code-server-stop").state is JobState.SUCCEEDED
