"""What a ledger row closes, so that what is open is a sum and not a search."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('ledger_entries', sa.Column('closes_tokens', sa.BigInteger(), server_default='0', nullable=False))


def downgrade() -> None:
    op.drop_column('ledger_entries', 'closes_tokens')
