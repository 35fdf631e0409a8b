"""`secrets`: what is stored sealed, and the master key that it is sealed under."""

import click

from app.cli.act import Acts, actor
from app.plurals import counted
from app.redaction import printable
from app.services import sealing
from app.services.sealing import Report


@click.group(cls=Acts)
def secrets() -> None:
    """Stored secrets, and the master key."""


@secrets.command("verify")
def verify_secrets() -> None:
    """Open every stored secret once; exit status 1 when one does not open."""
    report = sealing.verify()
    click.echo(f"{counted(report.count, 'secret opens', 'secrets open')}.")
    _end(report)


@secrets.command("rotate")
def rotate_secrets() -> None:
    """Seal every stored secret under a new master key; after an interruption: go on."""
    report = sealing.rotate(actor())
    click.echo(f"{counted(report.count, 'secret')} sealed under the new master key.")
    if report.retired is not None:
        click.echo(
            f"The old key is now {report.retired}: backups of the database from before need it. Bareboat does not."
        )
    click.echo(
        "Copy the new key to another place than the database's backups. Restart Bareboat: all sessions end then."
    )
    _end(report)


def _end(report: Report) -> None:
    for line in report.unreadable:
        click.echo(printable(line), err=True)
    if report.unreadable:
        count = counted(len(report.unreadable), "stored secret does", "stored secrets do")
        raise click.ClickException(f"{count} not open, and stayed as they were. Upload them again.")
