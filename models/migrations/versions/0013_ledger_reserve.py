"""A reservation as one statement: the lock, the sums and the row without a way back to the caller between them."""

from __future__ import annotations

from alembic import op

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION ledger_balance(
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
                   coalesce(sum(CASE kind WHEN 'grant' THEN tokens WHEN 'settle' THEN -from_grants
                                          WHEN 'refund' THEN from_grants ELSE 0 END), 0)
            INTO used_tokens, used_of_plan, reserved_tokens, granted_tokens
            FROM ledger_entries
            WHERE user_id = the_user AND (counted_at >= period_start OR kind = 'grant' OR from_grants > 0
                                          OR expires_at > clock_timestamp());
        END $$""")
    # In READ COMMITTED each statement of a volatile function sees what was committed before it began: the sums are
    # read after the lock was obtained, so that no two callers see the same tokens as free.
    op.execute("""
        CREATE FUNCTION ledger_reserve(
            the_user uuid, the_session uuid, the_call uuid, the_operation text, wanted bigint, lease_s float8,
            token_limit bigint, period_start timestamptz, period_end timestamptz,
            OUT outcome text, OUT tokens_left bigint
        ) LANGUAGE plpgsql AS $$
        DECLARE
            now_is record;
            of_plan_left bigint;
            of_grants bigint := 0;
        BEGIN
            outcome := 'reserved';
            IF token_limit IS NOT NULL THEN
                PERFORM FROM users WHERE id = the_user FOR NO KEY UPDATE;
                IF NOT FOUND THEN
                    outcome := 'no_account';
                    RETURN;
                END IF;
                SELECT * INTO now_is FROM ledger_balance(the_user, period_start, period_end);
                tokens_left := greatest(0, greatest(0, token_limit - now_is.used_of_plan) + now_is.granted_tokens
                                           - now_is.reserved_tokens);
                IF wanted > tokens_left THEN
                    PERFORM FROM ledger_entries WHERE call_id = the_call AND kind = 'reserve';
                    IF NOT FOUND THEN
                        outcome := 'out_of_tokens';
                    END IF;
                    RETURN;
                END IF;
                of_plan_left := greatest(0, token_limit - now_is.used_of_plan - now_is.reserved_tokens);
                of_grants := greatest(0, wanted - of_plan_left);
            END IF;
            INSERT INTO ledger_entries (id, user_id, session_id, call_id, kind, operation, tokens, from_grants,
                expires_at, counted_at, created_at)
            VALUES (gen_random_uuid(), the_user, the_session, the_call, 'reserve', the_operation, wanted, of_grants,
                clock_timestamp() + make_interval(secs => lease_s), clock_timestamp(), clock_timestamp())
            ON CONFLICT (call_id, kind) DO NOTHING;
        END $$""")


def downgrade() -> None:
    op.execute('DROP FUNCTION ledger_reserve')
    op.execute('DROP FUNCTION ledger_balance')
