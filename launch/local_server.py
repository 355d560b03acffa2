"""The whole product in one machine: stores, schema, Ray, Serve; started, watched, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from typing import Any

import redis
import structlog
from pydantic import SecretStr

from cluster.settings import Settings, to_environment, with_changes
from launch.ray_environment import local_ray_environment
from launch.readiness import wait_until_ready
from launch.secret_store import local_secret
from launch.stores import EmbeddedStores, running_urls
from models.migrations.run import migrate

log = structlog.get_logger("runtime")

APP_NAME = "trailmind"
READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 45.0
ReportStatus = Callable[[str], None]


def with_running_stores(settings: Settings) -> Settings:
    """`settings` with the URLs of the embedded stores a running `trailmind up` published, where none are set."""
    changes: dict[str, Any] = {}
    urls = running_urls(settings.data_dir)
    if urls is not None:
        if settings.database.url is None:
            changes["database_url"] = SecretStr(urls.database_url)
        if settings.valkey.url is None:
            changes["redis_url"] = SecretStr(urls.redis_url)
    return with_changes(settings, **changes) if changes else settings


@contextmanager
def available_stores(settings: Settings, report: ReportStatus, *, durable: bool = True) -> Iterator[Settings]:
    """The settings with both stores reachable: given ones as they are, missing ones embedded until the end."""
    wants_postgres, wants_valkey = settings.database.url is None, settings.valkey.url is None
    if not wants_postgres and not wants_valkey:
        yield settings
        return
    embedded = EmbeddedStores(settings.data_dir, postgres=wants_postgres, valkey=wants_valkey, durable=durable)
    with embedded:
        for notice in embedded.messages:
            report(notice)
        urls = embedded.start()
        changes: dict[str, Any] = {}
        if wants_postgres:
            changes["database_url"] = SecretStr(urls.database_url)
        if wants_valkey:
            changes["redis_url"] = SecretStr(urls.redis_url)
        yield with_changes(settings, **changes)


def with_signing_key(settings: Settings) -> Settings:
    """The settings with a signing key: given, or generated into the data directory (never in production)."""
    if settings.auth.secret_key is not None:
        return settings
    return with_changes(settings, secret_key=SecretStr(local_secret(settings.data_dir, "signing-key")))


def _preload_deployments() -> None:
    importlib.import_module("serve.deployments")


def _run_in_thread(call: Callable[[], Any]) -> Future[Any]:
    """Begin `call` in a thread that nobody has to wait for when the process is told to end."""
    done: Future[Any] = Future()

    def work() -> None:
        try:
            done.set_result(call())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return done


def _wait_for_controller(starting: Future[Any]) -> None:
    """Return when Serve's controller can be found, or `starting` it has failed."""
    import ray
    from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE

    untyped: Any = ray
    while not starting.done():
        with contextlib.suppress(ValueError):
            untyped.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
            return
        time.sleep(0.02)
    starting.result()


class LocalServer:
    """A running Trailmind on this machine."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.origin = settings.server.origin
        self._stack = ExitStack()
        self._is_stopping = False

    def start(self, report: ReportStatus = lambda _: None, *, durable: bool = True) -> None:
        """Start everything and return when requests are answered. Undone by `stop`, also after a failure here."""
        try:
            self._start(report, durable)
        except BaseException:
            self.stop()
            raise

    def _start(self, report: ReportStatus, durable: bool) -> None:
        self.settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        report("Starting PostgreSQL and Valkey …")
        settings = with_signing_key(self.settings)
        # Read by Ray when it is imported, and inherited by every process it starts.
        os.environ.update(local_ray_environment(settings))
        # The stores and Ray mostly wait for their processes while they start; the imports can happen meanwhile.
        threading.Thread(target=_preload_deployments, name="import-ahead", daemon=True).start()
        settings = self._stack.enter_context(available_stores(settings, report, durable=durable))
        migrate(settings.database.sqlalchemy_url)
        with contextlib.closing(
            redis.Redis.from_url(settings.valkey.connection_url, socket_connect_timeout=5.0)
        ) as valkey:
            valkey.ping()
        os.environ.update(to_environment(settings))
        self.settings = settings
        report("Starting Ray …")
        self._start_ray()
        report("Starting the API …")
        self._start_serve()
        wait_until_ready(self.origin, READY_TIMEOUT_S)

    def _start_ray(self) -> None:
        import ray

        from cluster.scheduling.shards import connect_shard, current_shard_map
        from launch.ray_node import kill_haproxy, local_ray_node

        # One that lost its Ray keeps the port and answers for nobody: after a crash, and when Ray went before us.
        kill_haproxy(self.settings.data_dir)
        self._stack.callback(kill_haproxy, self.settings.data_dir)
        if self.settings.scaling.ray_address:
            ray.init(address=self.settings.scaling.ray_address, namespace=APP_NAME, log_to_driver=False)
        else:
            with local_ray_node():
                ray.init(
                    # A cluster of our own, whatever else of Ray's runs on this machine.
                    address="local",
                    num_cpus=self.settings.scaling.num_cpus or max(2, os.cpu_count() or 2),
                    namespace=APP_NAME,
                    include_dashboard=False,
                    log_to_driver=False,
                    configure_logging=False,
                    object_store_memory=256 * 1024 * 1024,
                    # All of Ray's own traffic stays on the loopback interface.
                    _node_ip_address="127.0.0.1",
                )
        untyped: Any = ray
        self._stack.callback(untyped.shutdown)
        # Ray prints what goes wrong anywhere in the cluster to the standard output of whoever started it, where it
        # would end up in the middle of an answer; and while everything stops on purpose, it is nobody's news.
        untyped._private.worker.print_to_stdstream = self._print_ray_output
        # Ray's own handler aborts the process; ours lets it stop what it started.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        # The shards need a moment to start; let them do it while Serve starts too.
        for index in range(asyncio.run(current_shard_map(self.settings)).num_shards):
            connect_shard(self.settings, index)

    def _start_serve(self) -> None:
        from ray import serve
        from ray.serve.config import HTTPOptions

        from serve.deployments import build

        # Its steps are not ours to report; what goes wrong still is.
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        http_options = HTTPOptions(host=self.settings.server.host, port=self.settings.server.port)
        self._stack.callback(self._stop_serve)
        # Returns when the load balancers answer; meanwhile the replicas can start as well.
        started = _run_in_thread(lambda: serve.start(proxy_location="HeadOnly", http_options=http_options))
        _wait_for_controller(started)
        serve.run(build(), name=APP_NAME, route_prefix="/", blocking=False)
        started.result()

    def _stop_serve(self) -> None:
        from ray import serve
        from ray._private import worker

        from cluster.scheduling.shards import drain_shards

        shutdown: Any = serve.shutdown
        node: Any = worker._global_node

        def drain() -> None:
            shutdown()
            drain_shards()

        draining = _run_in_thread(drain)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        # A service manager tells every process at once: then Ray is gone already, and whoever asks it waits for ever.
        while time.monotonic() < deadline and (node is None or node.remaining_processes_alive()):
            if draining.done():
                draining.result()
                return
            time.sleep(0.02)

    def _print_ray_output(self, news: dict[str, Any], **_: Any) -> None:
        if not self._is_stopping:
            sys.stderr.write("\n".join(["Ray:", *news["lines"]]) + "\n")

    def stop(self) -> None:
        """Stop everything in reverse order: requests, unsaved events, Ray, stores."""
        self._is_stopping = True
        self._stack.close()
