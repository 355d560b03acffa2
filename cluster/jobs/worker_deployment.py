"""The Serve deployments that take jobs from PostgreSQL; Ray tasks do the heavy steps of maps.

Serve restarts and scales it. A stopped replica finishes its running jobs; when one dies, its heartbeat stops and other
replicas requeue its jobs. The work is in `cluster.jobs.worker`. This module imports little, because the process that
deploys the application imports it too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING

from cluster.logging_setup import configure_logs
from cluster.scheduling.queues import MAINTENANCE_QUEUES, generation_queues
from cluster.settings import load_settings

if TYPE_CHECKING:
    from cluster.jobs.worker import JobWorker

#: While a server starts, users wait for its API and not yet for a job: the import yields the CPU. This is added to the
#: niceness of the process, which is 15 on the nodes of a cluster; 19 is the highest.
_IMPORT_NICENESS, _HIGHEST_NICENESS = 10, 19
#: Longer than the worker waits for its running jobs (`cluster.jobs.worker.SHUTDOWN_TIMEOUT_S`).
_STOP_TIMEOUT_S = 28.0


def _import_at_low_priority() -> type[JobWorker]:
    if sys.platform == "linux":  # where threads have priorities; this thread ends with the import
        niceness = min(os.getpriority(os.PRIO_PROCESS, 0) + _IMPORT_NICENESS, _HIGHEST_NICENESS)
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
    from cluster.jobs.worker import JobWorker

    return JobWorker


class GenerationWorker:
    """One replica's job worker: it generates maps, and runs the other jobs unless `MaintenanceWorker` does."""

    def __init__(self) -> None:
        self._settings = load_settings()
        self._queues = self._chosen_queues()
        configure_logs(self._settings)
        self._is_stopping = False
        self._worker: JobWorker | None = None
        self._running = asyncio.create_task(self._run())

    def _chosen_queues(self) -> tuple[str, ...]:
        return generation_queues(self._settings)

    async def _run(self) -> None:
        self._worker = (await _import_in_new_thread())(self._settings, self._queues)
        if not self._is_stopping:
            await self._worker.run()

    async def check_health(self) -> None:
        """Raise RuntimeError when the worker has ended; Serve then replaces the replica."""
        if self._running.done() and not self._is_stopping:
            raise RuntimeError("the job worker has ended")

    async def __del__(self) -> None:
        self._is_stopping = True
        if self._worker is None:
            self._running.cancel()
        else:
            self._worker.stop()
        await asyncio.wait([self._running], timeout=_STOP_TIMEOUT_S)


class MaintenanceWorker(GenerationWorker):
    """The job worker for all jobs but maps; deployed where the workers for maps may scale to zero."""

    def _chosen_queues(self) -> tuple[str, ...]:
        return MAINTENANCE_QUEUES


async def _import_in_new_thread() -> type[JobWorker]:
    # Not in the event loop's thread pool: its threads live on and would keep the low priority.
    loop = asyncio.get_running_loop()
    imported: asyncio.Future[type[JobWorker]] = loop.create_future()

    def import_and_report() -> None:
        try:
            worker_class = _import_at_low_priority()
        except BaseException as error:
            loop.call_soon_threadsafe(imported.set_exception, error)
        else:
            loop.call_soon_threadsafe(imported.set_result, worker_class)

    threading.Thread(target=import_and_report, name="import", daemon=True).start()
    return await imported
