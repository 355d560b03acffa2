"""A worker of a regeneration run that receives SIGKILL at one point, in a process of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import uuid
from typing import Any
from unittest import mock

from cluster.providers.calling.call_context import CallContextConfig
from cluster.providers.configuration import provider_endpoints
from cluster.runs.worker import work
from cluster.settings import Settings
from tests.support.conditions import LONG_PATIENCE_S
from tests.support.provider_tasks import InlineProviderTasks


def _work_until(settings: Settings, run_id: str, owner: uuid.UUID, point: str) -> None:
    tasks = InlineProviderTasks(CallContextConfig(settings.database.postgres_dsn, provider_endpoints(settings)))

    async def killed(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with mock.patch(point, killed):
        asyncio.run(work(settings, run_id, owner, work_s=0.0, provider_tasks=tasks))


async def killed_at(settings: Settings, run_id: str, owner: uuid.UUID, point: str) -> None:
    """A worker claims an item for `owner`, and is killed when it calls the function `point`.

    Raises AssertionError when it is not.
    """
    # Its processes are forked from one that has imported this module, and no test's threads.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    process = processes.Process(target=_work_until, args=(settings, run_id, owner, point))
    process.start()
    await asyncio.to_thread(process.join, LONG_PATIENCE_S)
    assert process.exitcode == -signal.SIGKILL, point
    process.close()
