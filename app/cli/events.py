"""`events`: the audit log, searched, verified and exported."""

import json
import re
from typing import Any

import click

from app.cli.act import AN_ID, Acts, load
from app.cli.show import as_json, print_json, print_table
from app.models import Event
from app.plurals import counted
from app.schemas.base import MAX_ID
from app.schemas.events import EventQuery, EventSchema
from app.services import audit, event_search
from app.services.paging import MAX_PAGE_SIZE

_KNOWN = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


@click.group(cls=Acts)
def events() -> None:
    """The audit log."""


@events.command("list")
@click.option("--action", help="A kind of act such as project.pull, or its noun (project) for all kinds.")
@click.option("--outcome", help="Such as refused, requested, SUCCEEDED, FAILED.")
@click.option("--trouble", is_flag=True, default=None, help="Only what was refused or went wrong.")
@click.option("--actor", metavar="NAME", help="Who did it.")
@click.option("--node", metavar="NAME", help="About this node and what is on it.")
@click.option("--project", metavar="NAME", help="About projects of this name.")
@click.option("--since", metavar="TIME", help="Not before: 2026-01-31T12:00, in UTC.")
@click.option("--until", metavar="TIME", help="Not after.")
@click.option("--search", metavar="TEXT", help="Part of subject, detail or address.")
@click.option("--before", type=AN_ID, metavar="ID", help="Only what is elder than this event.")
@click.option("--limit", type=click.IntRange(1, MAX_PAGE_SIZE), default=20, show_default=True)
@as_json
def list_events(limit: int, is_json: bool, **given: Any) -> None:
    """Events, the newest first."""
    texts = {name: str(value).lower() if value is True else value for name, value in given.items()}
    page = event_search.list_events(**load(EventQuery(), texts | {"page_size": limit}))
    if is_json:
        return print_json(EventSchema(many=True).dump(page.items))
    print_table(("ID", "AT", "WHO", "FROM", "DID", "TO", "OUTCOME", "DETAIL"), (_cells(row) for row in page.items))
    if page.next_before is not None:
        click.echo(f"There may be more: --before {page.next_before}", err=True)
    return None


@events.command("verify")
@click.option("--known", metavar="ID:HASH", help="An event that was noted elsewhere; it must be there unchanged.")
@as_json
def verify_events(known: str | None, is_json: bool) -> None:
    """Walk the chain of events; exit status 1 when one was changed or is missing."""
    found = audit.verify_events(_read_known(known))
    if is_json:
        print_json({"count": found.count, "head": f"{found.head_id}:{found.head_hash}", "fault": found.fault})
    else:
        follow = counted(found.count, "event follows", "events follow")
        click.echo(f"{follow} from each other. The last, to be noted elsewhere:")
        click.echo(f"{found.head_id}:{found.head_hash}")
    if found.fault:
        raise click.ClickException(f"{found.fault} Somebody has changed the database; see docs/audit.md.")


@events.command("export")
@click.option("--after", type=click.IntRange(0, MAX_ID), default=0, help="Only events with a higher id.")
def export_events(after: int) -> None:
    """Write events as lines of JSON, the oldest first."""
    for line in audit.export_events(after):
        click.echo(json.dumps(line, ensure_ascii=True))


def _cells(row: Event) -> tuple[object, ...]:
    at = row.at.strftime("%Y-%m-%d %H:%M:%S")
    return row.id, at, row.actor, row.address, row.action, row.subject, row.outcome, row.detail


def _read_known(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    found = _KNOWN.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter("Give what 'events verify' has printed: ID:HASH.", param_hint="--known")
    return int(found[1]), found[2]
