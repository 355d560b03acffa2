"""Share links of maps over several sessions: a link belongs to a session or to such a map.

Code of the previous version finds the links by session, so it does not see those of maps.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0029'
down_revision = '0028'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('share_links', sa.Column('map_id', sa.UUID(), nullable=True))
    op.alter_column('share_links', 'session_id', existing_type=sa.UUID(), nullable=True)
    op.create_foreign_key(
        op.f('fk_share_links_map_id_joint_maps'), 'share_links', 'joint_maps', ['map_id'], ['id'], ondelete='CASCADE'
    )
    op.create_check_constraint(
        op.f('ck_share_links_owner'), 'share_links', 'num_nonnulls(session_id, map_id) = 1'
    )
    op.create_index(op.f('ix_share_links_map_id'), 'share_links', ['map_id'])


def downgrade() -> None:
    op.execute('DELETE FROM share_links WHERE session_id IS NULL')
    op.drop_index(op.f('ix_share_links_map_id'), table_name='share_links')
    op.drop_constraint(op.f('ck_share_links_owner'), 'share_links', type_='check')
    op.drop_constraint(op.f('fk_share_links_map_id_joint_maps'), 'share_links', type_='foreignkey')
    op.alter_column('share_links', 'session_id', existing_type=sa.UUID(), nullable=False)
    op.drop_column('share_links', 'map_id')
