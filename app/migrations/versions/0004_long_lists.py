"""Indexes for long lists: each filter and each order of projects and jobs has one.

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-22 12:00:00
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_project_status", table_name="project")
    op.create_index("ix_project_created_at", "project", ["created_at"])
    op.create_index("ix_project_last_synced_at", "project", ["last_synced_at"])
    op.create_index("ix_project_status_name_folded", "project", ["status", "name_folded"])
    op.create_index("ix_job_created_at", "job", ["created_at"])
    op.create_index("ix_job_finished_at", "job", ["finished_at"])
    op.create_index("ix_job_kind_id", "job", ["kind", "id"])


def downgrade() -> None:
    for name in ("ix_job_kind_id", "ix_job_finished_at", "ix_job_created_at"):
        op.drop_index(name, table_name="job")
    for name in ("ix_project_status_name_folded", "ix_project_last_synced_at", "ix_project_created_at"):
        op.drop_index(name, table_name="project")
    op.create_index("ix_project_status", "project", ["status"])
