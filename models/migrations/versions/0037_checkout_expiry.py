"""Purchases need no time of expiry: Stripe says when a Checkout session has expired.

The previous version still writes and reads the column, so it goes one release later.
"""

from __future__ import annotations

from alembic import op

revision = '0037'
down_revision = '0036'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column('checkouts', 'expires_at', nullable=True)


def downgrade() -> None:
    op.execute("UPDATE checkouts SET expires_at = created_at + interval '1 hour' WHERE expires_at IS NULL")
    op.alter_column('checkouts', 'expires_at', nullable=False)
