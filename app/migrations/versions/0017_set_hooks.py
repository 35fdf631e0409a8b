"""Webhooks of whole project sets, and the runs that they ask for.

Revision ID: 0017
Revises: 0016
Create Date: 2026-11-25 20:40:00
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_OUTCOMES = ("queued", "joined", "waiting", "refused", "ignored", "unsigned", "replayed", "unreadable")
_OWNER = "one_owner"
_SET, _RUN, _RUN_OF_DELIVERY = (
    "fk_hook_set_id_project_set",
    "fk_hook_run_id_run",
    "fk_hook_delivery_run_id_run",
)


def upgrade() -> None:
    with _copied("hook", _hook(is_for_sets=False)) as table:
        table.alter_column("project_id", existing_type=sa.Integer(), nullable=True)
        for name in ("set_id", "concurrency", "max_failures", "run_id"):
            table.add_column(sa.Column(name, sa.Integer(), nullable=True))
        table.create_foreign_key(_SET, "project_set", ["set_id"], ["id"], ondelete="CASCADE")
        table.create_foreign_key(_RUN, "run", ["run_id"], ["id"], ondelete="SET NULL")
        table.create_check_constraint(op.f(f"ck_hook_{_OWNER}"), "(project_id IS NULL) <> (set_id IS NULL)")
        table.create_index("ix_hook_set_id", ["set_id"])
        table.create_index("ix_hook_run_id", ["run_id"])
    with op.batch_alter_table("hook_delivery", copy_from=_delivery()) as table:
        table.add_column(sa.Column("run_id", sa.Integer(), nullable=True))
        table.create_foreign_key(_RUN_OF_DELIVERY, "run", ["run_id"], ["id"], ondelete="SET NULL")
        table.create_index("ix_hook_delivery_run_id", ["run_id"])


def downgrade() -> None:
    """Hooks of sets are none before."""
    op.execute("DELETE FROM hook_delivery WHERE hook_id IN (SELECT id FROM hook WHERE project_id IS NULL)")
    op.execute("DELETE FROM hook_seen WHERE hook_id IN (SELECT id FROM hook WHERE project_id IS NULL)")
    op.execute("DELETE FROM hook WHERE project_id IS NULL")
    with op.batch_alter_table("hook_delivery", copy_from=_delivery(*_run_of_delivery())) as table:
        table.drop_index("ix_hook_delivery_run_id")
        table.drop_constraint(_RUN_OF_DELIVERY, type_="foreignkey")
        table.drop_column("run_id")
    with _copied("hook", _hook(is_for_sets=True)) as table:
        table.drop_constraint(op.f(f"ck_hook_{_OWNER}"), type_="check")
        for column, key in (("set_id", _SET), ("run_id", _RUN)):
            table.drop_index(f"ix_hook_{column}")
            table.drop_constraint(key, type_="foreignkey")
        for name in ("set_id", "concurrency", "max_failures", "run_id"):
            table.drop_column(name)
        table.alter_column("project_id", existing_type=sa.Integer(), nullable=False)


@contextmanager
def _copied(name: str, before: sa.Table) -> Iterator[Any]:
    """SQLite copies the table; the number that its next row gets must stay, since ids are not used twice."""
    bind = op.get_bind()
    is_sqlite = bind.dialect.name == "sqlite"
    told = {"name": name}
    last = bind.scalar(sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name"), told) if is_sqlite else None
    with op.batch_alter_table(name, copy_from=before) as table:
        yield table
    if last is not None:
        bind.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), told)
        bind.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), told | {"last": last})


def _hook(*, is_for_sets: bool) -> sa.Table:
    """The table before the migration, or after it; SQLite cannot tell all of it."""
    more: list[Any] = []
    if is_for_sets:
        more = [sa.Column(name, sa.Integer()) for name in ("set_id", "concurrency", "max_failures", "run_id")]
        more += [_key("hook", "set_id", "project_set", "CASCADE"), _key("hook", "run_id", "run", "SET NULL")]
        more += [sa.CheckConstraint("(project_id IS NULL) <> (set_id IS NULL)", name=f"ck_hook_{_OWNER}")]
    return sa.Table(
        "hook",
        _metadata("project", "project_set", "run"),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=is_for_sets),
        sa.Column("forge", _words("ck_hook_forgekind", "github", "gitlab", "gitea"), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("secret_sealed", sa.Text(), nullable=False),
        sa.Column("branch", sa.String(length=255), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("pull_wanted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_delivery_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_outcome", _words("ck_hook_hookoutcome", *_OUTCOMES), nullable=True),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        *more,
        _key("hook", "project_id", "project", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_hook"),
        sa.UniqueConstraint("token_hash", name="uq_hook_token_hash"),
        sa.UniqueConstraint("uid", name="uq_hook_uid"),
        *_indexes("hook"),
        sqlite_autoincrement=True,
    )


def _delivery(*more: Any) -> sa.Table:
    return sa.Table(
        "hook_delivery",
        _metadata("hook", "job", "run"),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hook_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("event", sa.String(length=64), nullable=True),
        sa.Column("branch", sa.String(length=255), nullable=True),
        sa.Column("outcome", _words("ck_hook_delivery_hookoutcome", *_OUTCOMES), nullable=False),
        sa.Column("detail", sa.String(length=512), nullable=True),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        *more,
        _key("hook_delivery", "hook_id", "hook", "CASCADE"),
        _key("hook_delivery", "job_id", "job", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_hook_delivery"),
        *_indexes("hook_delivery"),
    )


def _run_of_delivery() -> list[Any]:
    return [sa.Column("run_id", sa.Integer()), _key("hook_delivery", "run_id", "run", "SET NULL")]


def _key(table: str, column: str, other: str, ends: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}", ondelete=ends)


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=16)


def _metadata(*others: str) -> sa.MetaData:
    metadata = sa.MetaData()
    for name in others:
        sa.Table(name, metadata, sa.Column("id", sa.Integer(), primary_key=True))
    return metadata


def _indexes(table: str) -> list[sa.Index]:
    known = sa.inspect(op.get_bind()).get_indexes(table)
    named = [index for index in known if not str(index["name"]).startswith("uq_")]
    return [sa.Index(index["name"], *map(str, index["column_names"]), unique=index["unique"]) for index in named]
