"""Since when a node's projects root is expected to have its mark.

Revision ID: 0020
Revises: 0019
Create Date: 2026-11-26 07:00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("node", sa.Column("root_marked_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("node", "root_marked_at")
