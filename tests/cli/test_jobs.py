import re

import pytest

from tests.cli.conftest import Installation
from tests.support.forge import Forge

pytestmark = pytest.mark.ssh


@pytest.fixture
def failed(enrolled: Installation, forge: Forge) -> Installation:
    """Job 1 has failed: there was no such repository when it ran."""
    url = forge.url.replace("app.git", "late.git")
    enrolled.run("project", "clone", "app", url, "--node", "here", "--wait")
    return enrolled


def test_a_job_is_listed_shown_and_read(failed: Installation) -> None:
    assert "FAILED" in failed.ok("job", "list")
    assert failed.json("job", "list")[0]["error"]["code"] == "git_not_found"
    assert failed.json("job", "list", "--state", "SUCCEEDED") == []
    assert "project.clone" in failed.ok("job", "show", "1")
    assert "project.clone app on node here" in failed.ok("job", "log", "1")


def test_states_are_known_in_lower_case_too(failed: Installation) -> None:
    assert len(failed.json("job", "list", "--state", "failed")) == 1


def test_a_job_is_shown_without_words_of_python(failed: Installation) -> None:
    shown = failed.ok("job", "show", "1")
    assert "{" not in shown
    assert re.search(r"^error\.code +git_not_found$", shown, re.MULTILINE)
    assert "None" not in failed.ok("job", "list")


def test_what_has_failed_makes_no_progress_any_more(failed: Installation) -> None:
    columns = re.split(r"  +", failed.ok("job", "list").splitlines()[1])
    assert columns[4:7] == ["FAILED", "-", "git_not_found"]


def test_the_error_is_a_sentence_with_the_code_and_what_git_said_is_said_once(failed: Installation) -> None:
    refused = failed.run("job", "retry", "1", "--wait")
    lines = refused.stderr.splitlines()
    assert sum(line.startswith("Error: job 2 FAILED: ") and line.endswith("[git_not_found]") for line in lines) == 1
    assert len(set(lines)) == len(lines)


def test_a_failed_job_is_retried_when_its_cause_is_gone(failed: Installation, forge: Forge) -> None:
    (forge.base / "app.git").rename(forge.base / "late.git")
    assert "done (job 2)" in failed.ok("job", "retry", "1", "--wait")
    assert failed.json("project", "list")[0]["status"] == "ACTIVE"


def test_a_job_that_has_ended_is_not_cancelled(failed: Installation) -> None:
    refused = failed.run("job", "cancel", "1")
    assert refused.exit_code == 1
    assert "[wrong_state]" in refused.stderr


def test_there_is_no_job_0(failed: Installation) -> None:
    refused = failed.run("job", "show", "0")
    assert (refused.exit_code, "0 is not in the range 1" in refused.stderr) == (2, True)


def test_a_job_that_is_not_there_is_not_found(failed: Installation) -> None:
    refused = failed.run("job", "show", "4711")
    assert (refused.exit_code, "[not_found]" in refused.stderr) == (1, True)


def test_a_log_can_be_shown_with_times(failed: Installation) -> None:
    lines = failed.ok("job", "log", "1", "--timestamps").splitlines()
    assert [line for line in lines if not re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line)] == []


def test_there_is_nothing_to_cancel_when_nothing_waits(failed: Installation) -> None:
    assert "0 jobs are cancelled" in failed.ok("job", "cancel-queued", "--node", "here", "--kind", "project.clone")
    assert "[not_found]" in failed.run("job", "cancel-queued", "--node", "nowhere").stderr
