"""Whether a user has agreed to send pages to an AI vendor, and sessions that are never sent to one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('user_settings', sa.Column('model_use', sa.Text(), server_default='ask', nullable=False))
    op.create_check_constraint(
        op.f('ck_user_settings_model_use'), 'user_settings', "model_use IN ('ask', 'vendor', 'local')"
    )
    op.add_column(
        'browsing_sessions', sa.Column('is_local_only', sa.Boolean(), server_default='false', nullable=False)
    )


def downgrade() -> None:
    op.drop_column('browsing_sessions', 'is_local_only')
    op.drop_column('user_settings', 'model_use')
