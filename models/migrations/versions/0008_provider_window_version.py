"""A version on the providers' shared state, for optimistic locking."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('provider_windows', sa.Column('version', sa.BigInteger(), server_default='0', nullable=False))


def downgrade() -> None:
    op.drop_column('provider_windows', 'version')
