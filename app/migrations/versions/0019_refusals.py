"""What a failed job is about, and how many commits a project has that its upstream has not.

Revision ID: 0019
Revises: 0018
Create Date: 2026-11-25 21:00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("error_details", sa.JSON(), nullable=True))
    op.add_column("project", sa.Column("ahead", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("project", "ahead")
    op.drop_column("job", "error_details")
