"""The number by which the picture links of a map over several sessions end."""

from __future__ import annotations

from alembic import op

revision = '0035'
down_revision = '0034'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With a constant default the statement changes the catalogue only; code of the previous version ignores the column.
    op.execute("ALTER TABLE joint_maps ADD COLUMN picture_links_revoked integer NOT NULL DEFAULT 0")


def downgrade() -> None:
    op.execute("ALTER TABLE joint_maps DROP COLUMN picture_links_revoked")
