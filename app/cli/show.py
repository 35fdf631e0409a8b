"""How rows are printed: tables for people, JSON (the same fields as REST) for programs."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import click

from app.db import utcnow
from app.redaction import printable

as_json = click.option("--json", "is_json", is_flag=True, help="JSON with the fields of REST.")

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def print_json(data: object) -> None:
    click.echo(json.dumps(data, indent=2, default=str))


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as their widest cell. Text from nodes is made harmless for the terminal."""
    cells = [list(titles), *([cell_text(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(titles))]
    for line in cells:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def print_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """One `name  value` a line, one for each part of what has parts (`error.code`); a text's next lines indented."""
    lines = [(name, text) for name, value in pairs for name, text in _parts(name, value)]
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        first, *others = text.splitlines() or ["-"]
        click.echo(f"{name.ljust(width)}  {first}")
        for line in others:
            click.echo(f"{' ' * width}    {line}")


def cell_text(value: Any) -> str:
    """What is not there is a dash; one line always."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return ago(value)
    return " ".join(printable(str(value)).split())


def told(message: str | None, code: str | None) -> list[str]:
    """The lines of an error: its sentence with the code, then what it adds (as a rule git's own words), indented."""
    sentence, *details = printable(message or "-").strip().splitlines() or ["-"]
    return [f"{sentence} [{code}]", *(f"  {line}" for line in details)]


def in_the_way(details: dict[str, Any]) -> list[str]:
    """The lines of what a refused act is about: commits and files, and how many more there are."""
    commits = (("only on the node", "commits_here"), ("only upstream", "commits_upstream"))
    lines = [line for title, name in commits for line in _list(title, details, name, _commit_line)]
    return lines + _list("files", details, "files", lambda file: f"{file['state']}  {cell_text(file['path'])}")


def ago(moment: datetime) -> str:
    """Or how far ahead; less than a minute ahead is now, since clocks differ."""
    seconds = int((utcnow() - moment).total_seconds())
    for size, unit in _UNITS:
        if abs(seconds) >= size:
            return f"in {-seconds // size} {unit}" if seconds < 0 else f"{seconds // size} {unit} ago"
    return f"{max(0, seconds)} s ago"


def _commit_line(commit: dict[str, str]) -> str:
    return f"{commit['sha'][:12]}  {cell_text(commit['subject'])}"


def _list(title: str, details: dict[str, Any], name: str, line: Callable[[dict[str, str]], str]) -> list[str]:
    shown, left_out = details.get(name, []), details.get(f"{name}_left_out", 0)
    if not shown and not left_out:
        return []
    more = [f"    and {left_out} more"] if left_out else []
    return [f"  {title} ({len(shown) + left_out}):", *(f"    {line(one)}" for one in shown), *more]


def _parts(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for part, inner in value.items():
            yield from _parts(f"{name}.{part}", inner)
    elif isinstance(value, list | dict):
        yield name, ", ".join(map(cell_text, value)) or "-"
    else:
        yield name, printable(value) if isinstance(value, str) and value else cell_text(value)
