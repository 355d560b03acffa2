"""Recent calls to AI providers are found without reading all of them. A BRIN index costs next to nothing to write."""

from __future__ import annotations

from alembic import op

revision = '0030'
down_revision = '0029'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_ai_calls_started_at', 'ai_calls', ['started_at'], postgresql_using='brin')


def downgrade() -> None:
    op.drop_index('ix_ai_calls_started_at', 'ai_calls')
