"""sharing_search_plans_audit

Revision: 0004
After: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Both are trusted: the owner of the database may create them.
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gin")
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.create_table('audit_log',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('actor_id', sa.Uuid(), nullable=True),
    sa.Column('action', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('facts', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_log'))
    )
    op.create_index('ix_audit_log_at', 'audit_log', [sa.literal_column('at DESC'), 'id'], unique=False)
    op.create_table('subscriptions',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('plan', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('current_period_start', sa.DateTime(timezone=True), nullable=False),
    sa.Column('current_period_end', sa.DateTime(timezone=True), nullable=False),
    sa.Column('cancel_at_period_end', sa.Boolean(), server_default='false', nullable=False),
    sa.Column('stripe_subscription_id', sa.Text(), nullable=True),
    sa.Column('stripe_customer_id', sa.Text(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("plan IN ('free', 'pro', 'enterprise')", name=op.f('ck_subscriptions_plan')),
    sa.CheckConstraint("status IN ('active', 'canceled', 'past_due', 'trialing')", name=op.f('ck_subscriptions_status')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_subscriptions_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_subscriptions')),
    sa.UniqueConstraint('stripe_subscription_id', name=op.f('uq_subscriptions_stripe_subscription_id'))
    )
    op.create_index(op.f('ix_subscriptions_user_id'), 'subscriptions', ['user_id'], unique=False)
    op.create_index('uq_subscriptions_current', 'subscriptions', ['user_id'], unique=True, postgresql_where=sa.text("status IN ('active', 'past_due', 'trialing')"))
    op.create_table('search_pages',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.Column('page_id', sa.Text(), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('domain', sa.Text(), nullable=False),
    sa.Column('title', sa.Text(), nullable=True),
    sa.Column('topics', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('highlights', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('content_key', sa.Uuid(), nullable=True),
    sa.Column('first_visited_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_visited_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('dwell_ms', sa.BigInteger(), nullable=False),
    sa.Column('attention', sa.Double(), nullable=False),
    sa.Column('head', postgresql.TSVECTOR(), nullable=False),
    sa.Column('body', postgresql.TSVECTOR(), nullable=False),
    sa.Column('partial', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_search_pages_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_search_pages_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_search_pages'))
    )
    op.create_index('ix_search_pages_attention', 'search_pages', ['user_id', sa.literal_column('attention DESC'), 'id'], unique=False)
    op.create_index('ix_search_pages_body', 'search_pages', ['user_id', 'body'], unique=False, postgresql_using='gin')
    op.create_index('ix_search_pages_head', 'search_pages', ['user_id', 'head'], unique=False, postgresql_using='gin')
    op.create_index('ix_search_pages_partial', 'search_pages', ['user_id', 'partial'], unique=False, postgresql_using='gin', postgresql_ops={'partial': 'gin_trgm_ops'})
    op.create_index('ix_search_pages_session_id', 'search_pages', ['session_id'], unique=False)
    op.create_table('search_state',
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.Column('map_version', sa.Integer(), nullable=True),
    sa.Column('index_version', sa.Integer(), nullable=False),
    sa.Column('indexed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_search_state_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('session_id', name=op.f('pk_search_state'))
    )
    op.create_table('share_links',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('shows', sa.Text(), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("shows IN ('map', 'pages', 'highlights')", name=op.f('ck_share_links_shows')),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_share_links_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_share_links_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_share_links'))
    )
    op.create_index(op.f('ix_share_links_session_id'), 'share_links', ['session_id'], unique=False)
    op.create_index(op.f('ix_share_links_user_id'), 'share_links', ['user_id'], unique=False)



def downgrade() -> None:

    op.drop_index(op.f('ix_share_links_user_id'), table_name='share_links')
    op.drop_index(op.f('ix_share_links_session_id'), table_name='share_links')
    op.drop_table('share_links')
    op.drop_table('search_state')
    op.drop_index('ix_search_pages_session_id', table_name='search_pages')
    op.drop_index('ix_search_pages_partial', table_name='search_pages', postgresql_using='gin', postgresql_ops={'partial': 'gin_trgm_ops'})
    op.drop_index('ix_search_pages_head', table_name='search_pages', postgresql_using='gin')
    op.drop_index('ix_search_pages_body', table_name='search_pages', postgresql_using='gin')
    op.drop_index('ix_search_pages_attention', table_name='search_pages')
    op.drop_table('search_pages')
    op.drop_index('uq_subscriptions_current', table_name='subscriptions', postgresql_where=sa.text("status IN ('active', 'past_due', 'trialing')"))
    op.drop_index(op.f('ix_subscriptions_user_id'), table_name='subscriptions')
    op.drop_table('subscriptions')
    op.drop_index('ix_audit_log_at', table_name='audit_log')
    op.drop_table('audit_log')

