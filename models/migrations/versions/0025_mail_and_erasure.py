"""What mails a user has received, addresses that bounced, the user's time zone, legal holds and erasure receipts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.add_column('user_settings', sa.Column('time_zone', sa.Text(), nullable=True))
    op.create_table(
        'mail_notices',
        sa.Column('user_id', sa.UUID(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('subject', sa.Text(), nullable=False),
        sa.Column('is_optional', sa.Boolean(), nullable=False),
        sa.Column('created_at', time, server_default=sa.text('now()'), nullable=False),
        sa.ForeignKeyConstraint(
            ['user_id'], ['users.id'], name=op.f('fk_mail_notices_user_id_users'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('user_id', 'kind', 'subject', name=op.f('pk_mail_notices')),
    )
    op.create_index('ix_mail_notices_created_at', 'mail_notices', ['created_at'])
    op.create_table(
        'mail_suppressions',
        sa.Column('digest', sa.LargeBinary(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('created_at', time, server_default=sa.text('now()'), nullable=False),
        sa.CheckConstraint("reason IN ('bounce', 'complaint')", name=op.f('ck_mail_suppressions_reason')),
        sa.PrimaryKeyConstraint('digest', name=op.f('pk_mail_suppressions')),
    )
    op.create_table(
        'legal_holds',
        sa.Column('user_id', sa.UUID(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('created_at', time, server_default=sa.text('now()'), nullable=False),
        sa.ForeignKeyConstraint(
            ['user_id'], ['users.id'], name=op.f('fk_legal_holds_user_id_users'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('user_id', name=op.f('pk_legal_holds')),
    )
    op.create_table(
        'erasure_receipts',
        sa.Column('id', sa.UUID(), nullable=False),
        sa.Column('user_id', sa.UUID(), nullable=False),
        sa.Column('scope', sa.Text(), nullable=False),
        sa.Column('session_ids', postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.Column('counts', postgresql.JSONB(), nullable=True),
        sa.Column('created_at', time, server_default=sa.text('now()'), nullable=False),
        sa.Column('erased_at', time, nullable=True),
        sa.CheckConstraint("scope IN ('page', 'site', 'time', 'session')", name=op.f('ck_erasure_receipts_scope')),
        sa.ForeignKeyConstraint(
            ['user_id'], ['users.id'], name=op.f('fk_erasure_receipts_user_id_users'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_erasure_receipts')),
    )
    op.create_index('ix_erasure_receipts_user_id', 'erasure_receipts', ['user_id', 'created_at'])


def downgrade() -> None:
    op.drop_table('erasure_receipts')
    op.drop_table('legal_holds')
    op.drop_table('mail_suppressions')
    op.drop_table('mail_notices')
    op.drop_column('user_settings', 'time_zone')
