"""`node scan` and `node pin`: who is there, before anything is said."""

from typing import IO

import click

from app.cli.act import actor, load
from app.cli.nodes import node
from app.cli.show import as_json, print_json, print_table
from app.errors import Invalid
from app.models import HostKey
from app.schemas.hostkeys import ApprovalSchema, ExpectedKeySchema, HostKeySchema, OfferedKeySchema, PinSchema
from app.services import hostkeys, quarantine, rebuilds
from app.services.nodes import get_node_by_name


@node.command("scan")
@click.argument("name")
@as_json
def scan_node(name: str, is_json: bool) -> None:
    """Ask for the host keys without logging in. Compare them with the node's console before you pin."""
    offered = hostkeys.scan_node(get_node_by_name(name).id, actor())
    if is_json:
        return print_json(OfferedKeySchema(many=True).dump(offered))
    return print_table(("TYPE", "FINGERPRINT"), ((key.type, key.fingerprint) for key in offered))


@node.command("pin")
@click.argument("name")
@click.option("--fingerprint", help="Of a key that the last scan has shown.")
@click.option("--public-key", help="'type base64', from /etc/ssh/ssh_host_*_key.pub on the node.")
@click.option("--known-hosts", type=click.File(), help="Pin every key that this file has for the node; - is stdin.")
def pin_node(name: str, fingerprint: str | None, public_key: str | None, known_hosts: IO[str] | None) -> None:
    """Say that a host key is the node's."""
    if sum(given is not None for given in (fingerprint, public_key, known_hosts)) != 1:
        raise click.UsageError("Give one of --fingerprint, --public-key and --known-hosts.")
    node_id = get_node_by_name(name).id
    pins = (
        _pin_known_hosts(node_id, known_hosts.read()) if known_hosts else [_pin_one(node_id, fingerprint, public_key)]
    )
    for pin in pins:
        click.echo(f"Pinned {pin.type} {pin.fingerprint}")


@node.command("approve")
@click.argument("name")
@click.option("--fingerprint", required=True, help="Of the key that the node shows now, read on its console.")
def approve_node(name: str, fingerprint: str) -> None:
    """End a quarantine: the key that the node shows takes the place of the pinned ones, and held jobs go on."""
    values = load(ApprovalSchema(), {"fingerprint": fingerprint})
    pin = quarantine.approve(get_node_by_name(name).id, values["fingerprint"], actor())
    click.echo(f"Pinned {pin.type} {pin.fingerprint}, and nothing else")


@node.command("expect-new-key")
@click.argument("name")
@click.option("--hours", type=int, help="For so long, at most 24.  [default: 1]")
@click.option("--cancel", "is_cancel", is_flag=True, help="Expect none any more.")
def expect_new_key(name: str, hours: int | None, is_cancel: bool) -> None:
    """Before a planned rebuild: the first new host key that the node shows takes the place of the pinned ones, once."""
    node_id = get_node_by_name(name).id
    if is_cancel and hours is not None:
        raise click.UsageError("Give either --hours or --cancel.")
    if is_cancel:
        rebuilds.cancel_expected_key(node_id, actor())
        return click.echo(f"Node {name} is not expected to show a new host key any more")
    asked = load(ExpectedKeySchema(), {"hours": hours} if hours is not None else {})
    until = rebuilds.expect_key(node_id, asked["hours"], actor()).expected_key_until
    return click.echo(f"One new host key of {name} is pinned by itself until {until:%Y-%m-%d %H:%M:%S} UTC")


@node.command("pins")
@click.argument("name")
@as_json
def list_pins(name: str, is_json: bool) -> None:
    """The pinned host keys of a node."""
    rows = get_node_by_name(name).host_keys
    if is_json:
        return print_json(HostKeySchema(many=True).dump(rows))
    cells = ((row.id, row.type, row.fingerprint, row.pinned_by, row.pinned_at) for row in rows)
    return print_table(("ID", "TYPE", "FINGERPRINT", "PINNED BY", "PINNED"), cells)


@node.command("unpin")
@click.argument("name")
@click.argument("fingerprint")
def unpin_node(name: str, fingerprint: str) -> None:
    """Take back a pin: a node that shows only this key is not spoken to any more."""
    row = get_node_by_name(name)
    pin = next((key for key in row.host_keys if key.fingerprint == fingerprint), None)
    if pin is None:
        raise Invalid(f"No host key of node {name} with the fingerprint {fingerprint} is pinned.")
    hostkeys.unpin(row.id, pin.id, actor())
    click.echo(f"Unpinned {fingerprint}")


def _pin_one(node_id: int, fingerprint: str | None, public_key: str | None) -> HostKey:
    values = load(PinSchema(), {"fingerprint": fingerprint, "public_key": public_key})
    if "fingerprint" in values:
        return hostkeys.pin_fingerprint(node_id, values["fingerprint"], actor())
    return hostkeys.pin_public_key(node_id, values["public_key"], actor())


def _pin_known_hosts(node_id: int, text: str) -> list[HostKey]:
    """Lines that cannot be used are named on stderr; none left is a refusal."""
    pins, refused = hostkeys.pin_known_hosts(node_id, text, actor())
    for line in refused:
        click.echo(f"Skipped line {line.number}: {line.reason}", err=True)
    if not pins:
        raise Invalid("This text has no usable key for the node's host name and port.")
    return pins
