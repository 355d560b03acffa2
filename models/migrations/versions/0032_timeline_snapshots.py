"""Timelines of sessions whose raw events were deleted. Empty until `TRAILMIND_RAW_EVENT_RETENTION_DAYS` is set."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0032'
down_revision = '0031'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'timeline_snapshots',
        sa.Column('session_id', sa.UUID(), nullable=False),
        sa.Column('document', sa.Text(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.ForeignKeyConstraint(
            ['session_id'],
            ['browsing_sessions.id'],
            name=op.f('fk_timeline_snapshots_session_id_browsing_sessions'),
            ondelete='CASCADE',
        ),
        sa.PrimaryKeyConstraint('session_id', name=op.f('pk_timeline_snapshots')),
    )


def downgrade() -> None:
    op.drop_table('timeline_snapshots')
