"""The workers of a run as Ray tasks, spread over the nodes of the cluster that the driver has joined."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from contextlib import suppress
from typing import Any

import ray

from cluster.logging_setup import configure_logs
from cluster.runs.worker import WORK_S, work
from cluster.scheduling.placement import placement_options
from cluster.settings import Settings, load_settings

#: The niceness of workers beside a serving application, where there is no lower scheduling class.
_NICENESS = 19
#: The share of a CPU that such a worker requests: next to none, so that the tasks of maps that users wait for are
#: never queued behind it.
_SPARE_CPUS = 0.001


#: How long a worker beside a serving application goes on claiming, in seconds: its process serves one task only.
_BESIDE_WORK_S = 60.0


def _give_way() -> None:
    """Let the processes of a serving application come first whenever they want the CPU.

    On the nodes of a cluster Ray starts every worker with a niceness of 15 (`worker_niceness`), compared with which 19
    leaves this one a third of a contested CPU. The class for idle time leaves it less than a tenth (sched(7)).
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _work_task(run_id: str, owner: uuid.UUID, is_beside_application: bool) -> int:
    # The lower priority ends with the process, because a process of such a worker serves one task (`max_calls`).
    if is_beside_application:
        _give_way()
    settings = load_settings()
    configure_logs(settings)
    untyped: Any = ray
    # Nodes on one machine have one host name and different addresses.
    node = f"{os.uname().nodename} {untyped.util.get_node_ip_address()}"
    work_s = _BESIDE_WORK_S if is_beside_application else WORK_S
    return asyncio.run(work(settings, run_id, owner, node=node, work_s=work_s))


def is_beside_application() -> bool:
    """Whether Ray Serve runs in the cluster that this process has joined: users wait for its answers."""
    try:
        ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
    except ValueError:
        return False
    return True


class RayWorkers:
    """See `cluster.runs.driver.WorkerPool`. `concurrency` is the largest number of workers; None is one per CPU."""

    def __init__(self, settings: Settings, concurrency: int | None = None) -> None:
        self._concurrency = concurrency
        self._is_beside_application = is_beside_application()
        task: Any = ray.remote(max_calls=1 if self._is_beside_application else 0)(_work_task)
        self._task = task.options(
            num_cpus=_SPARE_CPUS if self._is_beside_application else 1,
            # The driver starts another worker, which claims what this one has not done.
            max_retries=0,
            scheduling_strategy="SPREAD",
            **placement_options(settings, "ai"),
        )

    def size(self) -> int:
        """See WorkerPool. A given concurrency is not reduced to the CPUs there are: an autoscaler adds nodes."""
        if self._concurrency is not None:
            return self._concurrency
        untyped: Any = ray
        return max(1, int(untyped.cluster_resources().get("CPU", 1)))

    async def work(self, run_id: str, owner: uuid.UUID) -> int:
        """See WorkerPool."""
        result = self._task.remote(run_id, owner, self._is_beside_application)
        try:
            return int(await result)
        except asyncio.CancelledError:
            ray.cancel(result)
            raise
