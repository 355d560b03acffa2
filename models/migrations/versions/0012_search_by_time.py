"""Pages of one stretch of time, by indexes."""

from __future__ import annotations

from alembic import op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_search_pages_last_visited', 'search_pages', ['user_id', 'last_visited_at'])
    op.create_index('ix_search_pages_first_visited', 'search_pages', ['user_id', 'first_visited_at'])


def downgrade() -> None:
    op.drop_index('ix_search_pages_first_visited', table_name='search_pages')
    op.drop_index('ix_search_pages_last_visited', table_name='search_pages')
