"""When a login was proved by a secret of its owner, and the number by which the picture links of a session end."""

from __future__ import annotations

from alembic import op

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without a default that is computed per row, both statements change the catalogue only. The previous code leaves
    # the time of its logins empty: such a login proves nothing, and its owner logs in again to close the account.
    op.execute("ALTER TABLE login_families ADD COLUMN authenticated_at timestamptz")
    op.execute("ALTER TABLE browsing_sessions ADD COLUMN picture_links_revoked integer NOT NULL DEFAULT 0")


def downgrade() -> None:
    op.execute("ALTER TABLE browsing_sessions DROP COLUMN picture_links_revoked")
    op.execute("ALTER TABLE login_families DROP COLUMN authenticated_at")
