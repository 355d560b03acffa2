"""Placement by labels, and the sentence when nobody carries one."""

from __future__ import annotations

import pytest

from cluster.scheduling.placement import GROUP_LABEL, check_groups, placement_options
from cluster.settings import Settings, load_settings
from models.errors import ConfigurationError


def grouped() -> Settings:
    return load_settings(placement="groups")


def node(group: str | None, alive: bool = True) -> dict[str, object]:
    return {"Alive": alive, "Labels": {GROUP_LABEL: group} if group else {}}


def test_a_laptop_has_no_groups() -> None:
    assert placement_options(load_settings(), "state") == {}
    check_groups(load_settings(), [])


def test_actors_ask_for_their_group() -> None:
    assert placement_options(grouped(), "state") == {"label_selector": {"trailmind.dev/group": "in(state,all)"}}


def test_all_groups_there_is_fine() -> None:
    check_groups(grouped(), [node("serve"), node("state"), node("ai"), node(None)])
    check_groups(grouped(), [node("all")])


@pytest.mark.parametrize("gone", [node("state", alive=False), node("stat"), node(None)])
def test_a_label_nobody_has_is_said(gone: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=r"no node carries the label trailmind\.dev/group=state"):
        check_groups(grouped(), [node("serve"), gone, node("ai")])
