"""Runs: one act on many projects or nodes; and what a job has come to, beyond its state.

Revision ID: 0009
Revises: 0008
Create Date: 2026-11-25 18:00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_RUN = ("RUNNING", "SUCCEEDED", "FAILED", "CANCELLED")
_MEMBER = ("waiting", "running", "ok", "changed", "failed", "unreachable", "skipped")


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=16)


def upgrade() -> None:
    op.add_column("job", sa.Column("result", sa.JSON(), nullable=True))
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("state", _words("runstate", *_RUN), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("max_failures", sa.Integer(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("retry_of_id", sa.Integer(), nullable=True),
        sa.Column("requested_by", sa.String(length=255), nullable=False),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["retry_of_id"], ["run.id"], name="fk_run_retry_of_id_run", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_run_finished_at", "run", ["finished_at"])
    op.create_index("ix_run_kind_id", "run", ["kind", "id"])
    op.create_index("ix_run_retry_of_id", "run", ["retry_of_id"])
    op.create_index("ix_run_state_id", "run", ["state", "id"])
    op.create_table(
        "run_member",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("project_name", sa.String(length=63), nullable=True),
        sa.Column("node_id", sa.Integer(), nullable=True),
        sa.Column("node_name", sa.String(length=255), nullable=True),
        sa.Column("state", _words("memberstate", *_MEMBER), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("error_code", sa.String(length=32), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_member_run_id_run", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name="fk_run_member_project_id_project", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name="fk_run_member_node_id_node", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_run_member_job_id_job", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_run_member"),
    )
    op.create_index("ix_run_member_job_id", "run_member", ["job_id"])
    op.create_index("ix_run_member_node_id", "run_member", ["node_id"])
    op.create_index("ix_run_member_project_id", "run_member", ["project_id"])
    op.create_index("ix_run_member_run_id_state", "run_member", ["run_id", "state"])


def downgrade() -> None:
    for table in ("run_member", "run"):
        op.drop_table(table)  # its indexes go with it
    op.drop_column("job", "result")
