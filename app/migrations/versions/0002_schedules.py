"""Schedules, and each time that one came due.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-22 11:20:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OUTCOMES = ("waiting", "queued", "skipped_overlap", "skipped_missed", "refused", "cancelled")


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=16)


def upgrade() -> None:
    op.create_table(
        "schedule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("cron", sa.String(length=255), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("overlap", _words("overlap", "skip", "queue", "replace"), nullable=False),
        sa.Column("catch_up", _words("catchup", "skip", "once"), nullable=False),
        sa.Column("next_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_job_id", sa.Integer(), nullable=True),
        sa.Column("last_outcome", _words("runoutcome", *_OUTCOMES), nullable=True),
        sa.Column("last_error_code", sa.String(length=32), nullable=True),
        sa.Column("last_error_message", sa.Text(), nullable=True),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name="fk_schedule_project_id_project", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["last_job_id"], ["job.id"], name="fk_schedule_last_job_id_job", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_schedule"),
        sa.UniqueConstraint("name", name="uq_schedule_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_schedule_last_job_id", "schedule", ["last_job_id"])
    op.create_index("ix_schedule_next_run_at", "schedule", ["next_run_at"])
    op.create_index("ix_schedule_project_id", "schedule", ["project_id"])

    op.create_table(
        "scheduled_run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("schedule_id", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("outcome", _words("runoutcome", *_OUTCOMES), nullable=False),
        sa.Column("error_code", sa.String(length=32), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedule.id"], name="fk_scheduled_run_schedule_id_schedule", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_scheduled_run_job_id_job", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_scheduled_run"),
        sa.UniqueConstraint("schedule_id", "due_at", name="uq_scheduled_run_schedule_id_due_at"),
    )
    op.create_index("ix_scheduled_run_created_at", "scheduled_run", ["created_at"])
    op.create_index("ix_scheduled_run_job_id", "scheduled_run", ["job_id"])
    op.create_index("ix_scheduled_run_outcome", "scheduled_run", ["outcome"])


def downgrade() -> None:
    for table in ("scheduled_run", "schedule"):
        op.drop_table(table)  # its indexes go with it
