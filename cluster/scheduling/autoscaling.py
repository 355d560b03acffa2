"""How many replicas there should be.

The decisions are pure functions; the class is what Ray Serve asks, inside its controller, every tenth of a second: it
must not block, so the queue is read on a thread of its own and the last answer is used.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg

from models.jobs import MAPS, QueueLoad, read_queue_load

#: How old the queue's numbers may be before they are read anew, in seconds.
POLL_PERIOD_S = 2.0
#: A worker that has nothing to do stays this long: starting one again takes seconds.
IDLE_BEFORE_DOWNSCALE_S = 120.0


def target_workers(
    facts: QueueLoad,
    *,
    current: int,
    jobs_per_worker: int,
    minimum: int,
    maximum: int,
    idle_s: float,
    late_after_s: float = 10.0,
) -> int:
    """Workers to have for what waits and runs. `idle_s` is how long the queue has been empty.

    Enough for everything at once; one more than there are when the oldest job has waited past `patience_s` although
    the numbers say there are enough (a job may be long). Fewer only when nothing waits, and one at a time while
    something still runs; down to `minimum` after IDLE_BEFORE_LEAVING_S of nothing at all.
    """
    if not 0 <= minimum <= maximum or jobs_per_worker < 1:
        raise ValueError(f"cannot have {minimum} to {maximum} workers of {jobs_per_worker} jobs each")
    needed = math.ceil((facts.pending + facts.running) / jobs_per_worker)
    if facts.pending:
        late = current + 1 if facts.oldest_s > late_after_s else 0
        wanted = max(needed, late, current, 1)
    elif facts.running:
        wanted = max(needed, current - 1)
    elif idle_s < IDLE_BEFORE_DOWNSCALE_S:
        wanted = current
    else:
        wanted = minimum
    return max(minimum, min(maximum, wanted))


def read_map_queue(dsn: str) -> QueueLoad:
    """The load of the queue of maps now. Raises psycopg.Error."""
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        return read_queue_load(connection, MAPS)


class QueuePolicy:
    """Serve's autoscaling policy for GenerationWorker: by the queue of maps, not by requests (it has none).

    While PostgreSQL cannot be read the number of workers stays what it is.
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
        self._read = read or _read_configured_queue
        self._facts: QueueLoad | None = None
        self._polled_at = -math.inf
        self._empty_since: float | None = None
        self._polling = threading.Lock()

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:
        """The target, and what Serve shows as the policy's state."""
        now = self._clock()
        if now - self._polled_at >= POLL_PERIOD_S:
            self._polled_at = now
            if self._in_background:
                threading.Thread(target=self._poll, name="queue-depth", daemon=True).start()
            else:
                self._poll()
        facts, current = self._facts, int(context.target_num_replicas)
        if facts is None:
            return current, {}
        self._empty_since = None if facts.pending or facts.running else self._empty_since or now
        wanted = target_workers(
            facts,
            current=current,
            jobs_per_worker=self._jobs_per_worker,
            minimum=context.capacity_adjusted_min_replicas,
            maximum=context.capacity_adjusted_max_replicas,
            idle_s=now - self._empty_since if self._empty_since is not None else 0.0,
        )
        return wanted, {"pending": facts.pending, "running": facts.running}

    def _poll(self) -> None:
        if not self._polling.acquire(blocking=False):
            return
        try:
            self._facts = self._read()
        except (psycopg.Error, OSError):
            self._facts = None
        finally:
            self._polling.release()

    def __getstate__(self) -> dict[str, Any]:
        # Serve pickles the policy on its way to the controller.
        return {k: v for k, v in self.__dict__.items() if k != "_polling"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._polling = threading.Lock()


def _read_configured_queue() -> QueueLoad:
    from cluster.settings import load_settings

    return read_map_queue(load_settings().database.postgres_dsn)


def worker_autoscaling(minimum: int, maximum: int, jobs_per_worker: int) -> dict[str, Any]:
    """`autoscaling_config` of GenerationWorker. With a minimum of 0 the first job waits for a worker to start."""
    return {
        "min_replicas": minimum,
        "max_replicas": maximum,
        # The policy itself decides when to wait; these only keep it from flapping.
        "upscale_delay_s": 0.0,
        "downscale_delay_s": 10.0,
        "policy": {
            "policy_function": "cluster.scheduling.autoscaling:QueuePolicy",
            "policy_kwargs": {"jobs_per_worker": jobs_per_worker},
        },
    }


def api_autoscaling(minimum: int, maximum: int, ongoing_requests: int = 100) -> dict[str, Any]:
    """`autoscaling_config` of the ingress: by ongoing requests. Never fewer than one: nobody would answer.

    Raises ValueError for a minimum below one.
    """
    if minimum < 1:
        raise ValueError("the ingress needs at least one replica: with none nobody would answer")
    return {
        "min_replicas": minimum,
        "max_replicas": max(minimum, maximum),
        "target_ongoing_requests": ongoing_requests,
        "upscale_delay_s": 10.0,
        "downscale_delay_s": 300.0,
    }
