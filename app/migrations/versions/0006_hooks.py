"""Webhooks: hooks of projects, what was heard by them, and what must not be heard twice.

Revision ID: 0006
Revises: 0005
Create Date: 2026-11-25 18:00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_OUTCOMES = ("queued", "joined", "waiting", "refused", "ignored", "unsigned", "replayed", "unreadable")


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=16)


def upgrade() -> None:
    op.create_table(
        "hook",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("forge", _words("forgekind", "github", "gitlab", "gitea"), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("secret_sealed", sa.Text(), nullable=False),
        sa.Column("branch", sa.String(length=255), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("pull_wanted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_delivery_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_outcome", _words("hookoutcome", *_OUTCOMES), nullable=True),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_hook_project_id_project", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_hook"),
        sa.UniqueConstraint("token_hash", name="uq_hook_token_hash"),
        sa.UniqueConstraint("uid", name="uq_hook_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_hook_project_id", "hook", ["project_id"])
    op.create_index("ix_hook_pull_wanted_at", "hook", ["pull_wanted_at"])

    op.create_table(
        "hook_seen",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hook_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["hook_id"], ["hook.id"], name="fk_hook_seen_hook_id_hook", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_hook_seen"),
        sa.UniqueConstraint("hook_id", "key", name="uq_hook_seen_hook_id_key"),
    )
    op.create_index("ix_hook_seen_created_at", "hook_seen", ["created_at"])

    op.create_table(
        "hook_delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hook_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("event", sa.String(length=64), nullable=True),
        sa.Column("branch", sa.String(length=255), nullable=True),
        sa.Column("outcome", _words("hookoutcome", *_OUTCOMES), nullable=False),
        sa.Column("detail", sa.String(length=512), nullable=True),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["hook_id"], ["hook.id"], name="fk_hook_delivery_hook_id_hook", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_hook_delivery_job_id_job", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_hook_delivery"),
    )
    op.create_index("ix_hook_delivery_hook_id_id", "hook_delivery", ["hook_id", "id"])
    op.create_index("ix_hook_delivery_job_id", "hook_delivery", ["job_id"])


def downgrade() -> None:
    for table in ("hook_delivery", "hook_seen", "hook"):
        op.drop_table(table)  # its indexes go with it
