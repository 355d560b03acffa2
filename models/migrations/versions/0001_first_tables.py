"""Accounts, sessions, events, maps, and the job queue's own tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('users',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('email', sa.Text(), nullable=False),
    sa.Column('password_hash', sa.Text(), nullable=True),
    sa.Column('google_id', sa.Text(), nullable=True),
    sa.Column('avatar_url', sa.Text(), nullable=True),
    sa.Column('auth_provider', sa.Text(), server_default='email', nullable=False),
    sa.Column('email_verified_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('role', sa.Text(), server_default='user', nullable=False),
    sa.Column('status', sa.Text(), server_default='active', nullable=False),
    sa.Column('token_version', sa.Integer(), server_default='0', nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("role IN ('user', 'admin')", name=op.f('ck_users_role')),
    sa.CheckConstraint("status IN ('active', 'inactive')", name=op.f('ck_users_status')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_users')),
    sa.UniqueConstraint('google_id', name=op.f('uq_users_google_id'))
    )
    op.create_index('uq_users_email_lower', 'users', [sa.literal_column('lower(email)')], unique=True)
    op.create_table('browsing_sessions',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('title', sa.Text(), nullable=True),
    sa.Column('title_source', sa.Text(), nullable=True),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('summary', sa.Text(), nullable=True),
    sa.Column('status', sa.Text(), server_default='recording', nullable=False),
    sa.Column('failure_reason', sa.Text(), nullable=True),
    sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('num_pages', sa.Integer(), server_default='0', nullable=False),
    sa.Column('num_visits', sa.Integer(), server_default='0', nullable=False),
    sa.Column('num_highlights', sa.Integer(), server_default='0', nullable=False),
    sa.Column('num_events', sa.Integer(), server_default='0', nullable=False),
    sa.Column('dwell_ms', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('keywords', postgresql.ARRAY(sa.Text()), server_default='{}', nullable=False),
    sa.Column('client_session_id', sa.Text(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("status IN ('recording', 'paused', 'processing', 'completed', 'failed')", name=op.f('ck_browsing_sessions_status')),
    sa.CheckConstraint("title_source IN ('user', 'generated')", name=op.f('ck_browsing_sessions_title_source')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_browsing_sessions_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_browsing_sessions'))
    )
    op.create_index('ix_browsing_sessions_open', 'browsing_sessions', ['updated_at'], unique=False, postgresql_where=sa.text("status IN ('recording', 'paused')"))
    op.create_index(op.f('ix_browsing_sessions_user_id'), 'browsing_sessions', ['user_id'], unique=False)
    op.create_index('ix_browsing_sessions_user_started', 'browsing_sessions', ['user_id', sa.literal_column('started_at DESC'), sa.literal_column('id DESC')], unique=False)
    op.create_index('uq_browsing_sessions_client', 'browsing_sessions', ['user_id', 'client_session_id'], unique=True, postgresql_where=sa.text('client_session_id IS NOT NULL'))
    op.create_table('page_contents',
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('content_key', sa.Uuid(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_page_contents_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', 'content_key', name=op.f('pk_page_contents'))
    )
    op.create_table('user_settings',
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('language', sa.Text(), server_default='ko', nullable=False),
    sa.Column('theme', sa.Text(), server_default='system', nullable=False),
    sa.Column('email_notifications', sa.Boolean(), server_default='true', nullable=False),
    sa.Column('excluded_domains', postgresql.ARRAY(sa.Text()), server_default='{}', nullable=False),
    sa.Column('capture', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('when_out_of_tokens', sa.Text(), server_default='local', nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("language IN ('ko', 'en')", name=op.f('ck_user_settings_language')),
    sa.CheckConstraint("theme IN ('light', 'dark', 'system')", name=op.f('ck_user_settings_theme')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_user_settings_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', name=op.f('pk_user_settings'))
    )
    op.create_table('duplicate_tallies',
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.Column('num_duplicates', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_duplicate_tallies_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('session_id', name=op.f('pk_duplicate_tallies'))
    )
    op.create_table('event_rejections',
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.Column('event_key', sa.Uuid(), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=True),
    sa.Column('verdict', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("verdict IN ('excluded', 'invalid')", name=op.f('ck_event_rejections_verdict')),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_event_rejections_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('session_id', 'event_key', name=op.f('pk_event_rejections'))
    )
    op.create_table('events',
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.Column('event_key', sa.Uuid(), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=True),
    sa.Column('type', sa.Text(), nullable=False),
    sa.Column('occurred_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('content_key', sa.Uuid(), nullable=True),
    sa.Column('payload', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_events_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('session_id', 'event_key', name=op.f('pk_events'))
    )
    op.create_table('mindmaps',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.Column('status', sa.Text(), server_default='pending', nullable=False),
    sa.Column('stage', sa.Text(), nullable=True),
    sa.Column('percent', sa.Integer(), server_default='0', nullable=False),
    sa.Column('error_message', sa.Text(), nullable=True),
    sa.Column('current_version', sa.Integer(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("status IN ('pending', 'generating', 'completed', 'failed')", name=op.f('ck_mindmaps_status')),
    sa.CheckConstraint('percent BETWEEN 0 AND 100', name=op.f('ck_mindmaps_percent')),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_mindmaps_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_mindmaps')),
    sa.UniqueConstraint('session_id', name=op.f('uq_mindmaps_session_id'))
    )
    op.create_table('session_transitions',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_session_transitions_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_session_transitions'))
    )
    op.create_index(op.f('ix_session_transitions_session_id'), 'session_transitions', ['session_id'], unique=False)
    op.create_table('visits',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.Column('ordinal', sa.Integer(), nullable=False),
    sa.Column('page_id', sa.Text(), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('title', sa.Text(), nullable=True),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('dwell_ms', sa.BigInteger(), nullable=False),
    sa.Column('max_scroll_depth', sa.Double(), nullable=False),
    sa.Column('is_revisit', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('content_key', sa.Uuid(), nullable=True),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_visits_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_visits'))
    )
    op.create_index('ix_visits_session_ordinal', 'visits', ['session_id', 'ordinal'], unique=True)
    op.create_table('highlights',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.Column('visit_id', sa.UUID(), nullable=True),
    sa.Column('page_id', sa.Text(), nullable=True),
    sa.Column('url', sa.Text(), nullable=True),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('selector', sa.Text(), nullable=True),
    sa.Column('color', sa.Text(), server_default='#FFFF00', nullable=False),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('occurred_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_highlights_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['visit_id'], ['visits.id'], name=op.f('fk_highlights_visit_id_visits'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_highlights'))
    )
    op.create_index(op.f('ix_highlights_session_id'), 'highlights', ['session_id'], unique=False)
    op.create_index(op.f('ix_highlights_visit_id'), 'highlights', ['visit_id'], unique=False)
    op.create_table('mindmap_versions',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('mindmap_id', sa.UUID(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('data', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('input_digest', sa.Text(), nullable=False),
    sa.Column('provider', sa.Text(), nullable=False),
    sa.Column('model', sa.Text(), nullable=True),
    sa.Column('cost_micros', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('scorecard', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['mindmap_id'], ['mindmaps.id'], name=op.f('fk_mindmap_versions_mindmap_id_mindmaps'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_mindmap_versions'))
    )
    op.create_index('uq_mindmap_versions_number', 'mindmap_versions', ['mindmap_id', 'number'], unique=True)
    # procrastinate's schema is one script of many statements, and it holds per cent signs, so it goes to the driver without parameters.
    connection: Any = op.get_bind().connection.driver_connection
    connection.execute(SchemaManager.get_schema())


def downgrade() -> None:
    raise NotImplementedError("the first migration has nothing before it; drop the database instead")
