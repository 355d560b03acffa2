"""Versions and edits of maps over several sessions. Existing maps get their first version when they are next changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0027'
down_revision = '0026'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('joint_maps', sa.Column('current_version', sa.Integer(), nullable=True))
    op.create_table(
        'joint_map_versions',
        sa.Column('map_id', sa.UUID(), nullable=False),
        sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('data', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column('generated', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column('edits_seq', sa.Integer(), server_default='0', nullable=False),
        sa.Column(
            'edit_reports',
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column('restored_from', sa.Integer(), nullable=True),
        sa.Column('input_digest', sa.Text(), nullable=False),
        sa.Column('provider', sa.Text(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.ForeignKeyConstraint(
            ['map_id'], ['joint_maps.id'], name=op.f('fk_joint_map_versions_map_id_joint_maps'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('map_id', 'number', name=op.f('pk_joint_map_versions')),
    )
    op.create_table(
        'joint_map_edits',
        sa.Column('map_id', sa.UUID(), nullable=False),
        sa.Column('seq', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('op_id', sa.Text(), nullable=True),
        sa.Column('entry', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.ForeignKeyConstraint(
            ['map_id'], ['joint_maps.id'], name=op.f('fk_joint_map_edits_map_id_joint_maps'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('map_id', 'seq', name=op.f('pk_joint_map_edits')),
    )
    op.create_index('uq_joint_map_edits_op_id', 'joint_map_edits', ['map_id', 'op_id'], unique=True)


def downgrade() -> None:
    op.drop_table('joint_map_edits')
    op.drop_table('joint_map_versions')
    op.drop_column('joint_maps', 'current_version')
