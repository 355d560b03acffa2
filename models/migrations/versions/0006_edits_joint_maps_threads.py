"""edits_joint_maps_threads

Revision: 0006
After: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column('mindmap_versions', sa.Column('generated', _JSON, nullable=True))
    op.add_column('mindmap_versions', sa.Column('edits_seq', sa.Integer(), server_default='0', nullable=False))
    op.add_column('mindmap_versions', sa.Column('edit_reports', _JSON, server_default=sa.text("'[]'::jsonb"), nullable=False))
    op.add_column('mindmap_versions', sa.Column('restored_from', sa.Integer(), nullable=True))
    op.create_table('mindmap_edits',
    sa.Column('mindmap_id', sa.UUID(), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('op_id', sa.Text(), nullable=True),
    sa.Column('entry', _JSON, nullable=False),
    sa.Column('created_at', _TIME, server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['mindmap_id'], ['mindmaps.id'], name=op.f('fk_mindmap_edits_mindmap_id_mindmaps'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('mindmap_id', 'seq', name=op.f('pk_mindmap_edits'))
    )
    op.create_index('uq_mindmap_edits_op_id', 'mindmap_edits', ['mindmap_id', 'op_id'], unique=True)
    op.create_table('joint_maps',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('title', sa.Text(), nullable=True),
    sa.Column('since', _TIME, nullable=True),
    sa.Column('until', _TIME, nullable=True),
    sa.Column('status', sa.Text(), server_default='pending', nullable=False),
    sa.Column('stage', sa.Text(), nullable=True),
    sa.Column('percent', sa.Integer(), server_default='0', nullable=False),
    sa.Column('error_message', sa.Text(), nullable=True),
    sa.Column('data', _JSON, nullable=True),
    sa.Column('input_digest', sa.Text(), nullable=True),
    sa.Column('provider', sa.Text(), nullable=True),
    sa.Column('created_at', _TIME, server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', _TIME, server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("percent BETWEEN 0 AND 100", name=op.f('ck_joint_maps_percent')),
    sa.CheckConstraint("status IN ('pending', 'generating', 'completed', 'failed')", name=op.f('ck_joint_maps_status')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_joint_maps_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_joint_maps'))
    )
    op.create_index('ix_joint_maps_user_created', 'joint_maps', ['user_id', sa.literal_column('created_at DESC'), 'id'], unique=False)
    op.create_table('joint_map_sessions',
    sa.Column('map_id', sa.UUID(), nullable=False),
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.ForeignKeyConstraint(['map_id'], ['joint_maps.id'], name=op.f('fk_joint_map_sessions_map_id_joint_maps'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_joint_map_sessions_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('map_id', 'session_id', name=op.f('pk_joint_map_sessions'))
    )
    op.create_index(op.f('ix_joint_map_sessions_session_id'), 'joint_map_sessions', ['session_id'], unique=False)
    op.create_table('thread_unlinks',
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.Column('topic_id', sa.Text(), nullable=False),
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('created_at', _TIME, server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_thread_unlinks_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_thread_unlinks_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('session_id', 'topic_id', name=op.f('pk_thread_unlinks'))
    )
    op.create_index(op.f('ix_thread_unlinks_user_id'), 'thread_unlinks', ['user_id'], unique=False)
    op.create_table('thread_links',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.Column('topic_id', sa.Text(), nullable=False),
    sa.Column('other_session_id', sa.UUID(), nullable=False),
    sa.Column('other_topic_id', sa.Text(), nullable=False),
    sa.Column('created_at', _TIME, server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['other_session_id'], ['browsing_sessions.id'], name=op.f('fk_thread_links_other_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['session_id'], ['browsing_sessions.id'], name=op.f('fk_thread_links_session_id_browsing_sessions'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_thread_links_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_thread_links'))
    )
    op.create_index('uq_thread_links_pair', 'thread_links', ['session_id', 'topic_id', 'other_session_id', 'other_topic_id'], unique=True)
    op.create_index(op.f('ix_thread_links_user_id'), 'thread_links', ['user_id'], unique=False)
    op.create_index(op.f('ix_thread_links_other_session_id'), 'thread_links', ['other_session_id'], unique=False)
    op.create_table('thread_findings',
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('threads', _JSON, nullable=False),
    sa.Column('found_at', _TIME, server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_thread_findings_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', name=op.f('pk_thread_findings'))
    )


def downgrade() -> None:
    for table in ('thread_findings', 'thread_links', 'thread_unlinks', 'joint_map_sessions', 'joint_maps', 'mindmap_edits'):
        op.drop_table(table)
    for column in ('restored_from', 'edit_reports', 'edits_seq', 'generated'):
        op.drop_column('mindmap_versions', column)
