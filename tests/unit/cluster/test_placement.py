"""Placement by node labels, and the error when no node has one."""

from __future__ import annotations

import pytest

from cluster.scheduling.placement import GROUP_LABEL, check_groups, placement_options
from cluster.settings import Settings, load_settings
from models.errors import ConfigurationError


def settings_with_groups() -> Settings:
    return load_settings(placement="groups")


def node(group: str | None, alive: bool = True) -> dict[str, object]:
    return {"Alive": alive, "Labels": {GROUP_LABEL: group} if group else {}}


def test_placement_anywhere_sets_no_options() -> None:
    assert placement_options(load_settings(), "state") == {}
    check_groups(load_settings(), [])


def test_actors_select_the_label_of_their_group() -> None:
    assert placement_options(settings_with_groups(), "state") == {
        "label_selector": {"trailmind.dev/group": "in(state,all)"}
    }


def test_a_cluster_with_every_group_passes() -> None:
    check_groups(settings_with_groups(), [node("serve"), node("state"), node("ai"), node(None)])
    check_groups(settings_with_groups(), [node("all")])


@pytest.mark.parametrize("state_node", [node("state", alive=False), node("stat"), node(None)])
def test_a_group_without_a_node_is_an_error(state_node: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=r"no node carries the label trailmind\.dev/group=state"):
        check_groups(settings_with_groups(), [node("serve"), state_node, node("ai")])
