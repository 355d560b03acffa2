"""`trailmind cluster`: several Ray nodes on this machine, and the number of shards of any cluster."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from launch.cli.options import AsJson, DataDir, Port, command_settings, err, reported_steps, settings_with_database
from launch.signals import wait_for_signal
from models.plurals import counted

if TYPE_CHECKING:
    from launch.local_nodes import ClusterInfo

cluster_app = typer.Typer(
    no_args_is_help=True, help="A cluster of several Ray nodes on this machine; shards of any cluster."
)
NodeNumber = Annotated[int, typer.Argument(help="Number of the node; 0 is the head.")]


@cluster_app.command()
def up(
    nodes: Annotated[int, typer.Option(help="Worker nodes beside the head.")] = 3,
    data_dir: DataDir = None,
    port: Port = None,
) -> None:
    """Start a head and worker nodes with the labels of the KubeRay groups, and serve until Ctrl-C.

    For tests and demonstrations: all nodes share this machine. Run production on Kubernetes (kuberay/README.md).
    """
    settings = command_settings(data_dir, port)
    with reported_steps("Starting …") as report:
        from launch.joined_cluster import require_free_data_dir

        require_free_data_dir(settings.data_dir)
        from launch.local_cluster import LocalCluster

        cluster = LocalCluster(settings, nodes)
        cluster.start(report)
    try:
        err.print(
            f"[bold green]Ready[/] at {cluster.settings.server.origin}; nodes: head, {', '.join(cluster.groups)}",
            soft_wrap=True,
        )
        wait_for_signal()
    finally:
        with reported_steps("Stopping …"):
            cluster.stop()


@cluster_app.command("kill-node")
def kill_node_command(number: NodeNumber, data_dir: DataDir = None) -> None:
    """Kill a node of the cluster on this machine as a power failure does. Its supervisor replaces the node."""
    from launch.local_nodes import kill_node

    cluster = _cluster_with_node(number, data_dir)
    typer.echo(f"killed node {number}: {counted(kill_node(cluster.directory, number), 'process')}")


@cluster_app.command("drain-node")
def drain_node_command(number: NodeNumber, data_dir: DataDir = None) -> None:
    """Drain a node of the cluster on this machine, as Kubernetes does before an upgrade."""
    from launch.local_nodes import DRAIN_TIMEOUT_S, drain_node

    cluster = _cluster_with_node(number, data_dir)
    drain_node(cluster.directory, number)
    typer.echo(f"node {number} finishes its work and ends within {DRAIN_TIMEOUT_S} s; another starts in its place")


def _cluster_with_node(number: int, data_dir: Path | None) -> ClusterInfo:
    from launch.local_nodes import check_node_number, running_cluster

    cluster = running_cluster(command_settings(data_dir).data_dir)
    check_node_number(number, cluster.groups)
    return cluster


@cluster_app.command()
def status(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show the nodes of the cluster on this machine and the actors on each."""
    from launch.local_nodes import list_nodes, ray_client_environment, running_cluster

    settings = command_settings(data_dir)
    cluster = running_cluster(settings.data_dir)
    os.environ.update(ray_client_environment(cluster, settings))
    nodes = list_nodes(cluster)
    if as_json:
        typer.echo(json.dumps(nodes, indent=2))
        return
    typer.echo(f"{cluster.origin}   Ray at {cluster.ray_address}")
    typer.echo(f"{'GROUP':<6} {'STATE':<5} {'NODE':<8}  ACTORS")
    for node in nodes:
        typer.echo(f"{node['group']:<6} {node['state']:<5} {node['node_id'][:8]}  {', '.join(node['actors']) or '-'}")


@cluster_app.command()
def shards(
    number: Annotated[int | None, typer.Argument(help="The new number of shards, 1 to 64.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Show or change the number of session buffer shards of the cluster that uses this database.

    Replicas and shards apply a change within seconds, without a restart.
    """
    from cluster.scheduling import shards as scheduling

    settings = settings_with_database(data_dir)
    if number is None:
        shard_map = asyncio.run(scheduling.current_shard_map(settings))
    else:
        shard_map = asyncio.run(scheduling.request_num_shards(settings, number))
    typer.echo(f"{counted(shard_map.num_shards, 'shard')} (version {shard_map.version} of the map)")
