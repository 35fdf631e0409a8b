"""Git credentials, the host keys of git servers, and which credential a project uses.

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-22 12:00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_STATUSES = ("PENDING", "SYNCING", "ACTIVE", "ERROR", "DELETING")


def upgrade() -> None:
    op.create_table(
        "git_credential",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("kind", _words("credentialkind", "https", "ssh"), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.Column("username", sa.String(length=255), nullable=False),
        sa.Column("secret_sealed", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_git_credential"),
        sa.UniqueConstraint("name", name="uq_git_credential_name"),
        sa.UniqueConstraint("uid", name="uq_git_credential_uid"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "git_host",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("offered_host_keys", sa.JSON(), nullable=False),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_git_host"),
        sa.UniqueConstraint("host", "port", name="uq_git_host_host_port"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "git_host_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("git_host_id", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("pinned_by", sa.String(length=255), nullable=False),
        sa.Column("pinned_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["git_host_id"], ["git_host.id"], name="fk_git_host_key_git_host_id_git_host", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_git_host_key"),
        sa.UniqueConstraint("git_host_id", "public_key", name="uq_git_host_key_git_host_id_public_key"),
    )
    _add_to_project()


def downgrade() -> None:
    with op.batch_alter_table("project", copy_from=_project("git_credential_id")) as table:
        table.drop_index("ix_project_git_credential_id")
        table.drop_constraint("fk_project_git_credential_id_git_credential", type_="foreignkey")
        table.drop_column("git_credential_id")
    for name in ("git_host_key", "git_host", "git_credential"):
        op.drop_table(name)


def _add_to_project() -> None:
    """SQLite copies the table; the number that its next row gets must stay, since ids are not used twice."""
    bind = op.get_bind()
    is_sqlite = bind.dialect.name == "sqlite"
    last = bind.scalar(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'project'")) if is_sqlite else None
    with op.batch_alter_table("project", copy_from=_project()) as table:
        table.add_column(sa.Column("git_credential_id", sa.Integer(), nullable=True))
        table.create_foreign_key(
            "fk_project_git_credential_id_git_credential",
            "git_credential",
            ["git_credential_id"],
            ["id"],
            ondelete="RESTRICT",
        )
        table.create_index("ix_project_git_credential_id", ["git_credential_id"])
    if last is not None:
        bind.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = 'project'"))
        bind.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('project', :last)"), {"last": last})


def _project(*more: str) -> sa.Table:
    """The table as it is before (or, with more columns, after) this migration; SQLite cannot tell all of it."""
    metadata = sa.MetaData()
    sa.Table("git_credential", metadata, sa.Column("id", sa.Integer(), primary_key=True))
    sa.Table("node", metadata, sa.Column("id", sa.Integer(), primary_key=True))
    credential = [sa.Column(name, sa.Integer(), nullable=True) for name in more]
    constraints = [
        sa.ForeignKeyConstraint(
            [name], ["git_credential.id"], name=f"fk_project_{name}_git_credential", ondelete="RESTRICT"
        )
        for name in more
    ]
    known = sa.inspect(op.get_bind()).get_indexes("project")
    indexes = [sa.Index(index["name"], *map(str, index["column_names"]), unique=index["unique"]) for index in known]
    return sa.Table(
        "project",
        metadata,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("name_folded", sa.String(length=63), nullable=False),
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("git_url", sa.String(length=2048), nullable=False),
        sa.Column("branch", sa.String(length=255), nullable=True),
        sa.Column("depth", sa.Integer(), nullable=True),
        sa.Column("submodules", sa.Boolean(), nullable=False),
        sa.Column("status", _words("ck_project_projectstatus", *_STATUSES), nullable=False),
        sa.Column("error_code", sa.String(length=32), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("head", sa.String(length=64), nullable=True),
        sa.Column("head_subject", sa.String(length=512), nullable=True),
        sa.Column("cloned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        *credential,
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name="fk_project_node_id_node", ondelete="RESTRICT"),
        *constraints,
        sa.PrimaryKeyConstraint("id", name="pk_project"),
        *indexes,
        sqlite_autoincrement=True,
    )


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=16)
