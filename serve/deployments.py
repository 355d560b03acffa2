"""The Ray Serve application with its deployments.

Cheap to import: the process that deploys the application does not need the routes; a replica imports `serve.app` when
it creates its app.
"""

from __future__ import annotations

from typing import Any

from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from cluster.jobs.worker_deployment import GenerationWorker, MaintenanceWorker
from cluster.scheduling.autoscaling import MAX_ONGOING_REQUESTS, api_autoscaling, worker_autoscaling
from cluster.scheduling.placement import Group, placement_options
from cluster.settings import Settings, load_settings


def make_app() -> ASGIApp:
    """The app of `serve.app.create_app`, imported on call."""
    from serve.app import create_app

    return create_app()


def _api_scale(settings: Settings) -> dict[str, Any]:
    if settings.scaling.max_api_replicas is None:
        return {"num_replicas": settings.scaling.num_api_replicas}
    return {"autoscaling_config": api_autoscaling(settings.scaling.num_api_replicas, settings.scaling.max_api_replicas)}


def _worker_scale(settings: Settings) -> dict[str, Any]:
    if settings.scaling.max_workers is None:
        return {"num_replicas": settings.scaling.num_workers}
    return {
        "autoscaling_config": worker_autoscaling(
            settings.scaling.num_workers, settings.scaling.max_workers, settings.scaling.worker_concurrency
        )
    }


def build(args: dict[str, Any] | None = None) -> Application:
    """The Serve application: `Api` serves requests, `GenerationWorker` runs jobs.

    Where the number of workers may be zero, `MaintenanceWorker` runs the jobs that are no maps.

    `args` may hold options for each deployment (`{"Api": {"num_replicas": 3}}`), as Serve config files pass them.
    """
    settings = load_settings()
    options = args or {}
    # Ray leaves these untyped.
    deployment: Any = serve.deployment
    api = deployment(serve.ingress(make_app)()).options(
        name="Api",
        **{
            **_api_scale(settings),
            # RequestMiddleware logs requests; without Ray's access log a replica serves a third more small requests
            # (`make bench-ingest`).
            "logging_config": {"enable_access_log": False},
            "max_ongoing_requests": MAX_ONGOING_REQUESTS,
            "ray_actor_options": {"num_cpus": 0, **placement_options(settings, "serve")},
            "health_check_period_s": 5,
            "health_check_timeout_s": 10,
            "graceful_shutdown_timeout_s": 20,
            **options.get("Api", {}),
        },
    )
    workers = [
        _worker(GenerationWorker, {**_worker_scale(settings), **_placed(settings, "ai")}, options),
    ]
    if settings.scaling.has_maintenance_worker:
        workers.append(_worker(MaintenanceWorker, {"num_replicas": 1, **_placed(settings, "serve")}, options))
    bound: Application = api.bind(*(worker.bind() for worker in workers))
    return bound


def _placed(settings: Settings, group: Group) -> dict[str, Any]:
    # Workers wait for their tasks. If they held CPUs, several of them could hold all CPUs that the tasks wait for.
    return {"ray_actor_options": {"num_cpus": 0, **placement_options(settings, group)}}


def _worker(worker_class: type, own_options: dict[str, Any], options: dict[str, Any]) -> Any:
    deployment: Any = serve.deployment
    return deployment(worker_class).options(
        name=worker_class.__name__,
        **{
            "health_check_period_s": 5,
            "health_check_timeout_s": 10,
            "graceful_shutdown_timeout_s": 30,
            **own_options,
            **options.get(worker_class.__name__, {}),
        },
    )
