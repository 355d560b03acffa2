"""Runs the model steps as Ray tasks."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from cluster.mindmap.outline.types import Outline
from cluster.providers.calling.call_context import CallContextConfig, CallRequest, ProviderConnections
from cluster.providers.steps import CALLS_PER_TASK, DescribeResult, describe_pages, refine_outline
from cluster.providers.types import ModelTarget, PagePayload, ProviderError
from cluster.scheduling.placement import on_this_node
from models.billing.ledger import OutOfTokens

#: Concurrent tasks of one session. TASKS_AT_ONCE * CALLS_PER_TASK bounds the concurrent calls of one map.
TASKS_AT_ONCE = 2

Result = TypeVar("Result")
OutlineResult = tuple[Outline, ModelTarget] | ProviderError | OutOfTokens
#: A step, given the configuration and the connections of its process.
Step = Callable[[CallContextConfig, ProviderConnections], Coroutine[Any, Any, Result]]


class ProviderTasks(Protocol):
    """See RayProviderTasks."""

    async def describe(self, request: CallRequest, batches: Sequence[Sequence[PagePayload]]) -> DescribeResult:
        """Describe the batches. See steps.describe_pages."""
        ...

    async def outline(self, request: CallRequest, skeleton: Outline, digest: str) -> tuple[Outline, ModelTarget]:
        """Refine the outline. See steps.refine_outline, also for the errors."""
        ...


def distribute_batches(batches: Sequence[Sequence[PagePayload]], num_tasks: int) -> list[list[Sequence[PagePayload]]]:
    """The batches distributed over at most `num_tasks` tasks, and over no more than needed to start all at once."""
    num_used = max(1, min(num_tasks, -(-len(batches) // CALLS_PER_TASK)))
    return [list(batches[start::num_used]) for start in range(num_used) if batches[start::num_used]]


def _worker_config() -> CallContextConfig:
    """The configuration in a Ray worker: keys come from its environment and are never task arguments."""
    from actors.limiter_actor import RemoteLimiter, get_or_start_limiter
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
        lambda target, fallback: RemoteLimiter(
            get_or_start_limiter(target.key, dsn, **spread_options(settings, "state")), fallback
        ),
    )


class _WorkerLoop:
    """The event loop and the connections that a worker process keeps between tasks.

    Without them every task would open a new database connection and a new connection to the vendor.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="provider-calls", daemon=True).start()
        self._connections: ProviderConnections | None = None

    def run(self, step: Step[Result]) -> Result:
        """Run `step` on the loop. A cancelled Ray task cancels it and waits for its clean-up."""
        config, finished = _worker_config(), threading.Event()
        task: asyncio.Task[Result] | None = None

        def start() -> None:
            nonlocal task
            task = self._loop.create_task(self._run(config, step))
            task.add_done_callback(lambda _: finished.set())

        def cancel() -> None:
            if task is None:
                finished.set()
            else:
                task.cancel()

        # Ray raises its cancellation between any two bytecode instructions. The `try` therefore begins before the step
        # is scheduled, and no wait is without time-out: it would never see the cancellation.
        try:
            self._loop.call_soon_threadsafe(start)
            while not finished.wait(0.2):
                pass
        except BaseException:
            self._loop.call_soon_threadsafe(cancel)
            finished.wait()
            raise
        assert task is not None
        return task.result()

    async def _run(self, config: CallContextConfig, step: Step[Result]) -> Result:
        if self._connections is None:
            self._connections = ProviderConnections(config)
        return await step(config, self._connections)


@functools.cache
def _worker() -> _WorkerLoop:
    return _WorkerLoop()


def _describe(request: CallRequest, batches: Sequence[Sequence[PagePayload]]) -> DescribeResult:
    return _worker().run(lambda config, connections: describe_pages(config, request, batches, connections))


def _outline(request: CallRequest, skeleton: Outline, digest: str) -> OutlineResult:
    try:
        return _worker().run(lambda config, connections: refine_outline(config, request, skeleton, digest, connections))
    except (ProviderError, OutOfTokens) as error:
        # Returned, because Ray wraps an exception that crosses processes in a class of its own.
        return error


def _import_sdks(providers: Sequence[str]) -> None:
    from cluster.providers.configuration import open_transport, provider_endpoints
    from cluster.settings import load_settings

    endpoints = provider_endpoints(load_settings())
    for provider in providers:
        if provider in endpoints:
            open_transport(provider, endpoints[provider])


class ThreadProviderTasks:
    """Runs the steps in threads of this process, for work that is itself a Ray task."""

    async def describe(self, request: CallRequest, batches: Sequence[Sequence[PagePayload]]) -> DescribeResult:
        """See ProviderTasks."""
        return await asyncio.to_thread(_describe, request, batches)

    async def outline(self, request: CallRequest, skeleton: Outline, digest: str) -> tuple[Outline, ModelTarget]:
        """See ProviderTasks."""
        result = await asyncio.to_thread(_outline, request, skeleton, digest)
        if isinstance(result, BaseException):
            raise result
        return result


class RayProviderTasks:
    """Runs the steps as Ray tasks. They wait for the network most of the time and request little CPU.

    `options` are Ray task options that override the defaults.
    """

    def __init__(self, **options: Any) -> None:
        import ray

        self._ray = ray
        # Tasks can be retried: validated responses are cached, and reservations of lost calls are released.
        defaults: dict[str, Any] = {"num_cpus": 0.25, "max_retries": 2, **options}
        self._describe = ray.remote(_describe).options(**defaults)
        self._outline = ray.remote(_outline).options(**defaults)

    async def warm_up(self, providers: Sequence[str]) -> None:
        """Import the vendors' SDKs in worker processes of this node before the first map needs them."""
        if providers:
            placement, num_cpus = on_this_node()
            import_sdks: Any = self._ray.remote(_import_sdks).options(**placement)
            num_processes = min(num_cpus, TASKS_AT_ONCE)
            await asyncio.gather(*(import_sdks.remote(list(providers)) for _ in range(num_processes)))

    async def describe(self, request: CallRequest, batches: Sequence[Sequence[PagePayload]]) -> DescribeResult:
        """See ProviderTasks. Only the payloads, some kilobytes each, pass through the object store."""
        tasks = [self._describe.remote(request, share) for share in distribute_batches(batches, TASKS_AT_ONCE)]
        result = DescribeResult()
        for part in await self._gather(tasks):
            result.merge(part)
        return result

    async def outline(self, request: CallRequest, skeleton: Outline, digest: str) -> tuple[Outline, ModelTarget]:
        """See ProviderTasks."""
        (result,) = await self._gather([self._outline.remote(request, skeleton, digest)])
        if isinstance(result, BaseException):
            raise result
        refined: tuple[Outline, ModelTarget] = result
        return refined

    async def _gather(self, tasks: Sequence[Any]) -> list[Any]:
        async def result(task: Awaitable[Result]) -> Result:
            return await task

        try:
            return list(await asyncio.gather(*(result(task) for task in tasks)))
        except BaseException:
            for task in tasks:
                self._ray.cancel(task)
            raise
