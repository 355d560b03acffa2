"""The embedded data stores: a real PostgreSQL and a real Valkey, started and supervised by this package.

One process of a local server uses `EmbeddedStores`; every other command reads `running_urls`. The rest of the system
uses only the two URLs, so external servers need configuration and no code.
"""

from __future__ import annotations

from launch.stores.embedded import EmbeddedStores
from launch.stores.errors import StoresError, StoresInUse
from launch.stores.lock import StoreUrls, data_dir_holder, running_urls

__all__ = ["EmbeddedStores", "StoreUrls", "StoresError", "StoresInUse", "data_dir_holder", "running_urls"]
