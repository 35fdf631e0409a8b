"""What must be true before this process serves: tables of this version, and the master key that belongs to them."""

import logging
from contextlib import suppress

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError, IntegrityError

from app.db import db, release, unit_of_work
from app.errors import DatabaseNotCurrent, SecretUnreadable
from app.models import Installation, SSHKey
from app.models.installation import THE_ONE
from app.secrets import LockedVault, Vault
from app.services.runtime import runtime

logger = logging.getLogger(__name__)

_UPGRADE = "flask --app wsgi db upgrade"


def ensure_servable() -> None:
    """Raises MasterKeyMissing, DatabaseNotCurrent or SecretUnreadable: one clear line, not many failures later."""
    runtime().vault.derive("start")
    ensure_current_schema()
    ensure_own_master_key()


def ensure_own_master_key() -> None:
    """Raises SecretUnreadable when this database's secrets are sealed under another master key than ours.

    A database that does not say yet under which is told, unless a stored key shows that it is another.
    """
    vault = runtime().vault
    if isinstance(vault, LockedVault):
        return  # whatever needs the key says that it is missing
    canary = db.session.scalar(select(Installation.canary)) or _adopt(vault)
    release()
    _ensure_opens(vault, canary)
    if vault.needs_resealing(canary):
        logger.warning("a rotation of the master key is unfinished; run: flask --app wsgi secrets rotate")


def accept_master_key() -> None:
    """From now on this database belongs to our master key. What is sealed under another stays shut, each by itself."""
    with unit_of_work() as session:
        session.merge(Installation(id=THE_ONE, canary=runtime().vault.seal_canary()))


def ensure_current_schema() -> None:
    """Raises DatabaseNotCurrent when the database's migrations are not exactly the code's."""
    scripts = ScriptDirectory(current_app.extensions["migrate"].directory)
    there, wanted = _revisions(), set(scripts.get_heads())
    if there == wanted:
        return
    if not there:
        raise DatabaseNotCurrent("The database has no tables yet; run 'flask --app wsgi init'.")
    known = {script.revision for script in scripts.walk_revisions()}
    if there <= known:
        raise DatabaseNotCurrent(f"The database is older than this version of Bareboat; run '{_UPGRADE}'.")
    raise DatabaseNotCurrent(
        f"The database is newer than this version of Bareboat (revision {', '.join(sorted(there - known))}); "
        "start the version that made it, or bring back a backup."
    )


def _adopt(vault: Vault) -> str:
    for sealed in db.session.scalars(select(SSHKey.private_key_sealed).limit(1)):
        if not vault.knows(sealed):
            raise _wrong(sealed)
    with suppress(IntegrityError), unit_of_work() as session:  # where another process is quicker, its key counts
        session.add(Installation(canary=vault.seal_canary()))
    return db.session.scalars(select(Installation.canary)).one()


def _ensure_opens(vault: Vault, canary: str) -> None:
    try:
        vault.check_canary(canary)
    except SecretUnreadable as error:
        raise _wrong(canary) from error


def _wrong(sealed: str) -> SecretUnreadable:
    key_id = sealed.split(":")[1]
    return SecretUnreadable(
        f"This database's secrets are sealed under the master key {key_id}, and the one here is another; "
        "put that one back. If it is lost: 'flask --app wsgi init --accept-master-key', then upload the secrets again."
    )


def _revisions() -> set[str]:
    """The revisions that the database says it is at. No transaction stays open."""
    try:
        with db.engine.connect() as connection:
            return set(MigrationContext.configure(connection).get_current_heads())
    except DatabaseError as error:
        raise DatabaseNotCurrent(f"The database cannot be read ({error.orig}); see SQLALCHEMY_DATABASE_URI.") from error
