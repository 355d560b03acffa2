"""Placement of actors and tasks on groups of nodes, by Ray's node labels.

The groups are those of the KubeRay manifests (`kuberay/base/rayservice.yaml`): `serve` for the API's replicas,
`state` for the shards and limiters, `ai` for the job workers and their tasks. Nodes on a laptop have no labels; with
`TRAILMIND_PLACEMENT=anywhere` everything runs on any node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from cluster.settings import Settings
from models.errors import ConfigurationError

GROUP_LABEL = "trailmind.dev/group"
Group = Literal["serve", "state", "ai"]
GROUPS: tuple[Group, ...] = ("serve", "state", "ai")
#: The label of a node that belongs to every group, for small clusters.
ALL_GROUPS = "all"


def placement_options(settings: Settings, group: Group) -> dict[str, Any]:
    """Ray options that place an actor or a task on the nodes of `group`; empty where placement is not by groups."""
    if settings.scaling.placement != "groups":
        return {}
    return {"label_selector": {GROUP_LABEL: f"in({group},{ALL_GROUPS})"}}


def spread_options(settings: Settings, group: Group) -> dict[str, Any]:
    """As `placement_options`, with the actors spread evenly over the group's nodes.

    The actors request 0.001 CPU: Ray schedules zero-resource actors from a random node, and each node keeps a
    round-robin counter of its own, so that half of the time two such actors would share a node.
    """
    options = placement_options(settings, group)
    return {**options, "scheduling_strategy": "SPREAD", "num_cpus": 0.001} if options else {}


def on_this_node() -> tuple[dict[str, Any], int]:
    """Ray options of a task that runs on the calling process's node and reserves no CPU, and the CPUs of that node."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    untyped: Any = ray
    node_id = untyped.get_runtime_context().get_node_id()
    num_cpus = next((node["Resources"].get("CPU", 0) for node in untyped.nodes() if node["NodeID"] == node_id), 0)
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node_id, soft=True)}, int(num_cpus)


def check_groups(settings: Settings, nodes: Iterable[Mapping[str, Any]], groups: Iterable[str] = GROUPS) -> None:
    """Raise ConfigurationError when a group has no living node.

    Ray would wait for such a node without an error. `nodes` is the result of `ray.nodes()`. Only for clusters without
    an autoscaler, whose nodes all exist from the start.
    """
    if settings.scaling.placement != "groups":
        return
    alive = [node for node in nodes if node.get("Alive", True)]
    labels = {str(node.get("Labels", {}).get(GROUP_LABEL)) for node in alive} - {"None"}
    missing = [] if ALL_GROUPS in labels else [group for group in groups if group not in labels]
    if missing:
        present = f"the {len(alive)} nodes have {', '.join(sorted(labels)) or 'none'}"
        raise ConfigurationError(
            f"no node carries the label {GROUP_LABEL}={missing[0]} ({present}): label one, or set"
            " TRAILMIND_PLACEMENT=anywhere"
        )
