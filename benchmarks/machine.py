"""How busy the machine is while a benchmark runs: a figure of wall time from a busy machine says nothing."""

from __future__ import annotations

import os
from typing import Any

#: Runnable threads per CPU, before the benchmark starts, above which a wall time is not a result.
MAX_LOAD_PER_CPU = 0.5


def machine() -> dict[str, Any]:
    """The number of CPUs, the load average of the last minute, and whether other programs keep the CPUs busy."""
    cpus, (load, _, _) = os.cpu_count() or 1, os.getloadavg()
    return {"cpus": cpus, "load": round(load, 1), "is_busy": load > MAX_LOAD_PER_CPU * cpus}
