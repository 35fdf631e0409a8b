"""Project sets, and which one a project is a member of.

Revision ID: 0016
Revises: 0015
Create Date: 2026-11-25 19:10:00
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_STATUSES = ("PENDING", "SYNCING", "ACTIVE", "ERROR", "DELETING")
_KEY = "fk_project_set_id_project_set"


def upgrade() -> None:
    op.create_table(
        "project_set",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("name_folded", sa.String(length=63), nullable=False),
        sa.Column("git_url", sa.String(length=2048), nullable=False),
        sa.Column("branch", sa.String(length=255), nullable=True),
        sa.Column("git_credential_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["git_credential_id"],
            ["git_credential.id"],
            name="fk_project_set_git_credential_id_git_credential",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_project_set"),
        sa.UniqueConstraint("name_folded", name="uq_project_set_name_folded"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_project_set_git_credential_id", "project_set", ["git_credential_id"])
    with _project_table(_project()) as table:
        table.add_column(sa.Column("set_id", sa.Integer(), nullable=True))
        table.create_foreign_key(_KEY, "project_set", ["set_id"], ["id"], ondelete="SET NULL")
        table.create_index("ix_project_set_id", ["set_id"])


def downgrade() -> None:
    with _project_table(_project(sa.Column("set_id", sa.Integer(), nullable=True))) as table:
        table.drop_index("ix_project_set_id")
        table.drop_constraint(_KEY, type_="foreignkey")
        table.drop_column("set_id")
    op.drop_table("project_set")


@contextmanager
def _project_table(before: sa.Table) -> Iterator[Any]:
    """SQLite copies the table; the number that its next row gets must stay, since ids are not used twice."""
    bind = op.get_bind()
    is_sqlite = bind.dialect.name == "sqlite"
    last = bind.scalar(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'project'")) if is_sqlite else None
    with op.batch_alter_table("project", copy_from=before) as table:
        yield table
    if last is not None:
        bind.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = 'project'"))
        bind.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('project', :last)"), {"last": last})


def _project(*more: sa.Column[Any]) -> sa.Table:
    """The table as it is now, with `more` that this migration has added; SQLite cannot tell all of it."""
    metadata = sa.MetaData()
    others = {"node_id": "node", "git_credential_id": "git_credential", "set_id": "project_set"}
    for name in others.values():
        sa.Table(name, metadata, sa.Column("id", sa.Integer(), primary_key=True))
    known = sa.inspect(op.get_bind()).get_indexes("project")
    indexes = [sa.Index(index["name"], *map(str, index["column_names"]), unique=index["unique"]) for index in known]
    statuses = sa.Enum(*_STATUSES, name="ck_project_projectstatus", native_enum=False, create_constraint=True, length=16)
    return sa.Table(
        "project",
        metadata,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("name_folded", sa.String(length=63), nullable=False),
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("git_url", sa.String(length=2048), nullable=False),
        sa.Column("branch", sa.String(length=255), nullable=True),
        sa.Column("depth", sa.Integer(), nullable=True),
        sa.Column("submodules", sa.Boolean(), nullable=False),
        sa.Column("status", statuses, nullable=False),
        sa.Column("error_code", sa.String(length=32), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("head", sa.String(length=64), nullable=True),
        sa.Column("head_subject", sa.String(length=512), nullable=True),
        sa.Column("cloned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("git_credential_id", sa.Integer(), nullable=True),
        sa.Column("allow_own_playbooks", sa.Boolean(), server_default=sa.false(), nullable=False),
        *more,
        *(
            _foreign_key(name, others[name])
            for name in ("node_id", "git_credential_id", *(column.name for column in more))
        ),
        sa.PrimaryKeyConstraint("id", name="pk_project"),
        *indexes,
        sqlite_autoincrement=True,
    )


def _foreign_key(column: str, table: str) -> sa.ForeignKeyConstraint:
    ends = "SET NULL" if table == "project_set" else "RESTRICT"
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=f"fk_project_{column}_{table}", ondelete=ends)
