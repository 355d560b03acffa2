"""Which nodes carry what, by Ray's node labels.

The groups are those of the KubeRay manifests (`kuberay/base/rayservice.yaml`): `serve` for the API's replicas,
`state` for the shards and limiters, `ai` for the workers and their tasks. On a laptop nodes have no labels and
everything runs anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from cluster.settings import Settings
from models.errors import ConfigurationError

GROUP_LABEL = "trailmind.dev/group"
Group = Literal["serve", "state", "ai"]
GROUPS: tuple[Group, ...] = ("serve", "state", "ai")
#: A node of a small cluster may carry every group.
ALL_GROUPS = "all"


def placement_options(settings: Settings, group: Group) -> dict[str, Any]:
    """Options for Ray that put an actor or a task on the nodes of `group`."""
    return (
        {"label_selector": {GROUP_LABEL: f"in({group},{ALL_GROUPS})"}} if settings.scaling.placement == "groups" else {}
    )


def spread_options(settings: Settings, group: Group) -> dict[str, Any]:
    """As `placed`, and one by one over the group's nodes: actors that ask for no CPU would all fit on the first.

    They ask for next to nothing instead of nothing: Ray lets a node drawn by lot place what asks for nothing, and each
    node counts its own turns, so that two actors would meet on one node half of the time.
    """
    options = placement_options(settings, group)
    return {**options, "scheduling_strategy": "SPREAD", "num_cpus": 0.001} if options else {}


def check_groups(settings: Settings, nodes: Iterable[Mapping[str, Any]], groups: Iterable[str] = GROUPS) -> None:
    """Raise ConfigurationError when no living node carries a label that something of ours asks for.

    Ray itself would wait for such a node without a word. `nodes` are those of `ray.nodes()`. Only for clusters whose
    nodes are all there from the start: where an autoscaler adds them, none is a fine beginning.
    """
    if settings.scaling.placement != "groups":
        return
    alive = [node for node in nodes if node.get("Alive", True)]
    there = {str(node.get("Labels", {}).get(GROUP_LABEL)) for node in alive} - {"None"}
    missing = [] if ALL_GROUPS in there else [group for group in groups if group not in there]
    if missing:
        has = f"the {len(alive)} nodes have {', '.join(sorted(there)) or 'none'}"
        raise ConfigurationError(
            f"no node carries the label {GROUP_LABEL}={missing[0]} ({has}): label one, or set"
            " TRAILMIND_PLACEMENT=anywhere"
        )
