"""`channel`: where notifications go."""

import sys
from typing import Any

import click

from app.cli.act import AN_ID, Acts, actor, load, read_secret
from app.cli.show import as_json, print_json, print_table
from app.models import ChannelKind, NotificationChannel, NotificationDelivery
from app.schemas.channels import ChannelCreateSchema, ChannelSchema, NotificationDeliverySchema
from app.services import channels
from app.services.alerts import EVENTS
from app.services.paging import MAX_PAGE_SIZE


@click.group(cls=Acts)
def channel() -> None:
    """Notification channels: where Bareboat says that something has changed."""


@channel.command("add")
@click.argument("name")
@click.option("--kind", type=click.Choice([word.value for word in ChannelKind]), required=True)
@click.option("--url-stdin", is_flag=True, help="Read the address, which may be a secret, from stdin.")
@click.option("--to", "recipients", multiple=True, help="An address of e-mail; may be given several times.")
@click.option("--event", "events", multiple=True, type=click.Choice(EVENTS), help="Only these.  [default: all]")
def add_channel(url_stdin: bool, recipients: tuple[str, ...], events: tuple[str, ...], **given: Any) -> None:
    """Make a channel; the secret that signs JSON is the last line, once."""
    given |= {"recipients": [*recipients] or None, "events": [*events] or None}
    if given["kind"] != ChannelKind.EMAIL.value:
        given["url"] = read_secret(sys.stdin if url_stdin else None, "Address").reveal()
    row, secret = channels.create_channel(load(ChannelCreateSchema(), given), actor())
    click.echo(f"Channel {row.name} leads to {row.place}")
    if secret is not None:
        click.echo(secret.reveal())


@channel.command("list")
@as_json
def print_channels(is_json: bool) -> None:
    """Channels, and how the last delivery went."""
    rows = channels.list_channels(1, MAX_PAGE_SIZE).items
    if is_json:
        return print_json(ChannelSchema(many=True).dump(rows))
    titles = ("ID", "NAME", "KIND", "PLACE", "ON", "LAST DELIVERY", "STATE", "EVENTS")
    return print_table(titles, (_cells(row) for row in rows))


@channel.command("test")
@click.argument("name")
def test_channel(name: str) -> None:
    """Send a test; the server's courier takes it, and the channel's log says what came of it."""
    channels.request_test(channels.get_channel_by_name(name).id, actor())
    click.echo(f"A test by channel {name} is asked for")


@channel.command("log")
@click.argument("name")
@as_json
def show_deliveries(name: str, is_json: bool) -> None:
    """What was sent by a channel, and what is still to be, the latest first."""
    rows = channels.list_deliveries(channels.get_channel_by_name(name).id, 1, MAX_PAGE_SIZE).items
    if is_json:
        return print_json(NotificationDeliverySchema(many=True).dump(rows))
    titles = ("ID", "AT", "EVENT", "SUBJECT", "STATE", "ATTEMPTS", "CODE", "NEXT TRY", "ERROR")
    return print_table(titles, (_delivery_cells(row) for row in rows))


@channel.command("send-again")
@click.argument("name")
@click.argument("delivery_id", metavar="DELIVERY", type=AN_ID)
def send_again(name: str, delivery_id: int) -> None:
    """Send again what has failed, under the same id; DELIVERY is its number in the log."""
    channels.request_again(channels.get_channel_by_name(name).id, delivery_id, actor())
    click.echo(f"Delivery {delivery_id} is to be sent again by channel {name}")


@channel.command("enable")
@click.argument("name")
def enable_channel(name: str) -> None:
    """Turn a channel on."""
    _turn(name, is_on=True)


@channel.command("disable")
@click.argument("name")
def disable_channel(name: str) -> None:
    """Turn a channel off: nothing new is sent by it."""
    _turn(name, is_on=False)


@channel.command("delete")
@click.argument("name")
def delete_channel(name: str) -> None:
    """Forget a channel; what was still to be delivered is not."""
    channels.delete_channel(channels.get_channel_by_name(name).id, actor())
    click.echo(f"Channel {name} is deleted")


def _turn(name: str, *, is_on: bool) -> None:
    channels.update_channel(channels.get_channel_by_name(name).id, {"enabled": is_on}, actor())
    click.echo(f"Channel {name} is {'on' if is_on else 'off'}")


def _cells(row: NotificationChannel) -> tuple[object, ...]:
    about = (row.id, row.name, row.kind, row.place, row.enabled, row.last_delivery_at, row.last_state)
    return *about, ", ".join(row.events)


def _delivery_cells(row: NotificationDelivery) -> tuple[object, ...]:
    what = (row.id, row.created_at, row.event, row.subject, row.state, row.attempts)
    return *what, row.last_code, row.next_try_at, row.last_error
