"""Provider tasks that run in the test process instead of Ray workers."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.mindmap.outline.types import Outline
from cluster.providers.calling.call_context import CallContextConfig, CallRequest
from cluster.providers.calling.gather_all import gather_all
from cluster.providers.steps import DescribeResult, describe_pages, refine_outline
from cluster.providers.tasks import TASKS_AT_ONCE, distribute_batches
from cluster.providers.types import ModelTarget, PagePayload


class InlineProviderTasks:
    """Runs the steps of RayProviderTasks as coroutines of this process. See cluster.providers.tasks.ProviderTasks."""

    def __init__(self, config: CallContextConfig) -> None:
        self._config = config

    async def describe(self, request: CallRequest, batches: Sequence[Sequence[PagePayload]]) -> DescribeResult:
        """Describe the batches as RayProviderTasks distributes them."""
        shares = distribute_batches(batches, TASKS_AT_ONCE)
        result = DescribeResult()
        for part in await gather_all(*(describe_pages(self._config, request, share) for share in shares)):
            result.merge(part)
        return result

    async def outline(self, request: CallRequest, skeleton: Outline, digest: str) -> tuple[Outline, ModelTarget]:
        """Refine the outline."""
        return await refine_outline(self._config, request, skeleton, digest)
