"""How many pages the extension excluded itself, so that both clients show the same count."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        'browsing_sessions',
        sa.Column('num_excluded_on_device', sa.Integer(), server_default='0', nullable=False),
    )


def downgrade() -> None:
    op.drop_column('browsing_sessions', 'num_excluded_on_device')
