"""`events`: the audit log, verified and exported."""

import json
import re

import click

from app.cli.act import Acts
from app.cli.show import as_json, print_json
from app.plurals import counted
from app.services import audit

_KNOWN = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


@click.group(cls=Acts)
def events() -> None:
    """The audit log."""


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
@click.option("--after", type=click.IntRange(min=0), default=0, help="Only events with a higher id.")
def export_events(after: int) -> None:
    """Write events as lines of JSON, the oldest first."""
    for line in audit.export_events(after):
        click.echo(json.dumps(line, ensure_ascii=True))


def _read_known(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    found = _KNOWN.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter("Give what 'events verify' has printed: ID:HASH.", param_hint="--known")
    return int(found[1]), found[2]
