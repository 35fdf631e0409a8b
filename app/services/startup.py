"""What must be true before this process serves: a master key that opens, and tables of this version."""

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy.exc import DatabaseError

from app.db import db
from app.errors import DatabaseNotCurrent
from app.services.runtime import runtime

_UPGRADE = "flask --app wsgi db upgrade"


def ensure_servable() -> None:
    """Raises MasterKeyMissing or DatabaseNotCurrent: one clear line instead of a page of failures later."""
    runtime().vault.derive("start")
    ensure_current_schema()


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


def _revisions() -> set[str]:
    """The revisions that the database says it is at. No transaction stays open."""
    try:
        with db.engine.connect() as connection:
            return set(MigrationContext.configure(connection).get_current_heads())
    except DatabaseError as error:
        raise DatabaseNotCurrent(f"The database cannot be read ({error.orig}); see SQLALCHEMY_DATABASE_URI.") from error
