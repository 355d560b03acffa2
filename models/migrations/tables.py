"""Every module with tables: importing this makes them known to `models.base.Base`."""

from __future__ import annotations

import models.ai
import models.audit
import models.browsing_sessions
import models.events
import models.joint_maps
import models.ledger
import models.logins
import models.mindmaps
import models.plans
import models.regeneration
import models.search_index
import models.shard_map
import models.sharing
import models.users  # noqa: F401
