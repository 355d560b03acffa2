"""The cluster on one machine: everything that can be tested without starting one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.scheduling.placement import GROUPS
from cluster.settings import load_settings
from launch.cli.local_cluster import cluster_app
from launch.local_cluster import LocalCluster
from launch.local_nodes import cluster_info_path, groups_for, running_cluster
from models.errors import BadRequest, ConfigurationError, TrailmindError


@pytest.mark.parametrize("num_nodes", range(1, 9))
def test_every_group_has_a_node_and_the_api_has_two(num_nodes: int) -> None:
    groups = groups_for(num_nodes)
    assert len(groups) == num_nodes
    for group in GROUPS:
        carriers = [g for g in groups if g in {group, "all"}]
        assert carriers
        if group == "serve" and num_nodes > 1:
            assert len(carriers) >= 2


@pytest.mark.parametrize("num_nodes", [0, -1, 9])
def test_invalid_numbers_of_nodes_are_refused(num_nodes: int) -> None:
    with pytest.raises(BadRequest, match=f"1 to 8 nodes beside its head, not {num_nodes}"):
        groups_for(num_nodes)


def test_killing_an_unknown_node_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"there is no node 4: nodes are 0 \(the head\) to 3"):
        LocalCluster(load_settings(data_dir=tmp_path), 3).kill(4)


def test_without_a_cluster_the_commands_name_the_command_that_starts_one(tmp_path: Path) -> None:
    for arguments in (["status"], ["kill-node", "1"]):
        result = CliRunner().invoke(cluster_app, [*arguments, "--data-dir", str(tmp_path)])
        assert isinstance(result.exception, ConfigurationError)
        assert "trailmind cluster up" in str(result.exception)
    result = CliRunner().invoke(cluster_app, ["shards", "--data-dir", str(tmp_path)])
    assert "trailmind up" in str(result.exception)


def test_a_cluster_with_a_dead_supervisor_does_not_run(tmp_path: Path) -> None:
    path = cluster_info_path(tmp_path)
    path.parent.mkdir()
    facts = {"directory": "d", "ray_address": "a", "origin": "o", "groups": ["all"], "supervisor_pid": os.getpid()}
    path.write_text(json.dumps(facts))
    assert running_cluster(tmp_path).groups == ("all",)
    for broken in ("{", "[]", json.dumps({**facts, "supervisor_pid": 2**22 + 1}), json.dumps({"groups": []})):
        path.write_text(broken)
        with pytest.raises(ConfigurationError):
            running_cluster(tmp_path)


def test_a_shard_count_of_zero_is_refused(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.migrations.run import migrate

    migrate("postgresql+psycopg://" + fresh_database.partition("://")[2])
    monkeypatch.setenv("DATABASE_URL", fresh_database)
    result = CliRunner().invoke(cluster_app, ["shards", "0"])
    assert isinstance(result.exception, TrailmindError)
    assert str(result.exception) == "the number of shards must be 1 to 64, not 0"
    assert CliRunner().invoke(cluster_app, ["shards", "7"]).output == "7 shards (version 1 of the map)\n"
    assert CliRunner().invoke(cluster_app, ["shards"]).output == "7 shards (version 1 of the map)\n"
