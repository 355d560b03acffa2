"""Titles that the extension made up from the time are no longer the user's: a generated title replaces them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # [[:space:]] does not contain the narrow no-break space that browsers write before AM and PM.
    op.execute(sa.text(r"""
        UPDATE browsing_sessions SET title_source = 'generated'
        WHERE title_source = 'user' AND title ~ (
            '^((Browsing|Open tabs|Recent history), [A-Z][a-z]{2} [0-9]{1,2}, [0-9]{1,2}:[0-9]{2}.?[AP]M'
            '|[0-9]{1,2}월 [0-9]{1,2}일 (오전|오후) [0-9]{1,2}:[0-9]{2} (브라우징|열린 탭|최근 방문 기록))$')
    """.replace(":[", r"\:[")))


def downgrade() -> None:
    """A generated title stays one."""
