"""How often a process that answers requests stops to look for reference cycles."""

from __future__ import annotations

import gc
from typing import Final

#: Python looks when so many objects more than before exist. With the default of 700, looking took a fifteenth of a
#: replica's processor time, and a look at all objects stopped a shard for 150 ms (`docs/performance`).
_ALLOCATIONS: Final = 20_000


def collect_garbage_seldom() -> None:
    """Look for cycles seldom, and never again among the objects that exist now: modules, classes and constants.

    For a process that is ready to answer. Its requests must leave no cycles behind: freeing those of thousands of
    requests at once stops the process, too. `gc.freeze` describes the second part.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 20, 20)
