"""Autoscaling: the number of job workers by their queues, and of API replicas by their ongoing requests.

The decision is a pure function. `QueuePolicy` is what Ray Serve calls in its controller every 0.1 s: it must not block,
so a thread reads the queue and the policy uses the last result.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import psycopg

from models.jobs import QueueLoad, read_queue_load

#: The interval at which the queue is read, in seconds.
POLL_PERIOD_S = 2.0
#: Idle workers are kept this long, because starting one takes seconds.
IDLE_BEFORE_DOWNSCALE_S = 120.0
#: Requests that a replica of the API holds at the same time. They wait for PostgreSQL rather than the CPU. An open
#: event stream is one, too, and a thousand of them must leave room for requests.
MAX_ONGOING_REQUESTS: Final = 3_000


def target_workers(
    load: QueueLoad,
    *,
    current: int,
    jobs_per_worker: int,
    minimum: int,
    maximum: int,
    idle_s: float,
    late_after_s: float = 10.0,
) -> int:
    """The number of workers for `load`, between `minimum` and `maximum`. `idle_s` is how long the queue has been empty.

    Pending jobs: enough workers to run every job at once, and never fewer than now; one more than now if the oldest job
    has waited longer than `late_after_s` although the count suffices, because running jobs may be long. Only running
    jobs: one worker fewer at a time. Neither: `minimum` after IDLE_BEFORE_DOWNSCALE_S.

    Raises ValueError for bounds that contradict each other.
    """
    if not 0 <= minimum <= maximum or jobs_per_worker < 1:
        raise ValueError(f"cannot have {minimum} to {maximum} workers of {jobs_per_worker} jobs each")
    needed = math.ceil((load.pending + load.running) / jobs_per_worker)
    if load.pending:
        late = current + 1 if load.oldest_s > late_after_s else 0
        target = max(needed, late, current, 1)
    elif load.running:
        target = max(needed, current - 1)
    elif idle_s < IDLE_BEFORE_DOWNSCALE_S:
        target = current
    else:
        target = minimum
    return max(minimum, min(maximum, target))


def read_queues(dsn: str, queues: Sequence[str]) -> QueueLoad:
    """The load of `queues` now. Raises psycopg.Error."""
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        return read_queue_load(connection, queues)


class QueuePolicy:
    """Serve's autoscaling policy for GenerationWorker: by its queues, because it receives no requests.

    While PostgreSQL is unavailable the number of workers does not change.
    """

    def __init__(
        self,
        jobs_per_worker: int = 2,
        *,
        read: Callable[[], QueueLoad] | None = None,
        clock: Callable[[], float] = time.monotonic,
        in_background: bool = True,
    ) -> None:
        self._jobs_per_worker, self._clock, self._in_background = jobs_per_worker, clock, in_background
        self._read = read or _read_configured_queues
        self._load: QueueLoad | None = None
        self._polled_at = -math.inf
        self._empty_since: float | None = None
        self._polling = threading.Lock()

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:
        """The target number of replicas, and the state that Serve shows for the policy."""
        now = self._clock()
        if now - self._polled_at >= POLL_PERIOD_S:
            self._polled_at = now
            if self._in_background:
                threading.Thread(target=self._poll, name="queue-depth", daemon=True).start()
            else:
                self._poll()
        load, current = self._load, int(context.target_num_replicas)
        if load is None:
            return current, {}
        self._empty_since = None if load.pending or load.running else self._empty_since or now
        target = target_workers(
            load,
            current=current,
            jobs_per_worker=self._jobs_per_worker,
            minimum=context.capacity_adjusted_min_replicas,
            maximum=context.capacity_adjusted_max_replicas,
            idle_s=now - self._empty_since if self._empty_since is not None else 0.0,
        )
        return target, {"pending": load.pending, "running": load.running}

    def _poll(self) -> None:
        if not self._polling.acquire(blocking=False):
            return
        try:
            self._load = self._read()
        except (psycopg.Error, OSError):
            self._load = None
        finally:
            self._polling.release()

    def __getstate__(self) -> dict[str, Any]:
        # Serve pickles the policy to send it to the controller; a lock cannot be pickled.
        return {k: v for k, v in self.__dict__.items() if k != "_polling"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._polling = threading.Lock()


def _read_configured_queues() -> QueueLoad:
    from cluster.scheduling.queues import generation_queues
    from cluster.settings import load_settings

    settings = load_settings()
    return read_queues(settings.database.postgres_dsn, generation_queues(settings))


def worker_autoscaling(minimum: int, maximum: int, jobs_per_worker: int) -> dict[str, Any]:
    """`autoscaling_config` of GenerationWorker. With a minimum of 0 the first job waits until a worker has started."""
    return {
        "min_replicas": minimum,
        "max_replicas": maximum,
        # QueuePolicy decides when to scale down; this delay only prevents flapping.
        "upscale_delay_s": 0.0,
        "downscale_delay_s": 10.0,
        "policy": {
            "policy_function": "cluster.scheduling.autoscaling:QueuePolicy",
            "policy_kwargs": {"jobs_per_worker": jobs_per_worker},
        },
    }


def api_autoscaling(minimum: int, maximum: int, ongoing_requests: int = 100) -> dict[str, Any]:
    """`autoscaling_config` of the API: by ongoing requests per replica.

    Raises ValueError for a minimum below one: without a replica no request is answered.
    """
    if minimum < 1:
        raise ValueError("the API needs at least one replica: without one, no request is answered")
    return {
        "min_replicas": minimum,
        "max_replicas": max(minimum, maximum),
        "target_ongoing_requests": ongoing_requests,
        "upscale_delay_s": 10.0,
        "downscale_delay_s": 300.0,
    }
