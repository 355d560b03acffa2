"""Named, detached Ray actors: found by name from every process of the cluster, started on first use."""

from __future__ import annotations

from typing import Any

import ray

#: The Ray namespace of all our named actors.
RAY_NAMESPACE = "trailmind"
#: Concurrent calls of one async actor; Ray queues further calls.
_MAX_CONCURRENCY = 1000


def get_or_start_actor(actor_class: type[Any], name: str, *arguments: Any, **options: Any) -> Any:
    """The handle of the actor `name`; starts `actor_class(*arguments)` if no actor has that name.

    Returns at once: a new actor needs seconds before it answers. Ray restarts it whenever its process or node dies.
    It takes no CPU slot, because it only waits for I/O. `options` go to Ray (placement).
    """
    remote_class = ray.remote(num_cpus=0, max_restarts=-1)(actor_class)
    return remote_class.options(
        name=name,
        namespace=RAY_NAMESPACE,
        get_if_exists=True,
        lifetime="detached",
        max_concurrency=_MAX_CONCURRENCY,
        **options,
    ).remote(*arguments)
