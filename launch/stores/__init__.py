"""The embedded data stores: a real PostgreSQL and a real Valkey, started and supervised by us.

`EmbeddedStores` is for the one process that runs the product on a laptop; every other command asks `running_urls`.
The rest of the system knows nothing but the two URLs, so external servers are a matter of configuration.
"""

from __future__ import annotations

from launch.stores.embedded import EmbeddedStores
from launch.stores.errors import StoresError, StoresInUse
from launch.stores.lock import StoreUrls, running_urls

__all__ = ["EmbeddedStores", "StoreUrls", "StoresError", "StoresInUse", "running_urls"]
