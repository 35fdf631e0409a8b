"""Secrets at rest: sealing, opening all of them once, sealing all of them anew under another master key.

Order of a rotation: the new key becomes readable by everybody; the canary is sealed under it; then every row. Whoever
seals asks the canary in the same transaction, so that nothing is sealed under the old key once the canary has gone
over: a server that runs meanwhile takes up the new key by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from flask import current_app
from sqlalchemy import select, update

from app import keyring
from app.db import db, release, unit_of_work
from app.errors import SecretUnreadable, WrongState
from app.models import Installation
from app.models.sealed import SealedColumn, sealed_columns
from app.plurals import counted
from app.secrets import Secret, Vault
from app.services.events import Actor, event, record
from app.services.runtime import runtime

_BATCH: Final = 100


@dataclass(slots=True)
class Report:
    """`count` secrets were opened, or sealed anew; `unreadable` names those that no key here opens."""

    count: int = 0
    unreadable: list[str] = field(default_factory=list)
    retired: Path | None = None


def seal(secret: Secret, purpose: str) -> str:
    """Only inside the unit of work that stores it. Raises SecretUnreadable when the master key is not up to date."""
    vault = runtime().vault
    canary = db.session.scalar(select(Installation.canary).with_for_update(read=True))
    if canary is not None and isinstance(vault, Vault) and not vault.knows(canary):
        raise SecretUnreadable(
            f"The master key has been rotated to {canary.split(':')[1]}, which is not here; "
            "give this process the new key, then start it anew."
        )
    return vault.seal(secret, purpose)


def verify() -> Report:
    """Open every sealed secret once; nothing is kept of it."""
    report = Report()
    for column in sealed_columns():
        for rows in _batches(column, _has_text(column)):
            for row in rows:
                _open(column, row, report)
    return report


def rotate(actor: Actor) -> Report:
    """Seal everything under a new master key, or go on with a rotation that was interrupted; safe to kill anywhere.

    With the key in a file the new one is made here. With MASTER_KEY as a setting it is the admin who has changed it,
    and given the old one as MASTER_KEY_PREVIOUS: raises WrongState otherwise.
    """
    folder = Path(current_app.config["KEYS_DIR"])
    if current_app.config["MASTER_KEY"] is not None:
        _ensure_previous()
        return _reseal_all(actor)
    with keyring.rotating(folder):
        keyring.begin_rotation(folder)
        report = _reseal_all(actor)
        report.retired = keyring.end_rotation(folder)
    return report


def _ensure_previous() -> None:
    if current_app.config["MASTER_KEY_PREVIOUS"] is None:
        raise WrongState(
            "The master key is given by the setting MASTER_KEY: put a new one there and the present one into "
            "MASTER_KEY_PREVIOUS, start Bareboat anew, then run this again."
        )


def _reseal_all(actor: Actor) -> Report:
    vault = _current_vault()
    _reseal_canary(vault, actor)
    report = Report()
    for column in sealed_columns():
        foreign = _has_text(column) & column.column.not_like(f"v1:{vault.key_id}:%")
        for rows in _batches(column, foreign):
            _reseal(column, rows, vault, report)
    told = f"{counted(report.count, 'secret')} sealed anew"
    record(actor, "secrets.rotate", f"master key {vault.key_id}", "ok", told)
    return report


def _current_vault() -> Vault:
    """As the files say now."""
    folder, config = Path(current_app.config["KEYS_DIR"]), current_app.config
    current, *previous = keyring.load_keys(folder, config["MASTER_KEY"], config["MASTER_KEY_PREVIOUS"])
    runtime().vault = vault = Vault(current, tuple(previous))
    return vault


def _reseal_canary(vault: Vault, actor: Actor) -> None:
    with unit_of_work() as session:
        installation = session.scalars(select(Installation).with_for_update()).one()
        if not vault.needs_resealing(installation.canary):
            return
        vault.check_canary(installation.canary)
        old = installation.canary.split(":")[1]
        installation.canary = vault.seal_canary()
        session.add(event(actor, "secrets.rotate", f"master key {vault.key_id}", "requested", f"instead of {old}"))


def _reseal(column: SealedColumn, rows: list[Any], vault: Vault, report: Report) -> None:
    """A row that somebody else has changed or deleted meanwhile is left: what it holds now is sealed anew already."""
    opened = [(row, secret) for row in rows if (secret := _open(column, row, report)) is not None]
    values = [
        (row.id, getattr(row, column.attribute), vault.seal(text, getattr(row, column.purpose))) for row, text in opened
    ]
    release()
    with unit_of_work() as session:
        for row_id, before, after in values:
            same = (column.model.id == row_id) & (column.column == before)
            session.execute(update(column.model).where(same).values({column.attribute: after}))


def _open(column: SealedColumn, row: Any, report: Report) -> Secret | None:
    try:
        secret: Secret = runtime().vault.open(getattr(row, column.attribute), getattr(row, column.purpose))
    except SecretUnreadable as error:
        report.unreadable.append(f"{column} of row {row.id}: {error.message}")
        return None
    report.count += 1
    return secret


def _has_text(column: SealedColumn) -> Any:
    return column.column.is_not(None)


def _batches(column: SealedColumn, condition: Any) -> Iterator[list[Any]]:
    """By id, so that one that does not open is met once."""
    last = 0
    while True:
        wanted = select(column.model).where(column.model.id > last, condition).order_by(column.model.id).limit(_BATCH)
        rows = list(db.session.scalars(wanted).unique())
        if not rows:
            return release()
        last = rows[-1].id
        yield rows
        release()
