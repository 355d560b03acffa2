"""Take the reading time out of stored summaries: the session states it for all pages, and two numbers disagree."""

from __future__ import annotations

from alembic import op

revision = '0026'
down_revision = '0025'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The patterns are those of `models.mindmap.summaries`, which does the same for stored documents when they are read.
    op.execute(r"""
        UPDATE browsing_sessions
        SET summary = regexp_replace(summary, ', read in \d+ minutes?, most of it \(', ', most of the reading time (')
        WHERE summary ~ '^\d+ pages? on .*, read in \d+ minutes?, most of it \(\d+%\)'
    """)
    op.execute(r"""
        UPDATE browsing_sessions SET summary = regexp_replace(summary, ', read in \d+ minutes?\.$', '.')
        WHERE summary ~ '^\d+ pages? on .*, read in \d+ minutes?\.$'
    """)
    op.execute(r"""
        UPDATE browsing_sessions SET summary = regexp_replace(summary, '^\d+분 동안 ', '')
        WHERE summary ~ '^\d+분 동안 .*에 관한 \d+개 페이지를 읽었습니다'
    """)


def downgrade() -> None:
    """The removed times are not stored anywhere else."""
