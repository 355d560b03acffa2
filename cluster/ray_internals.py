"""Every use of Ray's private API. No other module imports from `ray._private`, `ray._raylet` or `ray.serve._private`.

Ray offers no public way to do what these functions do. `INTERNALS` lists each private attribute with its purpose;
`tests/unit/cluster/test_ray_internals.py` reads the list and fails with one sentence for each attribute that another
version of Ray no longer has. `pyproject.toml` pins the version. The module is in `cluster` because `serve` uses it too,
and nothing below `launch` may import `launch`.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray._private.node
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Internal:
    """One private attribute of Ray that we use."""

    module: str
    attribute: str
    purpose: str
    #: Parameters that we pass by name or override.
    parameters: tuple[str, ...] = ()

    def problem(self) -> str | None:
        """What is wrong with the attribute in the installed Ray, in one sentence; None when it is as expected."""
        used = f"cluster/ray_internals.py uses it to {self.purpose}"
        try:
            value: Any = importlib.import_module(self.module)
            for name in self.attribute.split("."):
                value = getattr(value, name)
        except (ImportError, AttributeError):
            return f"Ray {ray.__version__} has no {self.module}.{self.attribute}: {used}"
        code = getattr(inspect.unwrap(value) if callable(value) else value, "__code__", None)
        names = set() if code is None else {*code.co_varnames, *code.co_consts}
        missing = [name for name in self.parameters if name not in names]
        if missing:
            return f"{self.module}.{self.attribute} of Ray {ray.__version__} has no parameter {missing[0]}: {used}"
        return None


_NODE = "ray._private.node"
_RAYLET = "ray._raylet"
_SERVICES = "ray._private.services"
_CONTROLLER = "ray.serve._private.controller"
_APPLICATION_STATE = "ray.serve._private.application_state"
_PROXY_STATE = "ray.serve._private.proxy_state"
_REPLICA = "ray.serve._private.replica"
_SERVE_COMMON = "ray.serve._private.common"
#: Where uvicorn's `send` is a method of a response that writes to its `transport`.
_UVICORN_HTTP = "uvicorn.protocols.http.httptools_impl"
#: The interval of the control loop of Ray Serve while every application runs and every load balancer is healthy.
_IDLE_CONTROL_LOOP_INTERVAL_S = 1.0
#: Starts each worker process of a local node.
_WORKER_PROGRAM = Path(__file__).with_name("ray_worker.py")
#: Parameter of the raylet -> the attribute of `ray._raylet` that names the port's file.
_AGENT_PORTS = {
    "metrics_agent_port": "METRICS_AGENT_PORT_NAME",
    "metrics_export_port": "METRICS_EXPORT_PORT_NAME",
    "dashboard_agent_listen_port": "DASHBOARD_AGENT_LISTEN_PORT_NAME",
    "runtime_env_agent_port": "RUNTIME_ENV_AGENT_PORT_NAME",
}
NUM_AGENT_PORTS = len(_AGENT_PORTS)
#: Parameters of the raylet with the command of an agent.
_METRICS_AGENT, _RUNTIME_ENV_AGENT = "--dashboard_agent_command=", "--runtime_env_agent_command="

INTERNALS: tuple[Internal, ...] = (
    Internal(_NODE, "Node", "start a local node with fewer processes"),
    Internal(_NODE, "Node.start_api_server", "leave out the API server of a local node"),
    Internal(_NODE, "Node.start_monitor", "leave out the autoscaler of a local node"),
    Internal(_NODE, "Node.start_log_monitor", "leave out the log monitor of a local node"),
    Internal(_NODE, "Node.start_raylet", "assign the ports of the agents before the raylet starts"),
    Internal(_NODE, "Node.get_session_dir_path", "find the directory of the agents' port files"),
    Internal(_NODE, "Node.node_id", "name the agents' port files"),
    Internal(_NODE, "Node.remaining_processes_alive", "notice during a stop that Ray has ended already"),
    Internal("ray._private.services", "start_ray_process", "leave out the agents of a local node", ("command",)),
    Internal("ray._private.workers", "__path__", "start a worker without its set-up program"),
    Internal(
        _PROXY_STATE,
        "ProxyStateManager._start_fallback_proxy_if_needed",
        "leave out the proxy for applications that scale to zero",
    ),
    Internal("ray.serve._private.proxy_state", "ProxyStateManager.update", "slow the control loop"),
    Internal(_PROXY_STATE, "ProxyStateManager.get_proxy_details", "slow the control loop"),
    Internal("ray.serve._private.application_state", "ApplicationStateManager.update", "slow the control loop"),
    Internal(
        "ray.serve._private.application_state", "ApplicationStateManager.list_app_statuses", "slow the control loop"
    ),
    Internal("ray.serve._private.controller", "CONTROL_LOOP_INTERVAL_S", "slow the control loop"),
    Internal(_RAYLET, "persist_port", "write the agents' port files"),
    *(Internal(_RAYLET, name, "write the agents' port files") for name in _AGENT_PORTS.values()),
    Internal("ray.actor", "ActorClassID.from_random", "import Ray without seeding its generator of ids"),
    Internal(_RAYLET, "ActorClassID.size", "import Ray without seeding its generator of ids"),
    Internal(_RAYLET, "WorkerID.from_random", "test that two copies of a process draw different ids"),
    Internal("ray._private.utils", "get_dashboard_dependency_error", "skip the slow import check of ray[default]"),
    Internal("ray._private.worker", "_global_node", "notice during a stop that Ray has ended already"),
    Internal("ray._private.worker", "print_to_stdstream", "keep the output of workers off standard output"),
    Internal("ray._private.worker", "init", "choose the address of the node that connects", ("_node_ip_address",)),
    Internal("ray._private.state", "actors", "list actors while Ray's dashboard is off"),
    Internal("ray.serve._private.constants", "SERVE_CONTROLLER_NAME", "wait for the controller of Ray Serve"),
    Internal("ray.serve._private.constants", "SERVE_NAMESPACE", "wait for the controller of Ray Serve"),
    Internal("ray.serve._private.http_util", "RequestIdMiddleware", "stop Ray Serve from adding a second X-Request-ID"),
    Internal(
        _REPLICA,
        "Replica._direct_ingress_asgi",
        "skip what Ray Serve does for each batch",
        ("scope", "receive", "send"),
    ),
    Internal(_REPLICA, "Replica._start_request", "count an ongoing request", ("request_metadata",)),
    Internal(_REPLICA, "Replica.max_queued_requests", "see whether requests may be refused"),
    Internal(
        _REPLICA, "ReplicaMetricsManager.record_request_metrics", "count a request", ("route", "latency_ms", "is_error")
    ),
    Internal(_SERVE_COMMON, "RequestMetadata", "count an ongoing request"),
    Internal("ray.serve._private.build_app", "build_app", "list the deployments of an application without a cluster"),
    Internal(
        "ray.serve._private.haproxy_templates",
        "HAPROXY_CONFIG_TEMPLATE",
        "test the HAProxy wrapper on Ray's template",
    ),
)


class LocalRayNode(ray._private.node.Node):
    """A node of a cluster on one machine, without the processes that nothing uses there.

    A head node as `ray.init` starts it has three Python programs that one machine does not need: the API server (what
    remains of Ray's dashboard when it is off), the autoscaler's monitor and the log monitor. `ray.init` also waits for
    the first of them, and then until the node's two agents, each another Python program, have imported everything and
    written down which ports they got. On two cores that took half of the start-up time (`make bench-start`). This node
    leaves the three out and assigns the ports of the agents, so that nothing waits for them.

    Once started, the agents would keep 130 MB for as long as the server runs (`make bench-idle`). The agent for runtime
    environments serves tasks that name one; ours name none, except in the rolling update of a cluster of several nodes.
    The agent of the dashboard exports Ray's metrics, which a local server does only on request.
    """

    #: The ports of the agents; `local_ray_node` sets them.
    agent_ports: tuple[int, ...] = ()
    #: Whether the agent that exports Ray's metrics runs.
    has_metrics: bool = True
    #: Whether the agent for runtime environments runs.
    has_runtime_environments: bool = False

    def start_api_server(self, **_: Any) -> None:
        """Start nothing: our commands read from the GCS."""

    def start_monitor(self, *_: Any) -> None:
        """Start nothing: a local node does not scale."""

    def start_log_monitor(self) -> None:
        """Start nothing: `log_to_driver` is off."""

    def start_raylet(self, *arguments: Any, **options: Any) -> None:
        """Start the raylet with the assigned ports of its agents."""
        raylet: Any = importlib.import_module(_RAYLET)
        node: Any = self
        for (parameter, constant), port in zip(_AGENT_PORTS.items(), self.agent_ports, strict=True):
            setattr(node._ray_params, parameter, port)
            raylet.persist_port(node.get_session_dir_path(), node.node_id, getattr(raylet, constant), port)
        node._ray_params.setup_worker_path = str(_WORKER_PROGRAM)
        services: Any = importlib.import_module(_SERVICES)
        start_process = services.start_ray_process
        is_used = {_METRICS_AGENT: self.has_metrics, _RUNTIME_ENV_AGENT: self.has_runtime_environments}

        def start_without_agents(command: Sequence[str], *others: Any, **named: Any) -> Any:
            return start_process([_with_used_agent(part, is_used) for part in command], *others, **named)

        with _replaced(_SERVICES, "start_ray_process", start_without_agents):
            super().start_raylet(*arguments, **options)


def _with_used_agent(part: str, is_used: Mapping[str, bool]) -> str:
    """An argument of the raylet; if it is the command of an agent, the agent waits for others, or does not run."""
    option = next((name for name in is_used if part.startswith(name)), None)
    if option is None or sys.platform == "win32":
        return part
    if is_used[option]:
        # Agents import for seconds, and nothing waits for them.
        return f"{option}nice -n 10 {part.removeprefix(option)}"
    if sys.platform != "linux":  # elsewhere no test shows that a raylet gives its agents a pipe as standard input
        return part
    # A raylet ends when one of its agents ends. The standard input of an agent is a pipe that closes with the raylet,
    # so `cat` lives exactly as long, in a megabyte. The shell takes the options that the raylet appends.
    return f'{option}sh -c "exec cat"'


@contextlib.contextmanager
def _replaced(module_name: str, attribute: str, value: object) -> Iterator[None]:
    module = importlib.import_module(module_name)
    original = getattr(module, attribute)
    setattr(module, attribute, value)
    try:
        yield
    finally:
        setattr(module, attribute, original)


@contextlib.contextmanager
def local_ray_node(
    agent_ports: tuple[int, ...], *, has_metrics: bool, has_runtime_environments: bool = False
) -> Iterator[None]:
    """Within the block, Ray starts a `LocalRayNode`; `agent_ports` are `NUM_AGENT_PORTS` free ports."""
    attributes = {
        "agent_ports": agent_ports,
        "has_metrics": has_metrics,
        "has_runtime_environments": has_runtime_environments,
    }
    node_class = type("LocalRayNode", (LocalRayNode,), attributes)
    with (
        _replaced(_NODE, "Node", node_class),
        # Ray imports everything the agents need only to find out whether it can: ray[default] is a dependency of ours.
        _replaced("ray._private.utils", "get_dashboard_dependency_error", lambda: None),
    ):
        yield


@contextlib.contextmanager
def unseeded_ids() -> Iterator[None]:
    """Within the block, the actor classes that Ray defines when it is imported take their ids from the system.

    Ray's generator of random ids seeds itself on its first use. All copies of a process made after that would draw the
    same ids.
    """
    original: Any = importlib.import_module(_RAYLET).ActorClassID

    class FromSystem:
        @staticmethod
        def from_random() -> Any:
            return original(os.urandom(original.size()))

    with _replaced("ray.actor", "ActorClassID", FromSystem):
        yield


def random_id() -> bytes:
    """An id from Ray's generator."""
    raylet: Any = importlib.import_module(_RAYLET)
    drawn: bytes = raylet.WorkerID.from_random().binary()
    return drawn


def local_node_is_alive() -> bool:
    """Whether the Ray node that this process started still runs; True when it started none."""
    worker: Any = importlib.import_module("ray._private.worker")
    node = worker._global_node
    return node is None or bool(node.remaining_processes_alive())


def redirect_worker_output(write: Callable[[str], None]) -> None:
    """Pass to `write` what Ray would print on standard output for workers that fail anywhere in the cluster."""
    worker: Any = importlib.import_module("ray._private.worker")

    def print_to_write(data: Mapping[str, Any], *_: Any, **__: Any) -> None:
        write("\n".join(data["lines"]))

    worker.print_to_stdstream = print_to_write


def live_actors() -> list[dict[str, Any]]:
    """The live actors of the connected cluster. The public `ray.util.state` needs the dashboard, which is off."""
    state: Any = importlib.import_module("ray._private.state")
    return [actor for actor in state.actors().values() if actor["State"] == "ALIVE"]


def serve_controller_exists() -> bool:
    """Whether the controller actor of Ray Serve has started."""
    constants: Any = importlib.import_module("ray.serve._private.constants")
    try:
        ray.get_actor(constants.SERVE_CONTROLLER_NAME, namespace=constants.SERVE_NAMESPACE)
    except ValueError:
        return False
    return True


class _PassThrough:
    """An ASGI middleware that changes nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def disable_serve_request_ids() -> None:
    """Stop Ray Serve from adding the client's unchecked X-Request-ID beside the one that our middleware has checked.

    `tests/integration/test_product.py` checks that responses carry one.
    """
    http_util: Any = importlib.import_module("ray.serve._private.http_util")
    http_util.RequestIdMiddleware = _PassThrough


def serve_directly(app: ASGIApp, is_frequent: Callable[[Scope], bool], *, has_metrics: bool) -> None:
    """Pass the requests that `is_frequent` names from the HTTP server of a replica straight to `app`.

    For each request Ray Serve makes two ids and a context for calls of other deployments, reads its own headers,
    writes a line for a log that is off, and keeps two sets of metrics: a fifth of the processor time of a small batch
    of events (`make bench-ingest`). What a replica needs stays: its limit of ongoing requests, their count (for
    autoscaling, and so that a replica that stops waits for them) and, with `has_metrics`, Serve's metrics of the
    deployment. An answer is written at once, see `_JoinedWrites`. Call it in a replica, before its HTTP server starts.

    The time limit of requests is the app's own. A replica with a limit for its queue passes everything to Serve.
    """
    module: Any = importlib.import_module(_REPLICA)
    common: Any = importlib.import_module(_SERVE_COMMON)
    replicas = module.Replica
    serve_request = replicas._direct_ingress_asgi
    metadata = common.RequestMetadata(
        request_id="",
        internal_request_id="",
        call_method="__call__",
        is_streaming=True,
        _request_protocol=common.RequestProtocol.HTTP,
        is_direct_ingress=True,
    )

    async def serve(replica: Any, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_frequent(scope) or replica.max_queued_requests != -1:
            await serve_request(replica, scope, receive, send)
            return
        began = time.perf_counter()
        is_error = True
        _join_writes(send)
        try:
            async with replica._start_request(metadata):
                await app(scope, receive, send)
            is_error = False
        finally:
            if has_metrics:
                latency_ms = (time.perf_counter() - began) * 1e3
                replica._metrics_manager.record_request_metrics(route="/", latency_ms=latency_ms, is_error=is_error)

    replicas._direct_ingress_asgi = serve


class _JoinedWrites:
    """The transport of one response: its head is written together with the beginning of its body.

    Uvicorn writes them one after the other, and uvloop passes each to the kernel at once: two packets for a small
    answer, which wake the load balancer and the client twice.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._head: bytes | None = b""

    def write(self, data: bytes) -> None:
        """Keep the head, and write it with the next part."""
        if self._head is None:
            self._transport.write(data)
        elif self._head:
            self._transport.write(self._head + data)
            self._head = None
        else:
            self._head = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _join_writes(send: Send) -> None:
    """Join the writes of the response that `send` sends, if it is uvicorn's own and begins with the response."""
    cycle: Any = getattr(send, "__self__", None)
    if type(cycle).__module__ == _UVICORN_HTTP and not cycle.waiting_for_100_continue:
        cycle.transport = _JoinedWrites(cycle.transport)


def economize_serve_controller() -> None:
    """Make Ray Serve's controller cost little while nothing happens.

    The controller of a local server calls it when it starts (`launch.ray_environment`). It changes two things:

    - No proxy is started for requests to an application without replicas. The API of a local server always has a
      replica, so the proxy would only keep 88 MB and half a CPU second a minute (`make bench-idle`). While a replica
      is replaced, HAProxy itself answers 503 with `Retry-After` (`cluster.front_door`).
    - The control loop runs ten times a second only while something changes, as Serve has it, and otherwise once. It
      notices a dead replica up to 0.9 s later; HAProxy notices by itself.
    """
    proxy_state: Any = importlib.import_module(_PROXY_STATE)
    application_state: Any = importlib.import_module(_APPLICATION_STATE)
    controller: Any = importlib.import_module(_CONTROLLER)
    proxies: Any = proxy_state.ProxyStateManager
    applications: Any = application_state.ApplicationStateManager
    proxies._start_fallback_proxy_if_needed = lambda *_: None
    busy_interval_s: float = controller.CONTROL_LOOP_INTERVAL_S
    update_applications, update_proxies = applications.update, proxies.update
    are_running = False

    def update_applications_and_look(manager: Any) -> None:
        nonlocal are_running
        update_applications(manager)
        statuses = {info.status.value for info in manager.list_app_statuses().values()}
        are_running = statuses == {"RUNNING"}
        controller.CONTROL_LOOP_INTERVAL_S = busy_interval_s

    def update_proxies_and_look(manager: Any, *arguments: Any, **options: Any) -> None:
        update_proxies(manager, *arguments, **options)
        statuses = {details.status.value for details in manager.get_proxy_details().values()}
        if are_running and statuses == {"HEALTHY"}:
            controller.CONTROL_LOOP_INTERVAL_S = _IDLE_CONTROL_LOOP_INTERVAL_S

    applications.update, proxies.update = update_applications_and_look, update_proxies_and_look


def application_deployments(application: Any) -> frozenset[str]:
    """The names of the deployments of a bound Serve application. Starts nothing and needs no cluster."""
    build_app: Any = importlib.import_module("ray.serve._private.build_app").build_app
    built = build_app(application, name="checked", make_deployment_handle=lambda *_: None)
    return frozenset(deployment.name for deployment in built.deployments)


def haproxy_config_template() -> str:
    """The template from which Ray Serve writes the configuration of HAProxy."""
    templates: Any = importlib.import_module("ray.serve._private.haproxy_templates")
    template: str = templates.HAPROXY_CONFIG_TEMPLATE
    return template
