"""Index the events that carry a page text, by session.

Every ten seconds the preparation of maps counts the texts of each open recording. Without the index it read all events
of all open recordings. Few events carry a text, so that the index is small and most inserts do not touch it. It is built
beside readers and writers, and suits the previous version.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0040'
down_revision = '0039'
branch_labels = None
depends_on = None

NAME = 'ix_events_session_texts'


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # A build that was interrupted leaves an index that no query uses.
        op.drop_index(NAME, table_name='events', if_exists=True, postgresql_concurrently=True)
        op.create_index(
            NAME,
            'events',
            ['session_id', 'content_key'],
            postgresql_where=sa.text('content_key IS NOT NULL'),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(NAME, table_name='events', if_exists=True, postgresql_concurrently=True)
