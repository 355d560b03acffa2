"""The shard map

Revision: 0005
After: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shard_map",
        sa.Column("is_only", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("num_shards", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("is_only", name=op.f("ck_shard_map_is_only")),
        sa.CheckConstraint("num_shards BETWEEN 1 AND 64", name=op.f("ck_shard_map_num_shards")),
        sa.PrimaryKeyConstraint("is_only", name=op.f("pk_shard_map")),
    )


def downgrade() -> None:
    op.drop_table("shard_map")
