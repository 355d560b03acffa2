"""The deployment that takes jobs from PostgreSQL and has Ray carry them out.

Serve restarts and scales it. A replica that is stopped finishes the jobs it has; one that dies is noticed by its
missing heartbeat, and others take its jobs over. What it does is `cluster.jobs.worker`; this module is light to import,
because whoever starts the application imports it too.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import sys
import threading
from typing import TYPE_CHECKING

from cluster.logging_setup import configure_logs
from cluster.settings import load_settings

if TYPE_CHECKING:
    from cluster.jobs.worker import JobWorker

#: Nobody waits for the first job of a server that starts, but people wait for its API.
_IMPORT_NICENESS = 10


def _import_behind_others() -> type[JobWorker]:
    if sys.platform == "linux":  # where a thread has a priority of its own; this one ends with the import
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _IMPORT_NICENESS)
    found: type[JobWorker] = importlib.import_module("cluster.jobs.worker").JobLoop
    return found


class GenerationWorker:
    """One replica's job worker."""

    def __init__(self) -> None:
        self._settings = load_settings()
        configure_logs(self._settings)
        self._is_stopping = False
        self._loop: JobWorker | None = None
        self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        # A thread of its own: the pool's threads would stay, and slow.
        imported: asyncio.Future[type[JobWorker]] = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()

        def work() -> None:
            try:
                found = _import_behind_others()
            except BaseException as error:
                loop.call_soon_threadsafe(imported.set_exception, error)
            else:
                loop.call_soon_threadsafe(imported.set_result, found)

        threading.Thread(target=work, name="import", daemon=True).start()
        self._loop = (await imported)(self._settings)
        if not self._is_stopping:
            await self._loop.run()

    async def check_health(self) -> None:
        """Serve replaces a replica whose loop has ended."""
        if self._running.done() and not self._is_stopping:
            raise RuntimeError("the job worker has ended")

    async def __del__(self) -> None:
        self._is_stopping = True
        if self._loop is None:
            self._running.cancel()
        else:
            self._loop.stop()
        await asyncio.wait([self._running], timeout=28.0)
