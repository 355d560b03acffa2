"""How many bytes of events and page texts each user has stored, counted once for what is there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'storage_usage',
        sa.Column('user_id', sa.UUID(), nullable=False),
        sa.Column('num_bytes', sa.BigInteger(), server_default='0', nullable=False),
        sa.Column('limit_bytes', sa.BigInteger(), nullable=True),
        sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.ForeignKeyConstraint(
            ['user_id'], ['users.id'], name=op.f('fk_storage_usage_user_id_users'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('user_id', name=op.f('pk_storage_usage')),
    )
    # octet_length does not read the texts themselves. 150 bytes for a row and its index entries.
    op.execute("""
        INSERT INTO storage_usage (user_id, num_bytes)
        SELECT user_id, sum(num_bytes) FROM (
            SELECT s.user_id, octet_length(e.payload) + 150 AS num_bytes
            FROM events e JOIN browsing_sessions s ON s.id = e.session_id
            UNION ALL SELECT user_id, octet_length(text) + 150 FROM page_contents
            UNION ALL SELECT s.user_id, 150 FROM event_rejections r JOIN browsing_sessions s ON s.id = r.session_id
        ) stored GROUP BY user_id
    """)


def downgrade() -> None:
    op.drop_table('storage_usage')
