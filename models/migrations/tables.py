"""Every module with tables: importing this one registers them with `models.base.Base`, for Alembic."""

# ruff: noqa: F401 - imported for their tables

from __future__ import annotations

import models.accounts.audit
import models.accounts.erasure_receipts
import models.accounts.legal_holds
import models.accounts.logins
import models.accounts.mail_records
import models.accounts.users
import models.ai_calls
import models.billing.billing_tables
import models.billing.ledger
import models.billing.plans
import models.billing.storage
import models.mindmap.joint_maps
import models.mindmap.regeneration
import models.mindmap.sharing
import models.mindmap.versions
import models.provider_quota
import models.recording.browsing_sessions
import models.recording.events
import models.recording.page_vectors
import models.recording.shard_map
import models.recording.timeline_snapshots
import models.runs.run_tables
import models.search.index
