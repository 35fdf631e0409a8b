"""The trash of nodes.

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-25 18:30:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_INDEXED = ("git_credential_id", "job_id", "keep_until", "node_id")


def upgrade() -> None:
    op.create_table(
        "trash_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("git_url", sa.String(length=2048), nullable=False),
        sa.Column("branch", sa.String(length=255), nullable=True),
        sa.Column("depth", sa.Integer(), nullable=True),
        sa.Column("submodules", sa.Boolean(), nullable=False),
        sa.Column("git_credential_id", sa.Integer(), nullable=True),
        sa.Column("head", sa.String(length=64), nullable=True),
        sa.Column("head_subject", sa.String(length=512), nullable=True),
        sa.Column("cloned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_by", sa.String(length=255), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("keep_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name="fk_trash_entry_node_id_node", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["git_credential_id"],
            ["git_credential.id"],
            name="fk_trash_entry_git_credential_id_git_credential",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_trash_entry_job_id_job", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_trash_entry"),
        sa.UniqueConstraint("key", name="uq_trash_entry_key"),
        sqlite_autoincrement=True,
    )
    for name in _INDEXED:
        op.create_index(f"ix_trash_entry_{name}", "trash_entry", [name])


def downgrade() -> None:
    op.drop_table("trash_entry")
