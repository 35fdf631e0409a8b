"""Whether a project's own playbooks may be run.

Revision ID: 0013
Revises: 0012
Create Date: 2026-11-25 19:10:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("project", sa.Column("allow_own_playbooks", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("project", table_kwargs={"sqlite_autoincrement": True}) as project:
        project.drop_column("allow_own_playbooks")
