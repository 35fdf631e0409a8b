"""The documents name everything that there is, and nothing that they link to is missing."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from flask import Flask
from flask.testing import FlaskClient

import app.errors as errors
from app.config import CHECKOUT, SETTINGS
from app.errors import ACT_FAILURES, BareboatError
from app.models import JobState, MemberState, NodeStatus, ProjectStatus, Role, RunState

DOCS = CHECKOUT / "docs"
WRITTEN = sorted(
    path
    for path in [*CHECKOUT.glob("*.md"), *DOCS.rglob("*.md"), *CHECKOUT.glob("*/README.md")]
    if ".venv" not in path.parts
)
STATUS_REASONS = {
    "host_key_unpinned",
    "host_key_mismatch",
    "dns",
    "refused",
    "unreachable",
    "timeout",
    "auth_failed",
    "protocol_error",
    "git_missing",
    "root_missing",
    "root_unsafe",
    "root_unmarked",
    "root_not_writable",
}


def quoted(name: str) -> set[str]:
    """What stands in backquotes in a document."""
    return set(re.findall(r"`([^`\n]+)`", (DOCS / name).read_text()))


def kinds(base: type[BareboatError]) -> Iterator[type[BareboatError]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


def test_every_setting_is_explained() -> None:
    assert set(SETTINGS) - quoted("settings.md") == set()


def test_no_setting_is_explained_that_there_is_not() -> None:
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \|", (DOCS / "settings.md").read_text(), re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"[A-Z_]{3,}", row)}
    assert explained - set(SETTINGS) == set()


def test_every_error_code_is_explained() -> None:
    ours = {kind.code for kind in kinds(BareboatError) if kind.__module__.startswith("app.")}
    assert (ours | ACT_FAILURES.keys()) - quoted("errors.md") == set()


def test_every_error_class_is_drawn_in_its_tree() -> None:
    drawn = errors.__doc__ or ""
    ours = [kind.__name__ for kind in kinds(BareboatError) if kind.__module__.startswith("app.errors")]
    assert len(ours) > 30
    assert [name for name in ours if name not in drawn] == []


def test_every_state_and_role_is_explained() -> None:
    states = {
        state.value for kind in (NodeStatus, ProjectStatus, JobState, RunState, MemberState, Role) for state in kind
    }
    assert (states | STATUS_REASONS) - quoted("states.md") == set()


def test_every_command_is_explained(app: Flask) -> None:
    written = " ".join(quoted("cli.md"))
    missing = [words for words, _ in commands(app) if not re.search(rf"\b{words}\b", written)]
    assert missing == []


def test_every_option_of_ours_is_explained(app: Flask) -> None:
    written = (DOCS / "cli.md").read_text()
    options = {(words, option) for words, command in commands(app) for option in options_of(command)}
    assert {(words, option) for words, option in options if not re.search(rf"{option}\b", written)} == set()


def test_every_path_is_explained(app: Flask) -> None:
    ours = {re.sub(r"<[^>]+>", "{id}", rule.rule) for rule in app.url_map.iter_rules() if is_for_programs(rule.rule)}
    assert ours - quoted("rest.md") == set()


def test_no_path_is_explained_that_there_is_not(app: Flask) -> None:
    known = {re.sub(r"<[^>]+>", "{id}", rule.rule) for rule in app.url_map.iter_rules()}
    explained = {text for text in quoted("rest.md") if text.startswith("/api/v1/")}
    assert explained - known == set()


def test_every_metric_is_explained_and_none_that_there_is_not(nobody: FlaskClient) -> None:
    ours = set(re.findall(r"^# TYPE (\w+)", nobody.get("/metrics").text, re.MULTILINE))
    assert ours == {name for name in quoted("operate.md") if re.fullmatch(r"(bareboat|process)_[a-z_]+", name)}


@pytest.mark.parametrize("document", WRITTEN, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_links_lead_somewhere(document: Path) -> None:
    lost = [link for link in links(document) if not leads_somewhere(document, link)]
    assert lost == []


@pytest.mark.parametrize("document", WRITTEN, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_files_that_are_named_are_there(document: Path) -> None:
    """Of the forms `app/…`, `tests/…`, `docs/…`: with a path in them they promise a place."""
    named = re.findall(r"`((?:app|tests|docs|api|services|jobs|ssh|commands|edge)/[\w./-]+)`", document.read_text())
    assert [name for name in named if not (CHECKOUT / name).exists() and not (CHECKOUT / "app" / name).exists()] == []


def commands(app: Flask) -> list[tuple[str, click.Command]]:
    """Ours, by their words; those of Flask and Flask-Migrate have documents of their own."""
    found: list[tuple[str, click.Command]] = []
    for name, command in app.cli.commands.items():
        if isinstance(command, click.Group) and command.callback and command.callback.__module__.startswith("app."):
            found += [(f"{name} {verb}", act) for verb, act in command.commands.items()]
        elif command.callback and command.callback.__module__.startswith("app."):
            found.append((name, command))
    return found


def options_of(command: click.Command) -> list[str]:
    return [option.opts[0] for option in command.params if isinstance(option, click.Option)]


def is_for_programs(rule: str) -> bool:
    is_ours = rule.startswith("/api/v1/") or rule in ("/healthz", "/readyz", "/metrics")
    return is_ours and "/static/" not in rule


def links(document: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", document.read_text())
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def leads_somewhere(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    if not target.exists():
        return False
    return not anchor or anchor in anchors(target)


def anchors(document: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
