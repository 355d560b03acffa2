"""A version that is offered instead of the one shown, and maps whose remake failed show their version again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('mindmaps', sa.Column('offered_version', sa.Integer(), nullable=True))
    # The reason of the failure stays, and is shown beside the map.
    op.execute("""
        UPDATE mindmaps SET status = 'completed', stage = NULL, percent = 100
        WHERE status = 'failed' AND current_version IS NOT NULL
    """)
    # A joint map of which a session was deleted has no document.
    op.execute("""
        UPDATE joint_maps SET status = 'completed', stage = NULL, percent = 100
        WHERE status = 'failed' AND jsonb_typeof(data) = 'object'
    """)


def downgrade() -> None:
    op.drop_column('mindmaps', 'offered_version')
