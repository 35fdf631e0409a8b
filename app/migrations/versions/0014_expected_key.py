"""A node may be expected to show one new host key.

Revision ID: 0014
Revises: 0013
Create Date: 2026-11-25 19:10:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("node", sa.Column("key_window_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("node", sa.Column("key_window_by", sa.String(length=255), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("node") as batch:
        batch.drop_column("key_window_by")
        batch.drop_column("key_window_until")
