"""How far each batch regeneration has come; an index that was missing under a foreign key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "regeneration_runs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Uuid(), nullable=True),
        sa.Column("num_ordered", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_regeneration_runs")),
    )
    op.create_index(op.f("ix_ai_configs_updated_by"), "ai_configs", ["updated_by"])


def downgrade() -> None:
    op.drop_index(op.f("ix_ai_configs_updated_by"), "ai_configs")
    op.drop_table("regeneration_runs")
