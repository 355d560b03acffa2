"""Stripe: customers, checkouts, paid periods, invoices, token packs and received webhooks.

Code of the previous version reads `subscriptions` by the statuses that it knows; rows with a new status give no plan in
either version. It never writes the new tables.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None

_OLD_STATUSES = "status IN ('active', 'canceled', 'past_due', 'trialing')"
_STATUSES = (
    "status IN ('active', 'canceled', 'past_due', 'trialing', 'incomplete', 'incomplete_expired', 'unpaid', 'paused')"
)
_OLD_KINDS = "kind IN ('grant', 'reserve', 'settle', 'release', 'refund')"
_KINDS = "kind IN ('grant', 'reserve', 'settle', 'release', 'refund', 'revoke')"


def _balance(reduces: str) -> str:
    """`ledger_balance` of migration 0013; `reduces` are the kinds that reduce the grants."""
    return f"""
        CREATE OR REPLACE FUNCTION ledger_balance(
            the_user uuid, period_start timestamptz, period_end timestamptz,
            OUT used_tokens bigint, OUT used_of_plan bigint, OUT reserved_tokens bigint, OUT granted_tokens bigint
        ) LANGUAGE plpgsql STABLE AS $$
        BEGIN
            SELECT coalesce(sum(CASE kind WHEN 'settle' THEN tokens WHEN 'refund' THEN -tokens ELSE 0 END)
                       FILTER (WHERE counted_at >= period_start AND counted_at < period_end), 0),
                   coalesce(sum(CASE kind WHEN 'settle' THEN tokens - from_grants
                                          WHEN 'refund' THEN from_grants - tokens ELSE 0 END)
                       FILTER (WHERE counted_at >= period_start AND counted_at < period_end), 0),
                   coalesce(sum(CASE kind WHEN 'reserve' THEN tokens ELSE -closes_tokens END)
                       FILTER (WHERE expires_at > clock_timestamp()), 0),
                   coalesce(sum(CASE WHEN kind = 'grant' THEN tokens WHEN kind IN ({reduces}) THEN -from_grants
                                     WHEN kind = 'refund' THEN from_grants ELSE 0 END), 0)
            INTO used_tokens, used_of_plan, reserved_tokens, granted_tokens
            FROM ledger_entries
            WHERE user_id = the_user AND (counted_at >= period_start OR kind = 'grant' OR from_grants > 0
                                          OR expires_at > clock_timestamp());
        END $$"""


def _replace_check(table: str, name: str, condition: str) -> None:
    # NOT VALID takes the lock for a moment only; the validation reads the table beside writers.
    op.execute(f'ALTER TABLE {table} DROP CONSTRAINT {name}')
    op.execute(f'ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID')
    op.execute(f'ALTER TABLE {table} VALIDATE CONSTRAINT {name}')


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    _replace_check('subscriptions', 'ck_subscriptions_status', _STATUSES)
    _replace_check('ledger_entries', 'ck_ledger_entries_kind', _KINDS)
    op.execute(_balance("'settle', 'revoke'"))
    op.add_column('subscriptions', sa.Column('stripe_price_id', sa.Text(), nullable=True))
    op.add_column('subscriptions', sa.Column('billing_interval', sa.Text(), server_default='monthly', nullable=False))
    op.add_column('subscriptions', sa.Column('pending_interval', sa.Text(), nullable=True))
    op.add_column('subscriptions', sa.Column('plan_version', sa.Integer(), server_default='1', nullable=False))
    op.add_column('subscriptions', sa.Column('grace_until', time, nullable=True))
    op.add_column('subscriptions', sa.Column('ended_at', time, nullable=True))
    op.add_column('subscriptions', sa.Column('is_refunded', sa.Boolean(), server_default='false', nullable=False))
    op.create_check_constraint(op.f('ck_subscriptions_billing_interval'), 'subscriptions',
                               "billing_interval IN ('monthly', 'yearly')")
    op.create_table('billing_customers',
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('stripe_customer_id', sa.Text(), nullable=False),
    sa.Column('open_disputes', postgresql.ARRAY(sa.Text()), server_default='{}', nullable=False),
    sa.Column('deleted_at', time, nullable=True),
    sa.Column('fetched_at', time, nullable=True),
    sa.Column('created_at', time, server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_billing_customers_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', name=op.f('pk_billing_customers')),
    sa.UniqueConstraint('stripe_customer_id', name=op.f('uq_billing_customers_stripe_customer_id'))
    )
    op.create_table('checkouts',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('price_id', sa.Text(), nullable=False),
    sa.Column('pack_tokens', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('status', sa.Text(), server_default='open', nullable=False),
    sa.Column('stripe_session_id', sa.Text(), nullable=True),
    sa.Column('expires_at', time, nullable=False),
    sa.Column('created_at', time, server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("status IN ('open', 'complete', 'expired')", name=op.f('ck_checkouts_status')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_checkouts_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_checkouts')),
    sa.UniqueConstraint('stripe_session_id', name=op.f('uq_checkouts_stripe_session_id'))
    )
    op.create_index('ix_checkouts_user_id', 'checkouts', ['user_id'])
    op.create_index('uq_checkouts_open_subscription', 'checkouts', ['user_id'], unique=True,
                    postgresql_where=sa.text("status = 'open' AND pack_tokens = 0"))
    op.create_table('paid_periods',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('subscription_id', sa.UUID(), nullable=False),
    sa.Column('starts_at', time, nullable=False),
    sa.Column('ends_at', time, nullable=False),
    sa.ForeignKeyConstraint(['subscription_id'], ['subscriptions.id'], name=op.f('fk_paid_periods_subscription_id_subscriptions'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_paid_periods'))
    )
    op.create_index('uq_paid_periods_start', 'paid_periods', ['subscription_id', 'starts_at'], unique=True)
    op.execute("""
        INSERT INTO paid_periods (id, subscription_id, starts_at, ends_at)
        SELECT gen_random_uuid(), id, current_period_start, current_period_end FROM subscriptions""")
    op.create_table('invoices',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('number', sa.Text(), nullable=True),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('stripe_subscription_id', sa.Text(), nullable=True),
    sa.Column('payment_intent', sa.Text(), nullable=True),
    sa.Column('amount_cents', sa.BigInteger(), nullable=False),
    sa.Column('paid_cents', sa.BigInteger(), nullable=False),
    sa.Column('refunded_cents', sa.BigInteger(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('period_start', time, nullable=False),
    sa.Column('period_end', time, nullable=False),
    sa.Column('hosted_url', sa.Text(), nullable=True),
    sa.Column('pdf_url', sa.Text(), nullable=True),
    sa.Column('was_attempted', sa.Boolean(), nullable=False),
    sa.Column('paid_at', time, nullable=True),
    sa.Column('created_at', time, server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_invoices_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_invoices'))
    )
    op.create_index('ix_invoices_user_id', 'invoices', ['user_id', sa.literal_column('created_at DESC')])
    op.create_index('ix_invoices_payment_intent', 'invoices', ['payment_intent'])
    op.create_table('token_packs',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('tokens', sa.BigInteger(), nullable=False),
    sa.Column('payment_intent', sa.Text(), nullable=True),
    sa.Column('revoked_tokens', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('created_at', time, server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('tokens > 0', name=op.f('ck_token_packs_tokens')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_token_packs_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_token_packs'))
    )
    op.create_index('ix_token_packs_user_id', 'token_packs', ['user_id'])
    op.create_table('stripe_events',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('type', sa.Text(), nullable=False),
    sa.Column('object_type', sa.Text(), nullable=False),
    sa.Column('object_id', sa.Text(), nullable=False),
    sa.Column('stripe_customer_id', sa.Text(), nullable=True),
    sa.Column('api_version', sa.Text(), nullable=True),
    sa.Column('happened_at', time, nullable=False),
    sa.Column('received_at', time, server_default=sa.text('now()'), nullable=False),
    sa.Column('handled_at', time, nullable=True),
    sa.Column('outcome', sa.Text(), nullable=True),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('next_attempt_at', time, server_default=sa.text('now()'), nullable=False),
    sa.Column('error', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_stripe_events'))
    )
    op.create_index('ix_stripe_events_waiting', 'stripe_events', ['next_attempt_at'],
                    postgresql_where=sa.text('handled_at IS NULL'))
    op.create_index('ix_stripe_events_received_at', 'stripe_events', ['received_at'])


def downgrade() -> None:
    for table in ('stripe_events', 'token_packs', 'invoices', 'paid_periods', 'checkouts', 'billing_customers'):
        op.drop_table(table)
    op.drop_constraint('ck_subscriptions_billing_interval', 'subscriptions')
    for column in ('is_refunded', 'ended_at', 'grace_until', 'plan_version', 'pending_interval', 'billing_interval',
                   'stripe_price_id'):
        op.drop_column('subscriptions', column)
    op.execute("UPDATE subscriptions SET status = 'canceled' WHERE status IN ('incomplete', 'incomplete_expired', 'unpaid', 'paused')")
    _replace_check('subscriptions', 'ck_subscriptions_status', _OLD_STATUSES)
    # The previous version does not know revocations: grants are reduced as if the tokens had been spent.
    op.execute(_balance("'settle'"))
    op.execute("UPDATE ledger_entries SET kind = 'settle' WHERE kind = 'revoke'")
    _replace_check('ledger_entries', 'ck_ledger_entries_kind', _OLD_KINDS)
