"""`git-host`: which host keys a git server may show over ssh."""

import click

from app.cli.act import Acts, actor, load
from app.cli.show import as_json, print_json, print_table
from app.errors import Invalid
from app.plurals import counted
from app.schemas.credentials import GitHostCreateSchema, GitHostSchema
from app.schemas.hostkeys import OfferedKeySchema, PinSchema
from app.services import githosts
from app.services.paging import MAX_PAGE_SIZE

at_port = click.option("--port", type=int, default=22, show_default=True)


@click.group("git-host", cls=Acts)
def git_host() -> None:
    """Git servers over ssh."""


@git_host.command("add")
@click.argument("host")
@at_port
def add_host(host: str, port: int) -> None:
    """Name a git server; a public forge begins with the pins that Bareboat ships."""
    values = load(GitHostCreateSchema(), {"host": host, "port": port})
    row = githosts.create_host(values["host"], values["port"], actor())
    click.echo(f"Added {row.host} (port {row.port}) with {counted(len(row.host_keys), 'pinned host key')}")


@git_host.command("list")
@as_json
def list_hosts(is_json: bool) -> None:
    """Git servers and their pins."""
    rows = githosts.list_hosts(1, MAX_PAGE_SIZE).items
    if is_json:
        return print_json(GitHostSchema(many=True).dump(rows))
    cells = ((row.host, row.port, key.type, key.fingerprint, key.pinned_by) for row in rows for key in row.host_keys)
    return print_table(("HOST", "PORT", "TYPE", "FINGERPRINT", "PINNED BY"), cells)


@git_host.command("scan")
@click.argument("host")
@at_port
@as_json
def scan_host(host: str, port: int, is_json: bool) -> None:
    """Ask it for its host keys, from here, without logging in. Compare them with what its operator publishes."""
    offered = githosts.scan_host(githosts.get_host_by_name(host, port).id, actor())
    if is_json:
        return print_json(OfferedKeySchema(many=True).dump(offered))
    return print_table(("TYPE", "FINGERPRINT"), ((key.type, key.fingerprint) for key in offered))


@git_host.command("pin")
@click.argument("host")
@at_port
@click.option("--fingerprint", help="Of a key that the last scan has shown.")
@click.option("--public-key", help="'type base64', as its operator publishes it.")
def pin_host(host: str, port: int, fingerprint: str | None, public_key: str | None) -> None:
    """Say that a host key is the server's."""
    values = load(PinSchema(), {"fingerprint": fingerprint, "public_key": public_key})
    pin = githosts.pin(githosts.get_host_by_name(host, port).id, values, actor())
    click.echo(f"Pinned {pin.type} {pin.fingerprint}")


@git_host.command("unpin")
@click.argument("host")
@click.argument("fingerprint")
@at_port
def unpin_host(host: str, fingerprint: str, port: int) -> None:
    """Take back a pin."""
    row = githosts.get_host_by_name(host, port)
    pin = next((key for key in row.host_keys if key.fingerprint == fingerprint), None)
    if pin is None:
        raise Invalid(f"No host key of {host} with the fingerprint {fingerprint} is pinned.")
    githosts.unpin(row.id, pin.id, actor())
    click.echo(f"Unpinned {fingerprint}")


@git_host.command("delete")
@click.argument("host")
@at_port
def delete_host(host: str, port: int) -> None:
    """Forget a git server and its pins."""
    githosts.delete_host(githosts.get_host_by_name(host, port).id, actor())
    click.echo(f"Deleted {host}")
