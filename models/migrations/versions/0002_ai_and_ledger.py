"""The token ledger, the log of AI calls, their settings, and the answers kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('provider_windows',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('state', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_provider_windows')),
    prefixes=['UNLOGGED']
    )
    op.create_table('ai_configs',
    sa.Column('task_type', sa.Text(), nullable=False),
    sa.Column('chain', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('temperature', sa.Double(), nullable=True),
    sa.Column('max_output_tokens', sa.Integer(), nullable=True),
    sa.Column('timeout_s', sa.Double(), nullable=True),
    sa.Column('is_enabled', sa.Boolean(), server_default='true', nullable=False),
    sa.Column('updated_by', sa.UUID(), nullable=True),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("task_type IN ('describe', 'outline', 'default')", name=op.f('ck_ai_configs_task_type')),
    sa.CheckConstraint('max_output_tokens BETWEEN 256 AND 128000', name=op.f('ck_ai_configs_max_output_tokens')),
    sa.CheckConstraint('temperature BETWEEN 0 AND 2', name=op.f('ck_ai_configs_temperature')),
    sa.CheckConstraint('timeout_s BETWEEN 1 AND 240', name=op.f('ck_ai_configs_timeout_s')),
    sa.ForeignKeyConstraint(['updated_by'], ['users.id'], name=op.f('fk_ai_configs_updated_by_users'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('task_type', name=op.f('pk_ai_configs'))
    )
    op.create_table('ai_calls',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('session_id', sa.UUID(), nullable=True),
    sa.Column('task_type', sa.Text(), nullable=False),
    sa.Column('provider', sa.Text(), nullable=False),
    sa.Column('model', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), server_default='sent', nullable=False),
    sa.Column('error_code', sa.Text(), nullable=True),
    sa.Column('provider_request_id', sa.Text(), nullable=True),
    sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('waited_ms', sa.Integer(), server_default='0', nullable=False),
    sa.Column('latency_ms', sa.Integer(), nullable=True),
    sa.Column('input_tokens', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('output_tokens', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('cached_tokens', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('reasoning_tokens', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('cost_micros', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('num_chars', sa.Integer(), server_default='0', nullable=False),
    sa.Column('text_digest', sa.Text(), nullable=False),
    sa.Column('num_redactions', sa.Integer(), server_default='0', nullable=False),
    sa.CheckConstraint("status IN ('sent', 'ok', 'unusable', 'throttled', 'refused', 'failed', 'timeout', 'cancelled', 'lost')", name=op.f('ck_ai_calls_status')),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_ai_calls_session_id_browsing_sessions'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_ai_calls_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ai_calls'))
    )
    op.create_index('ix_ai_calls_session_id', 'ai_calls', ['session_id'], unique=False)
    op.create_index('ix_ai_calls_user_started', 'ai_calls', ['user_id', 'started_at'], unique=False)
    op.create_table('ai_checkpoints',
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('prompt_version', sa.Integer(), nullable=False),
    sa.Column('model', sa.Text(), nullable=False),
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.Column('answer', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_ai_checkpoints_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_ai_checkpoints_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', 'digest', 'prompt_version', 'model', name=op.f('pk_ai_checkpoints'))
    )
    op.create_index('ix_ai_checkpoints_session_id', 'ai_checkpoints', ['session_id'], unique=False)
    op.create_table('ledger_entries',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('session_id', sa.UUID(), nullable=True),
    sa.Column('call_id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('operation', sa.Text(), nullable=False),
    sa.Column('tokens', sa.BigInteger(), nullable=False),
    sa.Column('from_grants', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('absorbed_tokens', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('counted_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("kind <> 'reserve' OR expires_at IS NOT NULL", name=op.f('ck_ledger_entries_expires')),
    sa.CheckConstraint("kind IN ('grant', 'reserve', 'settle', 'release', 'refund')", name=op.f('ck_ledger_entries_kind')),
    sa.CheckConstraint('from_grants BETWEEN 0 AND tokens', name=op.f('ck_ledger_entries_from_grants')),
    sa.CheckConstraint('tokens >= 0 AND absorbed_tokens >= 0', name=op.f('ck_ledger_entries_tokens')),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_ledger_entries_session_id_browsing_sessions'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_ledger_entries_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger_entries'))
    )
    op.create_index('ix_ledger_entries_grants', 'ledger_entries', ['user_id'], unique=False, postgresql_where=sa.text("kind = 'grant' OR from_grants > 0"))
    op.create_index('ix_ledger_entries_open', 'ledger_entries', ['expires_at'], unique=False, postgresql_where=sa.text("kind = 'reserve'"))
    op.create_index('ix_ledger_entries_period', 'ledger_entries', ['user_id', 'counted_at'], unique=False)
    op.create_index('ix_ledger_entries_session_id', 'ledger_entries', ['session_id'], unique=False)
    op.create_index('uq_ledger_entries_call', 'ledger_entries', ['call_id', 'kind'], unique=True)
    op.create_table('ai_call_texts',
    sa.Column('call_id', sa.UUID(), nullable=False),
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.Column('instructions', sa.Text(), nullable=False),
    sa.Column('sent', sa.Text(), nullable=False),
    sa.Column('answer', sa.Text(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['call_id'], ['ai_calls.id'], name=op.f('fk_ai_call_texts_call_id_ai_calls'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_ai_call_texts_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('call_id', name=op.f('pk_ai_call_texts'))
    )
    op.create_index('ix_ai_call_texts_created_at', 'ai_call_texts', ['created_at'], unique=False)
    op.create_index('ix_ai_call_texts_session_id', 'ai_call_texts', ['session_id'], unique=False)
    # Append-only is a promise the database keeps: only the link to an erased session may be cut.
    op.execute("""
        CREATE FUNCTION ledger_entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF to_jsonb(NEW) - 'session_id' <> to_jsonb(OLD) - 'session_id' THEN
                RAISE EXCEPTION 'ledger entries are never changed';
            END IF;
            RETURN NEW;
        END $$""")
    op.execute(
        "CREATE TRIGGER ledger_entries_stay BEFORE UPDATE ON ledger_entries"
        " FOR EACH ROW EXECUTE FUNCTION ledger_entries_stay()"
    )


def downgrade() -> None:
    op.drop_index('ix_ai_call_texts_session_id', table_name='ai_call_texts')
    op.drop_index('ix_ai_call_texts_created_at', table_name='ai_call_texts')
    op.drop_table('ai_call_texts')
    op.drop_index('uq_ledger_entries_call', table_name='ledger_entries')
    op.drop_index('ix_ledger_entries_session_id', table_name='ledger_entries')
    op.drop_index('ix_ledger_entries_period', table_name='ledger_entries')
    op.drop_index('ix_ledger_entries_open', table_name='ledger_entries', postgresql_where=sa.text("kind = 'reserve'"))
    op.drop_index('ix_ledger_entries_grants', table_name='ledger_entries', postgresql_where=sa.text("kind = 'grant' OR from_grants > 0"))
    op.drop_table('ledger_entries')
    op.execute('DROP FUNCTION ledger_entries_stay()')
    op.drop_index('ix_ai_checkpoints_session_id', table_name='ai_checkpoints')
    op.drop_table('ai_checkpoints')
    op.drop_index('ix_ai_calls_user_started', table_name='ai_calls')
    op.drop_index('ix_ai_calls_session_id', table_name='ai_calls')
    op.drop_table('ai_calls')
    op.drop_table('ai_configs')
    op.drop_table('provider_windows')
