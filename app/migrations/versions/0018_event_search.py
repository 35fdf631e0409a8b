"""Events are found by project and node, and every list of them walks along an index.

Revision ID: 0018
Revises: 0017
Create Date: 2026-11-25 20:50:00
"""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

KEEP: Final = {"sqlite_autoincrement": True}  # an id is never given twice
INDEXED: Final = ("action", "actor", "outcome", "node_name", "project_name")
EVENT: Final = sa.table("event", *(sa.column(name) for name in ("subject", "node_name", "project_name")))
JOB: Final = sa.table("job", sa.column("id"), sa.column("node_name"))
_JOB: Final = " (job "


def upgrade() -> None:
    op.drop_index("ix_event_action", "event")
    op.drop_index("ix_event_at", "event")
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    with op.batch_alter_table("event", recreate="always" if is_sqlite else "never", table_kwargs=KEEP) as event:
        event.add_column(sa.Column("node_name", sa.String(255), nullable=True))
        event.add_column(sa.Column("project_name", sa.String(255), nullable=True))
    _name_those_that_are_there()
    op.create_index("ix_event_at_id", "event", ["at", "id"])
    for name in INDEXED:
        op.create_index(f"ix_event_{name}_at_id", "event", [name, "at", "id"])


def downgrade() -> None:
    for name in ("at", *(f"{name}_at" for name in INDEXED)):
        op.drop_index(f"ix_event_{name}_id", "event")
    with op.batch_alter_table("event", table_kwargs=KEEP) as event:
        event.drop_column("project_name")
        event.drop_column("node_name")
    op.create_index("ix_event_action", "event", ["action"])
    op.create_index("ix_event_at", "event", ["at"])


def _name_those_that_are_there() -> None:
    """By their subjects: `node web-1`, `project shop (job 12)`, `hook 3 of project shop`. On which node a job was is
    known of those that are still there."""
    subject = EVENT.c.subject
    op.execute(sa.update(EVENT).where(subject.like("node %")).values(node_name=_up_to_job(_behind("node "))))
    op.execute(sa.update(EVENT).where(subject.like("project %")).values(project_name=_up_to_job(_behind("project "))))
    of_project = sa.or_(subject.like("hook % of project %"), subject.like("schedule % of project %"))
    op.execute(sa.update(EVENT).where(of_project).values(project_name=_behind(" of project ")))
    job_id = sa.cast(sa.func.replace(_behind(_JOB), ")", ""), sa.Integer)
    node = sa.select(JOB.c.node_name).where(JOB.c.id == job_id).scalar_subquery()
    op.execute(sa.update(EVENT).where(subject.like("project % (job %)")).values(node_name=node))


def _behind(mark: str) -> Any:
    return sa.func.substr(EVENT.c.subject, _place(EVENT.c.subject, mark) + len(mark))


def _up_to_job(text: Any) -> Any:
    return sa.func.substr(text, 1, _place(text.op("||")(_JOB), _JOB) - 1)


def _place(text: Any, mark: str) -> Any:
    """Of the first one, counted from 1."""
    return (sa.func.instr if op.get_bind().dialect.name == "sqlite" else sa.func.strpos)(text, mark)
