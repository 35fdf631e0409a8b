"""`credential`: tokens and deploy keys for git servers. Secrets come from stdin or a file, and are never shown."""

import sys
from typing import IO, Any

import click

from app.cli.act import Acts, actor, load, read_secret
from app.cli.show import as_json, print_json, print_table
from app.models import CredentialKind, GitCredential
from app.schemas.credentials import GitCredentialCreateSchema, GitCredentialSchema
from app.services import credentials
from app.services.paging import MAX_PAGE_SIZE


@click.group(cls=Acts)
def credential() -> None:
    """Git credentials."""


@credential.command("add")
@click.argument("name")
@click.option("--host", required=True, help="The git server, as in the addresses that it is for.")
@click.option("--port", type=int, help="Where it is not the scheme's own.")
@click.option("--username", help="Who the token belongs to; for a key: where the address names no user (git).")
@click.option("--token-stdin", is_flag=True, help="For https: the token, one line on stdin.")
@click.option("--token-file", type=click.File(), help="For https: a file whose first line is the token.")
@click.option("--key-file", type=click.File(errors="surrogateescape"), help="For ssh: a private key; - is stdin.")
@click.option("--passphrase-stdin", is_flag=True, help="The passphrase of the key, one line on stdin.")
def add_credential(
    token_stdin: bool, token_file: IO[str] | None, key_file: IO[str] | None, passphrase_stdin: bool, **given: Any
) -> None:
    """Store a token (https) or a deploy key (ssh) for one git server."""
    if token_stdin + (token_file is not None) + (key_file is not None) != 1:
        raise click.UsageError("Give one of --token-stdin, --token-file and --key-file.")
    if passphrase_stdin and (key_file is None or key_file is sys.stdin):
        raise click.UsageError("--passphrase-stdin goes with --key-file FILE.")
    secret = _key(key_file, passphrase_stdin) if key_file else _token(sys.stdin if token_stdin else token_file)
    made = credentials.create_credential(load(GitCredentialCreateSchema(), given | secret), actor())
    click.echo(made.public_key or f"Stored the git credential {made.name}")


@credential.command("list")
@as_json
def list_credentials(is_json: bool) -> None:
    """Credentials, and how many projects use each."""
    rows = credentials.list_credentials(1, MAX_PAGE_SIZE).items
    if is_json:
        return print_json(GitCredentialSchema(many=True).dump(rows))
    return print_table(("ID", "NAME", "KIND", "HOST", "USER", "LAST USED", "PROJECTS"), (_cells(row) for row in rows))


@credential.command("delete")
@click.argument("name")
def delete_credential(name: str) -> None:
    """Forget a credential that no project uses."""
    credentials.delete_credential(credentials.get_credential_by_name(name).id, actor())
    click.echo(f"Deleted the git credential {name}")


def _token(stream: IO[str] | None) -> dict[str, Any]:
    return {"kind": CredentialKind.HTTPS.value, "token": read_secret(stream, "Token").reveal()}


def _key(file: IO[str], passphrase_stdin: bool) -> dict[str, Any]:
    passphrase = read_secret(sys.stdin, "Passphrase").reveal() if passphrase_stdin else None
    return {"kind": CredentialKind.SSH.value, "private_key": file.read(), "passphrase": passphrase}


def _cells(row: GitCredential) -> tuple[object, ...]:
    uses = len(credentials.projects_using(row.id))
    return row.id, row.name, row.kind.value, credentials.place_of(row), row.username, row.last_used_at, uses
