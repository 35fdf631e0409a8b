"""Events are chained: each carries the hash of the one before it and its own.

Revision ID: 0011
Revises: 0010
Create Date: 2026-11-25 18:30:00
"""

import hashlib
import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

START = "0" * 64
BATCH = 1_000
KEEP = {"sqlite_autoincrement": True}  # an id is never given twice
FIELDS = ("id", "at", "actor", "address", "action", "subject", "outcome", "detail")
EVENT = sa.table(
    "event", *(sa.column(name) for name in FIELDS if name != "at"), sa.column("at", sa.DateTime(timezone=True)),
    sa.column("previous_hash"), sa.column("hash"),
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "event_chain",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("head_id", sa.Integer(), nullable=False),
        sa.Column("head_hash", sa.String(64), nullable=False),
        sa.Column("anchor_id", sa.Integer(), nullable=False),
        sa.Column("anchor_hash", sa.String(64), nullable=False),
        sa.CheckConstraint("id = 1", name="one_row"),
        sa.PrimaryKeyConstraint("id", name="pk_event_chain"),
    )
    with op.batch_alter_table("event", recreate="always" if op.get_bind().dialect.name == "sqlite" else "never", table_kwargs=KEEP) as event:
        event.add_column(sa.Column("previous_hash", sa.String(64), nullable=False, server_default=START))
        event.add_column(sa.Column("hash", sa.String(64), nullable=False, server_default=START))
    head_id, head_hash = _chain(op.get_bind())
    chain = sa.table("event_chain", *(sa.column(name) for name in ("id", "head_id", "head_hash")),
                     sa.column("anchor_id"), sa.column("anchor_hash"))  # fmt: skip
    row = {"id": 1, "head_id": head_id, "head_hash": head_hash, "anchor_id": 0, "anchor_hash": START}
    op.bulk_insert(chain, [row])


def downgrade() -> None:
    with op.batch_alter_table("event", table_kwargs=KEEP) as event:
        event.drop_column("hash")
        event.drop_column("previous_hash")
    op.drop_table("event_chain")


def _chain(connection: sa.Connection) -> tuple[int, str]:
    """What is there becomes the beginning of the chain, in the order of its ids."""
    last, previous = 0, START
    while rows := connection.execute(_after(last)).all():
        for row in rows:
            digest = _hash(row, previous)
            hashes = {"previous_hash": previous, "hash": digest}
            connection.execute(sa.update(EVENT).where(EVENT.c.id == row.id).values(hashes))
            last, previous = row.id, digest
    return last, previous


def _after(last: int) -> sa.Select:
    columns = [EVENT.c[name] for name in FIELDS]
    return sa.select(*columns).where(EVENT.c.id > last).order_by(EVENT.c.id).limit(BATCH)


def _hash(row: sa.Row, previous: str) -> str:
    fields = {name: getattr(row, name) for name in FIELDS} | {"at": _time(row.at), "previous_hash": previous}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _time(at: datetime) -> str:
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
