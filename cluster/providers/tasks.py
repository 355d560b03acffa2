"""Where the work with models runs: as Ray tasks, or in this process."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from cluster.mindmap.outline.types import Outline
from cluster.providers.calling.call_context import Connections, DeskParts, WorkOrder
from cluster.providers.calling.gather_all import all_of
from cluster.providers.steps import CALLS_PER_TASK, Described, describe_batches, outline_session
from cluster.providers.types import ModelChoice, PageCard, ProviderError
from models.billing.ledger import OutOfTokens

#: Tasks out at a time for one session. With CALLS_PER_TASK it bounds what one map asks at once.
TASKS_AT_ONCE = 2

Result = TypeVar("Result")
OutlineResult = tuple[Outline, ModelChoice] | ProviderError | OutOfTokens


class ProviderTasks(Protocol):
    """See RayProviderTasks."""

    async def describe(self, order: WorkOrder, batches: Sequence[Sequence[PageCard]]) -> Described:
        """Describe the batches."""
        ...

    async def outline(self, order: WorkOrder, skeleton: Outline, digest: str) -> tuple[Outline, ModelChoice]:
        """Outline the session. Raises ProviderError, OutOfTokens."""
        ...


class InlineProviderTasks:
    """The work in this process."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts

    async def describe(self, order: WorkOrder, batches: Sequence[Sequence[PageCard]]) -> Described:
        """See ProviderTasks."""
        shares = shared_out(batches, TASKS_AT_ONCE)
        done = Described()
        for part in await all_of(*(describe_batches(self._parts, order, share) for share in shares)):
            done.add(part)
        return done

    async def outline(self, order: WorkOrder, skeleton: Outline, digest: str) -> tuple[Outline, ModelChoice]:
        """See ProviderTasks."""
        return await outline_session(self._parts, order, skeleton, digest)


def shared_out(batches: Sequence[Sequence[PageCard]], num_tasks: int) -> list[list[Sequence[PageCard]]]:
    """The batches dealt to at most `num_tasks` tasks, no more of them than are needed to have all batches out."""
    num = max(1, min(num_tasks, -(-len(batches) // CALLS_PER_TASK)))
    return [list(batches[start::num]) for start in range(num) if batches[start::num]]


def _worker_parts() -> DeskParts:
    """The parts as a Ray worker knows them: keys come from its own environment and never travel as arguments."""
    from actors.limiter_actor import RemoteLimiter, provider_limiter
    from cluster.providers.configuration import provider_accesses
    from cluster.scheduling.placement import spread
    from cluster.settings import load_settings
    from telemetry.metrics import export_to_ray

    settings = load_settings()
    export_to_ray()
    dsn = settings.postgres_dsn
    return DeskParts(
        dsn,
        provider_accesses(settings),
        lambda choice, own: RemoteLimiter(provider_limiter(choice.key, dsn, **spread(settings, "state")), own),
    )


class _Worker:
    """What a worker process keeps from one task to the next: a loop, and its connections.

    A task that opens its own pays for a new connection to the database and one to the vendor, with all that either
    learns anew on its first use.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="provider-calls", daemon=True).start()
        self._connections: Connections | None = None

    def run(self, work: Callable[[DeskParts, Connections], Coroutine[Any, Any, Result]]) -> Result:
        """Do `work` on the loop. A task that is cancelled cancels it, and waits until it has cleaned up."""
        parts, finished = _worker_parts(), threading.Event()
        begun: concurrent.futures.Future[asyncio.Task[Result]] = concurrent.futures.Future()

        def begin() -> None:
            task = self._loop.create_task(self._do(parts, work))
            task.add_done_callback(lambda _: finished.set())
            begun.set_result(task)

        self._loop.call_soon_threadsafe(begin)
        task = begun.result()
        try:
            # Ray's cancellation is seen between two instructions, and a thread that waits for good comes to none.
            while not finished.wait(0.2):
                pass
        except BaseException:
            self._loop.call_soon_threadsafe(task.cancel)
            finished.wait()
            raise
        return task.result()

    async def _do(
        self, parts: DeskParts, work: Callable[[DeskParts, Connections], Coroutine[Any, Any, Result]]
    ) -> Result:
        if self._connections is None:
            self._connections = Connections(parts)
        return await work(parts, self._connections)


@functools.cache
def _worker() -> _Worker:
    return _Worker()


def _describe(order: WorkOrder, batches: Sequence[Sequence[PageCard]]) -> Described:
    return _worker().run(lambda parts, connections: describe_batches(parts, order, batches, connections))


def _outline(order: WorkOrder, skeleton: Outline, digest: str) -> OutlineResult:
    try:
        return _worker().run(lambda parts, connections: outline_session(parts, order, skeleton, digest, connections))
    except (ProviderError, OutOfTokens) as error:
        # Returned, because an exception does not cross processes as itself.
        return error


def _load(providers: Sequence[str]) -> None:
    from cluster.providers.configuration import open_transport, provider_accesses
    from cluster.settings import load_settings

    accesses = provider_accesses(load_settings())
    for provider in providers:
        if provider in accesses:
            open_transport(provider, accesses[provider])


class RayProviderTasks:
    """The work as Ray tasks. They wait for the network most of their time and are planned with little CPU."""

    def __init__(self, **options: Any) -> None:
        import ray

        self._ray = ray
        # A task may be repeated: what was answered is checkpointed, what was asked and lost is given back.
        defaults: dict[str, Any] = {"num_cpus": 0.25, "max_retries": 2, **options}
        self._describe = ray.remote(_describe).options(**defaults)
        self._outline = ray.remote(_outline).options(**defaults)
        self._load = ray.remote(_load).options(**defaults)

    async def warm_up(self, providers: Sequence[str]) -> None:
        """Have the vendors' SDKs imported before the first user waits for them."""
        if providers:
            await asyncio.gather(*(self._load.remote(list(providers)) for _ in range(TASKS_AT_ONCE)))

    async def describe(self, order: WorkOrder, batches: Sequence[Sequence[PageCard]]) -> Described:
        """See ProviderTasks. What goes through the object store is the cards, some kilobytes each, and no more."""
        tasks = [self._describe.remote(order, share) for share in shared_out(batches, TASKS_AT_ONCE)]
        done = Described()
        for part in await self._all(tasks):
            done.add(part)
        return done

    async def outline(self, order: WorkOrder, skeleton: Outline, digest: str) -> tuple[Outline, ModelChoice]:
        """See ProviderTasks."""
        (result,) = await self._all([self._outline.remote(order, skeleton, digest)])
        if isinstance(result, BaseException):
            raise result
        found: tuple[Outline, ModelChoice] = result
        return found

    async def _all(self, tasks: Sequence[Any]) -> list[Any]:
        async def result(task: Awaitable[Result]) -> Result:
            return await task

        try:
            return list(await asyncio.gather(*(result(task) for task in tasks)))
        except BaseException:
            for task in tasks:
                self._ray.cancel(task)
            raise
