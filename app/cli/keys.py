"""`key`: SSH keys with which Bareboat logs in to nodes. The private half is never shown."""

import sys
from typing import IO, Any, Literal, get_args

import click

from app.cli.act import Acts, actor, load, read_secret
from app.cli.runs import conclude, concurrency, max_failures, waits
from app.cli.show import as_json, print_json, print_table
from app.errors import UnreadableKey
from app.models import SSHKey
from app.schemas.keys import RotationSchema, SSHKeySchema
from app.secrets import Secret
from app.services import keys, rotations
from app.services.nodes import get_node_by_name
from app.services.paging import MAX_PAGE_SIZE

Kind = Literal["ed25519", "ecdsa", "rsa"]


@click.group(cls=Acts)
def key() -> None:
    """SSH keys."""


@key.command("add")
@click.argument("name")
@click.option("--generate", "kind", type=click.Choice(get_args(Kind)), help="Make a new key.")
@click.option("--import", "file", type=click.File(errors="surrogateescape"), help="Read a private key; - is stdin.")
@click.option("--passphrase-stdin", is_flag=True, help="The passphrase of the imported key, one line on stdin.")
def add_key(name: str, kind: Kind | None, file: IO[str] | None, passphrase_stdin: bool) -> None:
    """Store a key; prints its public half, for the node's authorized_keys."""
    if (kind is None) == (file is None):
        raise click.UsageError("Give either --generate or --import.")
    if passphrase_stdin and (file is None or file is sys.stdin):
        raise click.UsageError("--passphrase-stdin goes with --import of a file.")
    made = keys.generate_key(name, kind, actor()) if kind else _import(name, file, passphrase_stdin)
    click.echo(made.public_key)


@key.command("list")
@as_json
def list_keys(is_json: bool) -> None:
    """Keys, and how many nodes use each."""
    rows = keys.list_keys(1, MAX_PAGE_SIZE).items
    if is_json:
        return print_json(SSHKeySchema(many=True).dump(rows))
    uses = keys.use_counts()
    cells = ((row.id, row.name, row.type, row.bits, row.fingerprint, uses.get(row.id, 0)) for row in rows)
    return print_table(("ID", "NAME", "TYPE", "BITS", "FINGERPRINT", "NODES"), cells)


@key.command("rotate")
@click.argument("name")
@click.option("--to", "new_name", required=True, help="Name of the key that the nodes get.")
@click.option("--node", "node_names", multiple=True, metavar="NODE", help="Only this node; may be given several times.")
@concurrency
@max_failures
@waits
def rotate_key(name: str, new_name: str, node_names: tuple[str, ...], wait: bool, **given: Any) -> None:
    """Give the nodes that log in with a key another one: added, tried, switched, and the old line removed."""
    given["to_key_id"] = keys.get_key_by_name(new_name).id
    if node_names:
        given["node_ids"] = [get_node_by_name(node_name).id for node_name in node_names]
    conclude(rotations.begin(keys.get_key_by_name(name).id, load(RotationSchema(), given), actor()), wait)


@key.command("delete")
@click.argument("name")
def delete_key(name: str) -> None:
    """Forget a key that no node uses."""
    keys.delete_key(keys.get_key_by_name(name).id, actor())
    click.echo(f"Deleted the key {name}")


def _import(name: str, file: IO[str] | None, passphrase_stdin: bool) -> SSHKey:
    """Asks for the passphrase on a terminal when the key turns out to need one."""
    private_key = Secret(file.read() if file else "")
    passphrase = read_secret(sys.stdin, "Passphrase") if passphrase_stdin else None
    try:
        return keys.import_key(name, private_key, passphrase, actor())
    except UnreadableKey as error:
        if passphrase is not None or not sys.stdin.isatty() or "passphrase" not in error.errors:
            raise
    return keys.import_key(name, private_key, read_secret(None, "Passphrase"), actor())
