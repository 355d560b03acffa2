"""Invoices whose payment waits for the customer's bank. Servers of the previous version leave the column at false."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0031'
down_revision = '0030'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('invoices', sa.Column('needs_action', sa.Boolean(), server_default='false', nullable=False))


def downgrade() -> None:
    op.drop_column('invoices', 'needs_action')
