"""Pages of one domain, subdomains included, by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        'ix_search_pages_domain',
        'search_pages',
        ['user_id', sa.func.reverse(sa.text('domain')).label('backwards')],
        postgresql_ops={'backwards': 'text_pattern_ops'},
    )


def downgrade() -> None:
    op.drop_index('ix_search_pages_domain', table_name='search_pages')
