"""What the pages of a session are about, as vectors that its maps reuse. Existing sessions get them with their next map."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0028'
down_revision = '0027'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'page_vectors',
        sa.Column('session_id', sa.UUID(), nullable=False),
        sa.Column('page_id', sa.Text(), nullable=False),
        sa.Column('text_key', sa.LargeBinary(), nullable=False),
        sa.Column('model', sa.Text(), nullable=False),
        sa.Column('vector', sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ['session_id'],
            ['browsing_sessions.id'],
            name=op.f('fk_page_vectors_session_id_browsing_sessions'),
            ondelete='CASCADE',
        ),
        sa.PrimaryKeyConstraint('session_id', 'page_id', name=op.f('pk_page_vectors')),
    )


def downgrade() -> None:
    op.drop_table('page_vectors')
