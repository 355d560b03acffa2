"""Regeneration runs and their items, versions that are not shown yet, and provider calls that a run pays for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0033'
down_revision = '0032'
branch_labels = None
depends_on = None

_RUN = "status IN ('running', 'paused', 'stopped', 'cancelled', 'finished', 'promoted', 'rolled_back')"
_ITEM = (
    "status IN ('waiting', 'running', 'done', 'unchanged', 'superseded', 'failed', 'promoted', 'rolled_back')"
)


def _jsonb(name: str, default: str) -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text(default), nullable=False)


def _count(name: str, kind: type[sa.Integer] = sa.Integer) -> sa.Column[int]:
    return sa.Column(name, kind(), server_default='0', nullable=False)


def upgrade() -> None:
    op.create_table(
        'map_runs',
        sa.Column('id', sa.Text(), nullable=False),
        sa.Column('status', sa.Text(), server_default='running', nullable=False),
        sa.Column('reason', sa.Text(), nullable=True),
        sa.Column('parameters', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column('token_budget', sa.BigInteger(), nullable=True),
        sa.Column('cost_budget_micros', sa.BigInteger(), nullable=True),
        _count('num_canary'),
        sa.Column('is_canary_passed', sa.Boolean(), server_default='false', nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(_RUN, name=op.f('ck_map_runs_status')),
        sa.CheckConstraint('token_budget > 0', name=op.f('ck_map_runs_token_budget')),
        sa.CheckConstraint('cost_budget_micros > 0', name=op.f('ck_map_runs_cost_budget')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_map_runs')),
    )
    op.create_table(
        'map_run_items',
        sa.Column('run_id', sa.Text(), nullable=False),
        sa.Column('session_id', sa.UUID(), nullable=False),
        sa.Column('position', sa.Integer(), nullable=False),
        sa.Column('status', sa.Text(), server_default='waiting', nullable=False),
        _count('attempts'),
        sa.Column('owner', sa.UUID(), nullable=True),
        sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('not_before', sa.DateTime(timezone=True), nullable=True),
        sa.Column('error', sa.Text(), nullable=True),
        sa.Column('base_version', sa.Integer(), nullable=True),
        sa.Column('version', sa.Integer(), nullable=True),
        _count('tokens', sa.BigInteger),
        _count('cost_micros', sa.BigInteger),
        _jsonb('scorecard_before', "'{}'::jsonb"),
        _jsonb('scorecard_after', "'{}'::jsonb"),
        _count('num_edits'),
        _count('num_edits_lost_before'),
        _count('num_edits_lost'),
        _jsonb('conflicts', "'[]'::jsonb"),
        _jsonb('changes', "'{}'::jsonb"),
        sa.Column('before_promotion', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        _count('num_pages'),
        sa.Column('took_ms', sa.Integer(), nullable=True),
        sa.Column('node', sa.Text(), nullable=True),
        sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(_ITEM, name=op.f('ck_map_run_items_status')),
        sa.ForeignKeyConstraint(
            ['run_id'], ['map_runs.id'], name=op.f('fk_map_run_items_run_id_map_runs'), ondelete='CASCADE'
        ),
        sa.ForeignKeyConstraint(
            ['session_id'],
            ['browsing_sessions.id'],
            name=op.f('fk_map_run_items_session_id_browsing_sessions'),
            ondelete='CASCADE',
        ),
        sa.PrimaryKeyConstraint('run_id', 'session_id', name=op.f('pk_map_run_items')),
    )
    op.create_index('ix_map_run_items_status', 'map_run_items', ['run_id', 'status', 'position'])
    op.create_index('ix_map_run_items_session_id', 'map_run_items', ['session_id'])
    op.add_column(
        'mindmap_versions', sa.Column('is_candidate', sa.Boolean(), server_default='false', nullable=False)
    )
    # Null for versions that were made before it was recorded.
    op.add_column('mindmap_versions', sa.Column('pipeline_version', sa.Integer(), nullable=True))
    op.add_column('ai_calls', sa.Column('run_id', sa.Text(), nullable=True))
    op.add_column('ai_calls', _count('reserved_tokens', sa.BigInteger))
    op.add_column('ai_calls', _count('reserved_micros', sa.BigInteger))
    op.create_foreign_key(
        op.f('fk_ai_calls_run_id_map_runs'), 'ai_calls', 'map_runs', ['run_id'], ['id'], ondelete='SET NULL'
    )
    op.create_index(
        'ix_ai_calls_run_id', 'ai_calls', ['run_id'], postgresql_where=sa.text('run_id IS NOT NULL')
    )


def downgrade() -> None:
    # Without the column, candidates would look like versions that were shown.
    op.execute("""
        DELETE FROM mindmap_versions v USING mindmaps m WHERE m.id = v.mindmap_id AND v.is_candidate
    """)
    op.drop_index('ix_ai_calls_run_id', table_name='ai_calls')
    op.drop_constraint(op.f('fk_ai_calls_run_id_map_runs'), 'ai_calls', type_='foreignkey')
    op.drop_column('ai_calls', 'reserved_micros')
    op.drop_column('ai_calls', 'reserved_tokens')
    op.drop_column('ai_calls', 'run_id')
    op.drop_column('mindmap_versions', 'pipeline_version')
    op.drop_column('mindmap_versions', 'is_candidate')
    op.drop_table('map_run_items')
    op.drop_table('map_runs')
