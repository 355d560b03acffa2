"""Where the work with models runs: as Ray tasks, or in this process."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from cluster.mindmap.outline.types import Outline
from cluster.providers.calling.call_context import CallContextConfig, CallRequest, ProviderConnections
from cluster.providers.steps import CALLS_PER_TASK, DescribeResult, describe_pages, refine_outline
from cluster.providers.types import ModelTarget, PagePayload, ProviderError
from models.billing.ledger import OutOfTokens

#: Tasks out at a time for one session. With CALLS_PER_TASK it bounds what one map asks at once.
TASKS_AT_ONCE = 2

Result = TypeVar("Result")
OutlineResult = tuple[Outline, ModelTarget] | ProviderError | OutOfTokens


class ProviderTasks(Protocol):
    """See RayProviderTasks."""

    async def describe(self, request: CallRequest, batches: Sequence[Sequence[PagePayload]]) -> DescribeResult:
        """Describe the batches."""
        ...

    async def outline(self, request: CallRequest, skeleton: Outline, digest: str) -> tuple[Outline, ModelTarget]:
        """Outline the session. Raises ProviderError, OutOfTokens."""
        ...


def distribute_batches(batches: Sequence[Sequence[PagePayload]], num_tasks: int) -> list[list[Sequence[PagePayload]]]:
    """The batches dealt to at most `num_tasks` tasks, no more of them than are needed to have all batches out."""
    num = max(1, min(num_tasks, -(-len(batches) // CALLS_PER_TASK)))
    return [list(batches[start::num]) for start in range(num) if batches[start::num]]


def _worker_config() -> CallContextConfig:
    """The parts as a Ray worker knows them: keys come from its own environment and never travel as arguments."""
    from actors.limiter_actor import RemoteLimiter, provider_limiter
    from cluster.providers.configuration import provider_endpoints
    from cluster.scheduling.placement import spread_options
    from cluster.settings import load_settings
    from telemetry.ray_export import export_to_ray

    settings = load_settings()
    export_to_ray()
    dsn = settings.database.postgres_dsn
    return CallContextConfig(
        dsn,
        provider_endpoints(settings),
        lambda target, own: RemoteLimiter(provider_limiter(target.key, dsn, **spread_options(settings, "state")), own),
    )


class _WorkerLoop:
    """What a worker process keeps from one task to the next: a loop, and its connections.

    A task that opens its own pays for a new connection to the database and one to the vendor, with all that either
    learns anew on its first use.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="provider-calls", daemon=True).start()
        self._connections: ProviderConnections | None = None

    def run(self, work: Callable[[CallContextConfig, ProviderConnections], Coroutine[Any, Any, Result]]) -> Result:
        """Do `work` on the loop. A task that is cancelled cancels it, and waits until it has cleaned up."""
        parts, finished = _worker_config(), threading.Event()
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
        self,
        parts: CallContextConfig,
        work: Callable[[CallContextConfig, ProviderConnections], Coroutine[Any, Any, Result]],
    ) -> Result:
        if self._connections is None:
            self._connections = ProviderConnections(parts)
        return await work(parts, self._connections)


@functools.cache
def _worker() -> _WorkerLoop:
    return _WorkerLoop()


def _describe(order: CallRequest, batches: Sequence[Sequence[PagePayload]]) -> DescribeResult:
    return _worker().run(lambda parts, connections: describe_pages(parts, order, batches, connections))


def _outline(order: CallRequest, skeleton: Outline, digest: str) -> OutlineResult:
    try:
        return _worker().run(lambda parts, connections: refine_outline(parts, order, skeleton, digest, connections))
    except (ProviderError, OutOfTokens) as error:
        # Returned, because an exception does not cross processes as itself.
        return error


def _load(providers: Sequence[str]) -> None:
    from cluster.providers.configuration import open_transport, provider_endpoints
    from cluster.settings import load_settings

    endpoints = provider_endpoints(load_settings())
    for provider in providers:
        if provider in endpoints:
            open_transport(provider, endpoints[provider])


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

    async def describe(self, request: CallRequest, batches: Sequence[Sequence[PagePayload]]) -> DescribeResult:
        """See ProviderTasks. What goes through the object store is the payloads, some kilobytes each, and no more."""
        tasks = [self._describe.remote(request, share) for share in distribute_batches(batches, TASKS_AT_ONCE)]
        done = DescribeResult()
        for part in await self._gather(tasks):
            done.merge(part)
        return done

    async def outline(self, request: CallRequest, skeleton: Outline, digest: str) -> tuple[Outline, ModelTarget]:
        """See ProviderTasks."""
        (result,) = await self._gather([self._outline.remote(request, skeleton, digest)])
        if isinstance(result, BaseException):
            raise result
        found: tuple[Outline, ModelTarget] = result
        return found

    async def _gather(self, tasks: Sequence[Any]) -> list[Any]:
        async def result(task: Awaitable[Result]) -> Result:
            return await task

        try:
            return list(await asyncio.gather(*(result(task) for task in tasks)))
        except BaseException:
            for task in tasks:
                self._ray.cancel(task)
            raise
