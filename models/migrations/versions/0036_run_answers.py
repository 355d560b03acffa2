"""Responses to calls of regeneration runs, kept until their item has ended. Previous versions neither read nor write them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0036'
down_revision = '0035'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'ai_run_answers',
        sa.Column('call_id', sa.UUID(), nullable=False),
        sa.Column('session_id', sa.UUID(), nullable=False),
        sa.Column('digest', sa.Text(), nullable=False),
        sa.Column('answer', sa.Text(), nullable=False),
        sa.Column('is_truncated', sa.Boolean(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.ForeignKeyConstraint(
            ['call_id'], ['ai_calls.id'], name=op.f('fk_ai_run_answers_call_id_ai_calls'), ondelete='CASCADE'
        ),
        sa.ForeignKeyConstraint(
            ['session_id'],
            ['browsing_sessions.id'],
            name=op.f('fk_ai_run_answers_session_id_browsing_sessions'),
            ondelete='CASCADE',
        ),
        sa.PrimaryKeyConstraint('call_id', name=op.f('pk_ai_run_answers')),
    )
    op.create_index('ix_ai_run_answers_session_id', 'ai_run_answers', ['session_id'])
    op.create_index('ix_ai_run_answers_created_at', 'ai_run_answers', ['created_at'])


def downgrade() -> None:
    op.drop_index('ix_ai_run_answers_created_at', table_name='ai_run_answers')
    op.drop_index('ix_ai_run_answers_session_id', table_name='ai_run_answers')
    op.drop_table('ai_run_answers')
