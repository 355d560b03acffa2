"""Sites that a user allows although a default rule excludes them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        'user_settings', sa.Column('allowed_domains', postgresql.ARRAY(sa.Text()), server_default='{}', nullable=False)
    )


def downgrade() -> None:
    op.drop_column('user_settings', 'allowed_domains')
