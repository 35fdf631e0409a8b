"""Words and numbers for people."""

from datetime import UTC, datetime, timedelta

import pytest
from markupsafe import Markup

from app import models
from app.services.project_acts import KINDS as JOB_KINDS
from app.web import words


def test_the_pages_know_every_state_and_kind() -> None:
    assert set(words.NODE_STATUSES) == set(models.NodeStatus)
    assert set(words.PROJECT_STATUSES) == set(models.ProjectStatus)
    assert set(words.JOB_STATES) == set(models.JobState)
    assert set(words.KINDS) == {kind.name for kind in JOB_KINDS}


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
