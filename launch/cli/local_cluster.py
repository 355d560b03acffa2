"""`trailmind cluster`: several Ray nodes on one machine, and how many shards there are on any cluster."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from cluster.settings import Settings, load_settings
from launch.signals import wait_for_signal

if TYPE_CHECKING:
    from launch.local_cluster import ClusterInfo

cluster_app = typer.Typer(no_args_is_help=True, help="A cluster of several Ray nodes on this machine; shards anywhere.")
err = Console(stderr=True)

DataDir = Annotated[Path | None, typer.Option(help="Where data is kept (TRAILMIND_DATA_DIR).")]
Port = Annotated[int | None, typer.Option(help="Where the server listens (TRAILMIND_PORT).")]


def _settings(data_dir: Path | None, port: int | None = None) -> Settings:
    given: dict[str, Any] = {"data_dir": data_dir.expanduser().absolute() if data_dir else None, "port": port}
    return load_settings(**{k: v for k, v in given.items() if v is not None})


@cluster_app.command()
def up(
    nodes: Annotated[int, typer.Option(help="Worker nodes beside the head.")] = 3,
    data_dir: DataDir = None,
    port: Port = None,
) -> None:
    """Start a head and worker nodes, labelled as the KubeRay groups are, and serve until Ctrl-C.

    For tests and to look at. All nodes share this machine; for others, run it on Kubernetes (kuberay/README.md).
    """
    from launch.local_cluster import LocalCluster

    cluster = LocalCluster(_settings(data_dir, port), nodes)
    with err.status("Starting …") as status:
        cluster.start(status.update)
    try:
        err.print(f"[bold green]Ready[/] at {cluster.settings.server.origin}; nodes: head, {', '.join(cluster.groups)}")
        wait_for_signal()
    finally:
        with err.status("Stopping …"):
            cluster.stop()


@cluster_app.command("kill-node")
def kill_node(
    number: Annotated[int, typer.Argument(help="Which node; 0 is the head.")], data_dir: DataDir = None
) -> None:
    """Kill a node of the cluster on this machine as a power cut would. Its supervisor starts another in its place."""
    from launch import local_cluster as nodes

    facts = _cluster_with(number, data_dir)
    typer.echo(f"killed node {number}: {nodes.kill_node(facts.directory, number)} processes")


@cluster_app.command("drain-node")
def drain_node(
    number: Annotated[int, typer.Argument(help="Which node; 0 is the head.")], data_dir: DataDir = None
) -> None:
    """Ask a node of the cluster on this machine to finish what it has and go, as Kubernetes does before an upgrade."""
    from launch import local_cluster as nodes

    facts = _cluster_with(number, data_dir)
    nodes.drain_node(facts.directory, number)
    typer.echo(
        f"node {number} finishes what it has and ends within {nodes.DRAIN_TIMEOUT_S} s; another starts in its place"
    )


def _cluster_with(number: int, data_dir: Path | None) -> ClusterInfo:
    from launch import local_cluster as nodes
    from models.errors import BadRequest

    facts = nodes.running_cluster(_settings(data_dir).data_dir)
    if not 0 <= number <= len(facts.groups):
        raise BadRequest(f"there is no node {number}: nodes are 0 (the head) to {len(facts.groups)}")
    return facts


@cluster_app.command()
def status(
    data_dir: DataDir = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show the nodes of the cluster on this machine, and what runs on each."""
    from launch import local_cluster as nodes

    settings = _settings(data_dir)
    facts = nodes.running_cluster(settings.data_dir)
    os.environ.update(nodes.ray_client_environment(facts, settings))
    found = nodes.list_nodes(facts)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(f"{facts.origin}   Ray at {facts.ray_address}")
    for node in found:
        typer.echo(f"{node['group']:<6} {node['state']:<5} {node['node_id'][:8]}  {', '.join(node['actors']) or '-'}")


@cluster_app.command()
def shards(
    number: Annotated[int | None, typer.Argument(help="How many there shall be, 1 to 64.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Show or change the number of session buffer shards, on any cluster that uses this database.

    Replicas and shards follow within seconds and nothing restarts.
    """
    from cluster.scheduling.shards import current_shard_map, request_num_shards
    from launch.local_server import with_running_stores
    from models.errors import ConfigurationError

    settings = with_running_stores(_settings(data_dir))
    if settings.database.url is None:
        raise ConfigurationError("there is no database: set DATABASE_URL, or start one with `trailmind up`")
    found = asyncio.run(current_shard_map(settings) if number is None else request_num_shards(settings, number))
    typer.echo(f"{found.num_shards} shards (version {found.version} of the map)")
