"""When a session will go, as its user was told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('browsing_sessions', sa.Column('deletes_at', sa.DateTime(timezone=True), nullable=True))
    # The retention job asks for old sessions once an hour.
    op.create_index(
        'ix_browsing_sessions_kept', 'browsing_sessions', ['created_at'], postgresql_where=sa.text('deleted_at IS NULL')
    )


def downgrade() -> None:
    op.drop_index('ix_browsing_sessions_kept', table_name='browsing_sessions')
    op.drop_column('browsing_sessions', 'deletes_at')
