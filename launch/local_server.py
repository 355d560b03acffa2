"""The whole product on one machine: starts and stops the stores, the schema, Ray and Ray Serve."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
from pydantic import SecretStr

from cluster.settings import Settings, to_environment, with_changes
from launch.fork_server import worker_fork_server
from launch.haproxy_processes import haproxy_processes, kill_haproxy
from launch.joined_cluster import address_file, origin_file
from launch.listening_port import check_port
from launch.private_dir import private_short_dir
from launch.ray_environment import local_ray_environment, single_node_environment
from launch.readiness import wait_until_ready
from launch.secret_store import local_secret
from launch.stores import EmbeddedStores, StoreUrls, running_urls
from launch.stores.lock import DataDirLock
from models.errors import ConfigurationError
from models.migrations.run import is_current

APP_NAME = "trailmind"
#: Longer than Serve waits for its load balancers, because a busy machine may need more than one attempt.
READY_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 45.0
_OBJECT_STORE_BYTES = 256 * 1024 * 1024

#: Receives one sentence about the current step of a start.
ReportStatus = Callable[[str], None]


def with_running_stores(settings: Settings) -> Settings:
    """`settings` with the URLs of the embedded stores that a running `trailmind up` published, where none are set."""
    urls = running_urls(settings.data_dir)
    return settings if urls is None else _with_missing_urls(settings, urls)


def _with_missing_urls(settings: Settings, urls: StoreUrls) -> Settings:
    changes: dict[str, Any] = {}
    if settings.database.url is None:
        changes["database_url"] = SecretStr(urls.database_url)
    if settings.valkey.url is None:
        changes["redis_url"] = SecretStr(urls.redis_url)
    return with_changes(settings, **changes) if changes else settings


@contextmanager
def available_stores(settings: Settings, report: ReportStatus, *, durable: bool = True) -> Iterator[Settings]:
    """Yield the settings with the URLs of both stores; a store without a URL is embedded and stopped at the end.

    Raises:
        StoresError: an embedded store cannot run; the sentence names the remedy.
    """
    needs_postgres, needs_valkey = settings.database.url is None, settings.valkey.url is None
    if not needs_postgres and not needs_valkey:
        yield settings
        return
    embedded = EmbeddedStores(settings.data_dir, postgres=needs_postgres, valkey=needs_valkey, durable=durable)
    with embedded:
        for message in embedded.messages:
            report(message)
        yield _with_missing_urls(settings, embedded.start())


@contextmanager
def server_stores(settings: Settings, report: ReportStatus, *, durable: bool = True) -> Iterator[Settings]:
    """Like `available_stores`, for a server: it holds its data directory also when it embeds no store.

    Raises StoresInUse when another server does. A second one on the same directory would end the load balancers of the
    first, which it cannot tell from those that a crash left.
    """
    if settings.database.url is None or settings.valkey.url is None:
        with available_stores(settings, report, durable=durable) as available:
            yield available
        return
    lock = DataDirLock(settings.data_dir)
    try:
        yield settings
    finally:
        lock.release()


def with_signing_key(settings: Settings) -> Settings:
    """`settings` with a signing key: the configured one, or one generated into the data directory.

    In production the settings require a configured key.
    """
    if settings.auth.secret_key is not None:
        return settings
    return with_changes(settings, secret_key=SecretStr(local_secret(settings.data_dir, "signing-key")))


def _migrate(sqlalchemy_url: str) -> None:
    """Migrate the database in a process of its own: Alembic and all tables would keep 26 MB of this one.

    Raises ConfigurationError with the reason when it fails.
    """
    if is_current(sqlalchemy_url):
        return
    done = subprocess.run(
        [sys.executable, "-m", "models.migrations"],
        # Not as an argument, which every user of the machine can read: it may have a password.
        input=sqlalchemy_url,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["it ended without a message"])[-1]
        raise ConfigurationError(f"the database could not be migrated: {reason}")


def _preload_deployments() -> None:
    importlib.import_module("serve.deployments")


def _run_in_thread(call: Callable[[], Any]) -> Future[Any]:
    """Run `call` in a daemon thread, which does not delay the end of the process as a `ThreadPoolExecutor` would."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _wait_for_controller(starting: Future[Any]) -> None:
    """Return when Serve's controller has started. Raises the error of `starting` when it failed before."""
    from cluster.ray_internals import serve_controller_exists

    while not serve_controller_exists():
        if starting.done():
            starting.result()
        time.sleep(0.02)


def _ray_problem() -> str | None:
    """Why a server that is starting will not become ready; None while it may."""
    from cluster.ray_internals import local_node_is_alive

    if local_node_is_alive():
        return None
    return (
        f"Ray ended while the server was starting; its logs are in {os.environ['RAY_TMPDIR']}/ray/session_latest/logs"
    )


def _ray_sentence(error: BaseException) -> str | None:
    """The sentence for an error that Ray raised, whose own message may be a traceback; None for any other error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    raised_in = str(trace.tb_frame.f_globals.get("__name__", "")) if trace is not None else ""
    is_of_ray = type(error).__module__.partition(".")[0] == "ray" or raised_in.partition(".")[0] == "ray"
    if not isinstance(error, Exception) or not is_of_ray:
        return None
    return f"Ray could not start the server ({type(error).__name__}): the machine may be too busy or out of memory"


class LocalServer:
    """A Trailmind that runs in this process and its children."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.origin = settings.server.origin
        self._stack = ExitStack()
        self._is_stopping = False

    def start(self, report: ReportStatus = lambda _: None, *, durable: bool = True) -> None:
        """Start everything and return when `/ready` answers. `stop` undoes it; a failed start stops by itself.

        Raises:
            ConfigurationError: the port is taken, Ray cannot start, or the server is not ready within
                `READY_TIMEOUT_S`.
            StoresError: an embedded store cannot run.
        """
        try:
            self._start(report, durable)
        except BaseException as error:
            self.stop()
            if (sentence := _ray_sentence(error)) is not None:
                raise ConfigurationError(sentence) from None
            raise

    def _start(self, report: ReportStatus, durable: bool) -> None:
        if not haproxy_processes(self.settings.data_dir):
            # Else the port may be that of a load balancer which outlived a crash; it is checked again after its end.
            check_port(self.settings.server.host, self.settings.server.port)
        self.settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        report("Starting PostgreSQL and Valkey …")
        settings = with_signing_key(self.settings)
        # Ray reads these variables when it is imported, and every process that it starts inherits them.
        os.environ.update(local_ray_environment(settings) | single_node_environment())
        # The start of the stores and of Ray mostly waits for other processes; this thread imports meanwhile.
        threading.Thread(target=_preload_deployments, name="preload", daemon=True).start()
        settings = self._stack.enter_context(server_stores(settings, report, durable=durable))
        if not settings.scaling.ray_address:
            # After the data directory is held: the socket of a server that runs on it already must stay.
            self._stack.enter_context(worker_fork_server(private_short_dir(settings.data_dir)))
        _migrate(settings.database.sqlalchemy_url)
        valkey = redis.Redis.from_url(settings.valkey.connection_url, socket_connect_timeout=5.0)
        with contextlib.closing(valkey):
            valkey.ping()
        os.environ.update(to_environment(settings))
        self.settings = settings
        report("Starting Ray …")
        self._start_ray()
        report("Starting the API …")
        self._start_serve()
        wait_until_ready(self.origin, READY_TIMEOUT_S, problem=_ray_problem)

    def _start_ray(self) -> None:
        import ray

        from cluster.ray_internals import redirect_worker_output
        from cluster.scheduling.shards import connect_shard, current_shard_map
        from launch.ray_node import local_ray_node

        # A load balancer that outlives its Ray, after a crash, keeps the port and answers every request with an error.
        kill_haproxy(self.settings.data_dir)
        check_port(self.settings.server.host, self.settings.server.port)
        self._stack.callback(kill_haproxy, self.settings.data_dir)
        if self.settings.scaling.ray_address:
            ray.init(address=self.settings.scaling.ray_address, namespace=APP_NAME, log_to_driver=False)
        else:
            with local_ray_node(has_metrics=self.settings.server.local_metrics):
                ray.init(
                    # A new cluster, even if another Ray runs on this machine.
                    address="local",
                    num_cpus=self.settings.scaling.num_cpus or max(2, os.cpu_count() or 2),
                    namespace=APP_NAME,
                    include_dashboard=False,
                    log_to_driver=False,
                    configure_logging=False,
                    object_store_memory=_OBJECT_STORE_BYTES,
                    # Ray's own traffic stays on the loopback interface.
                    _node_ip_address="127.0.0.1",
                )
        untyped: Any = ray
        self._stack.callback(untyped.shutdown)
        # `trailmind regenerate` works in this cluster, and `trailmind status` asks this API.
        self._publish(address_file(self.settings.data_dir), untyped.get_runtime_context().gcs_address)
        self._publish(origin_file(self.settings.data_dir), self.origin)
        # Ray prints errors of workers on standard output, where they would corrupt the output of `--json`.
        redirect_worker_output(self._print_worker_output)
        # Ray's own handler aborts the process before it can stop what it started.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        # The shards start while Serve starts.
        for index in range(asyncio.run(current_shard_map(self.settings)).num_shards):
            connect_shard(self.settings, index)

    def _publish(self, file: Path, text: str) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_text(text)
        self._stack.callback(file.unlink, missing_ok=True)

    def _start_serve(self) -> None:
        from ray import serve
        from ray.serve.config import HTTPOptions

        from serve.deployments import build

        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        http_options = HTTPOptions(host=self.settings.server.host, port=self.settings.server.port)
        self._stack.callback(self._stop_serve)
        # `serve.start` waits for the first load balancer. On a busy machine Serve replaces one that starts slowly, and
        # the call fails although the next one works: what counts is that `/ready` answers, which `_start` waits for.
        starting = _run_in_thread(lambda: serve.start(proxy_location="HeadOnly", http_options=http_options))
        _wait_for_controller(starting)
        serve.run(build(), name=APP_NAME, route_prefix="/", blocking=False)

    def _stop_serve(self) -> None:
        from ray import serve

        from cluster.ray_internals import local_node_is_alive
        from cluster.scheduling.shards import drain_shards

        shutdown: Any = serve.shutdown

        def drain() -> None:
            shutdown()
            drain_shards()

        draining = _run_in_thread(drain)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        # A service manager signals every process at once: Ray may have ended, and a call to it would never return.
        while time.monotonic() < deadline and local_node_is_alive():
            if draining.done():
                draining.result()
                return
            time.sleep(0.02)

    def _print_worker_output(self, text: str) -> None:
        # During a stop the workers report the end of their peers, which is expected.
        if not self._is_stopping:
            sys.stderr.write(f"Ray:\n{text}\n")

    def stop(self) -> None:
        """Stop everything in reverse order: requests, unsaved events, Ray, stores. A repeat changes nothing."""
        self._is_stopping = True
        self._stack.close()
