"""Which worker deployment takes jobs from which queues."""

from __future__ import annotations

from cluster.settings import Settings
from models.jobs import MAPS, QUEUES

#: The queues of `MaintenanceWorker`: their jobs need no CPUs for map generation.
MAINTENANCE_QUEUES = tuple(queue for queue in QUEUES if queue != MAPS)


def generation_queues(settings: Settings) -> tuple[str, ...]:
    """The queues of `GenerationWorker`: all of them, unless `MaintenanceWorker` is deployed beside it."""
    return (MAPS,) if settings.scaling.has_maintenance_worker else QUEUES
