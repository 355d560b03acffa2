"""Whether the user has chosen the language of the settings, or it is the default."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        'user_settings', sa.Column('is_language_chosen', sa.Boolean(), server_default='false', nullable=False)
    )
    # Only a choice can differ from the default.
    op.execute("UPDATE user_settings SET is_language_chosen = true WHERE language <> 'ko'")


def downgrade() -> None:
    op.drop_column('user_settings', 'is_language_chosen')
