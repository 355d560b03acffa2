"""Plans that operators give to users, and one function that says which plan a user is on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'plan_overrides',
        sa.Column('user_id', sa.UUID(), nullable=False),
        sa.Column('plan', sa.Text(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.CheckConstraint("plan IN ('free', 'pro', 'enterprise')", name=op.f('ck_plan_overrides_plan')),
        sa.ForeignKeyConstraint(
            ['user_id'], ['users.id'], name=op.f('fk_plan_overrides_user_id_users'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('user_id', name=op.f('pk_plan_overrides')),
    )
    op.execute("""
        CREATE FUNCTION plan_of_user(the_user uuid, default_plan text, moment timestamptz)
        RETURNS TABLE (plan text, plan_version integer) LANGUAGE sql STABLE AS $$
            SELECT found.plan, found.plan_version FROM (
                SELECT 1 AS rank, o.plan, NULL::integer AS plan_version FROM plan_overrides o
                WHERE o.user_id = the_user AND (o.until IS NULL OR o.until > moment)
                UNION ALL
                SELECT 2, s.plan, s.plan_version FROM subscriptions s
                WHERE s.user_id = the_user AND s.status IN ('active', 'past_due', 'trialing')
                    AND (s.status <> 'past_due' OR coalesce(s.grace_until, 'infinity') > moment)
                UNION ALL
                SELECT 3, default_plan, NULL
            ) found ORDER BY found.rank LIMIT 1
        $$""")


def downgrade() -> None:
    op.execute('DROP FUNCTION plan_of_user')
    op.drop_table('plan_overrides')
