"""Words and numbers for people."""

from datetime import UTC, datetime, timedelta

import pytest
from markupsafe import Markup

from app import models
from app.services.runtime import Runtime
from app.web import words


def test_the_pages_know_every_state_and_kind(runtime: Runtime) -> None:
    assert set(words.NODE_STATUSES) == set(models.NodeStatus)
    assert set(words.PROJECT_STATUSES) == set(models.ProjectStatus)
    assert set(words.JOB_STATES) == set(models.JobState)
    assert set(words.RUN_STATES) == set(models.RunState)
    assert set(words.MEMBER_STATES) == set(models.MemberState)
    assert set(words.KINDS) == runtime.registry.names


@pytest.mark.parametrize(
    ("count", "shown"),
    [(None, "–"), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (181 * 2**30, "181 GiB"), (2**60, "1024 PiB")],
)
def test_sizes_are_in_the_unit_that_reads_best(count: int | None, shown: str) -> None:
    assert words.size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(1, "1 second"), (59, "59 seconds"), (600, "10 minutes"), (2e5, "2 days")]
)
def test_spans_have_one_unit(seconds: float, shown: str) -> None:
    assert words.span(seconds) == shown


def test_a_time_that_has_not_come_is_never() -> None:
    assert words.ago(None) == "never"
    assert words.ago(datetime.now(UTC) - timedelta(hours=3)) == "3 hours ago"


def test_control_characters_become_visible_and_our_markup_stays() -> None:
    assert words.harmless("a\x1b[2J\u202eb") == "a\\x1b[2J\\u202eb"
    assert words.harmless(Markup("<b>")) == "<b>"
    assert words.harmless(None) == ""


def test_the_first_line_of_a_failure_is_the_sentence_and_the_rest_the_details() -> None:
    message = "It failed.\nfatal: one\n  two\n"
    assert (words.sentence(message), words.details(message)) == ("It failed.", "fatal: one\n  two")
    assert (words.sentence("It failed."), words.details("It failed."), words.sentence(None)) == ("It failed.", "", "")


def test_no_value_of_a_job_is_shown_as_python_writes_it() -> None:
    assert [words.said(value) for value in (True, False, 1, 0, "x")] == ["yes", "no", 1, 0, "x"]


def test_no_time_that_has_passed_is_below_nothing() -> None:
    assert words.span(-0.2) == "0 seconds"


def test_options_of_a_job_have_names_for_people() -> None:
    assert [words.option(name) for name in ("argv", "timeout_seconds", "strategy")] == [
        "Command",
        "Time limit",
        "Strategy",
    ]
