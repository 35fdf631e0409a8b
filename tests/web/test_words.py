"""Words and numbers for people."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

from app import models
from app.schemas.projects import STRATEGIES
from app.services.runtime import Runtime
from app.web import acts, words
from app.web.blueprint import web
from app.web.browsers import browser_name


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
    assert [acts.said(value) for value in (True, False, 1, 0, "x")] == ["yes", "no", 1, 0, "x"]


def test_no_time_that_has_passed_is_below_nothing() -> None:
    assert words.span(-0.2) == "0 seconds"


def test_options_of_a_job_have_names_for_people() -> None:
    assert [acts.option(name) for name in ("argv", "timeout_seconds", "strategy")] == [
        "Command",
        "Time limit",
        "Strategy",
    ]


@dataclass
class Asked:
    kind: str
    params: dict[str, Any] = field(default_factory=dict)
    size: int = 1


@pytest.mark.parametrize(
    ("asked", "title"),
    [
        (Asked("project.playbook", {"name": "git-gc", "inputs": {}}, 3), "git-gc on 3 projects"),
        (Asked("node.playbook", {"name": "node-report"}), "node-report on 1 node"),
        (Asked("project.pull", {"strategy": "ff-only"}), "Pull on 1 project"),
        (Asked("project.pull", {"strategy": "reset"}, 2), "Reset on 2 projects"),
        (Asked("node.rotate_key", {"from_key_id": 1, "to_key_id": 2}, 2), "Change SSH key on 2 nodes"),
    ],
)
def test_a_run_is_called_by_what_it_does_and_on_how_many(asked: Asked, title: str) -> None:
    assert acts.run_title(asked) == title


def test_what_was_asked_for_is_said_in_words() -> None:
    pull = Asked("project.pull", {"strategy": "ff-only"})
    assert (acts.doing(pull), acts.given(pull)) == ("Pull, fast-forward only", [])
    command = Asked("project.command", {"argv": ["make", "two words"], "env": {"CI": "1"}, "cwd": None})
    assert (acts.doing(command), acts.given(command)) == (
        "Command",
        [("", "make 'two words'"), ("Variables", "CI")],
    )


def test_every_strategy_has_words() -> None:
    assert set(acts.STRATEGIES) == set(STRATEGIES)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
            "Safari/537.36 Edg/126.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile "
            "Safari/537.36",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/17.5 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
            "Safari/605.1.15",
            "Safari on macOS",
        ),
        ("curl/8.5.0", "curl"),
        ("a test", "a test"),
        ("x" * 300, "x" * 39 + "…"),
        (None, "a browser that does not say"),
    ],
)
def test_a_browser_has_a_name_for_people(told: str | None, name: str) -> None:
    assert browser_name(told) == name


def test_nothing_is_left_undone_by_another_word_than_go_back() -> None:
    templates = Path(web.root_path, "templates").rglob("*.html")
    links = [link for template in templates for link in re.findall(r"<a [^>]*>[^<]*</a>", template.read_text())]
    assert [link for link in links if re.search(r">(Cancel|Leave|Keep)\b", link) and "queued" not in link] == []
