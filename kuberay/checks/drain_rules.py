"""Rules about time-outs: every planned stop lets the longest request finish first.

The longest request is `http_options.request_timeout_s`: Ray ends older requests, streams included. From it follow, in
this order, the shutdown time of a replica, the drain time of a node, and the grace period of the Pod.
"""

from __future__ import annotations

from collections.abc import Iterator

from kuberay.checks.findings import Finding
from kuberay.checks.manifests import HEAD_GROUP, Document, label, of_kind, ray_groups
from kuberay.checks.service_rules import serve_config

RULES = {
    "drain-request-timeout": "requests have a maximum duration, which the application knows",
    "drain-replica": "an Api replica's graceful shutdown covers the deregistration window and a longest request",
    "drain-hard-stop": "an outgoing HAProxy outlives the longest request",
    "drain-node": "a node's drain covers its replicas' graceful shutdown",
    "drain-grace": "the Pod's grace period covers preStop, the drain and the processes' end",
    "drain-pre-stop": "a worker is removed from the endpoints before it receives SIGTERM",
    "drain-cluster": "the old cluster outlives the longest request",
    "keep-alive": "Serve keeps idle connections longer than the load balancer",
}
#: The time in which Serve starts a replacement on another node before it stops the replica of a draining node.
_REPLACEMENT_S = 30
#: From the raylet's end to the last process of the Pod.
_PROCESSES_END_S = 20


def check(documents: list[Document], environment: dict[str, dict[str, str]]) -> Iterator[Finding]:
    """The findings; `environment` has the variables of the main container of each "RayService/name group g"."""
    for service in of_kind(documents, "RayService"):
        yield from _service(service, environment)
        yield from _keep_alive(service, documents)


def _service(service: Document, environment: dict[str, dict[str, str]]) -> Iterator[Finding]:
    where, spec, config = label(service), service["spec"], serve_config(service)
    longest_s = config.get("http_options", {}).get("request_timeout_s")
    if not longest_s:
        text = "request_timeout_s is unset: a request has no maximum duration, and no drain time can cover it"
        yield Finding("drain-request-timeout", f"{where} http_options", text)
        return
    deployments = [d for a in config.get("applications", []) for d in a.get("deployments", [])]
    for deployment in deployments:
        if deployment["name"] == "Api":
            api_environment = environment.get(f"{where} group serve", {})
            window_s = float(api_environment.get("RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S", 30))
            needed_s, actual_s = window_s + longest_s + 5, deployment.get("graceful_shutdown_timeout_s", 20)
            if actual_s < needed_s:
                text = f"graceful_shutdown_timeout_s {actual_s:g} < {window_s:g} + {longest_s:g} + 5"
                yield Finding("drain-replica", f"{where} Api", text)
    if spec.get("rayClusterDeletionDelaySeconds", 60) < longest_s + 60:
        text = f"rayClusterDeletionDelaySeconds ends requests of the old cluster: at least {longest_s + 60:g}"
        yield Finding("drain-cluster", where, text)
    for name, group in ray_groups(spec["rayClusterConfig"]):
        yield from _group(where, name, group, environment.get(f"{where} group {name}", {}), longest_s, deployments)


def _group(
    where: str, name: str, group: Document, variables: dict[str, str], longest_s: float, deployments: list[Document]
) -> Iterator[Finding]:
    inside = f"{where} group {name}"
    app_s = variables.get("TRAILMIND_REQUEST_TIMEOUT_S")
    if app_s is None or float(app_s) != longest_s:
        text = f"TRAILMIND_REQUEST_TIMEOUT_S is {app_s}, http_options.request_timeout_s {longest_s:g}: make them equal"
        yield Finding("drain-request-timeout", inside, text)
    hard_stop_s = float(variables.get("RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S", 120))
    if hard_stop_s < longest_s:
        text = f"RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S {hard_stop_s:g} < request_timeout_s {longest_s:g}: 502s on reload"
        yield Finding("drain-hard-stop", inside, text)
    drain_s = float(variables.get("RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S", 30))
    labels = group.get("labels", {})
    stops_s = [
        d.get("graceful_shutdown_timeout_s", 20)
        for d in deployments
        if d.get("ray_actor_options", {}).get("label_selector", {}).items() <= labels.items()
    ]
    if name != HEAD_GROUP and stops_s and drain_s < max(stops_s) + _REPLACEMENT_S:
        text = f"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S {drain_s:g} < {max(stops_s):g} + {_REPLACEMENT_S}: replicas die"
        yield Finding("drain-node", inside, text)
    pod = group["template"]["spec"]
    pre_stop = pod["containers"][0].get("lifecycle", {}).get("preStop", {})
    pre_stop_s = pre_stop.get("sleep", {}).get("seconds", 0)
    if name != HEAD_GROUP and pre_stop_s < 5:
        text = "preStop needs a sleep of 5 s or more: load balancers must remove the Pod before it drains"
        yield Finding("drain-pre-stop", inside, text)
    grace_s, needed_s = pod.get("terminationGracePeriodSeconds", 30), pre_stop_s + drain_s + _PROCESSES_END_S
    if grace_s < needed_s:
        text = (
            f"terminationGracePeriodSeconds {grace_s} < {pre_stop_s} + {drain_s:g} + {_PROCESSES_END_S}: SIGKILL first"
        )
        yield Finding("drain-grace", inside, text)


def _keep_alive(service: Document, documents: list[Document]) -> Iterator[Finding]:
    keep_s = serve_config(service).get("http_options", {}).get("keep_alive_timeout_s", 90)
    for ingress in of_kind(documents, "Ingress"):
        attributes = (
            ingress["metadata"]
            .get("annotations", {})
            .get("alb.ingress.kubernetes.io/load-balancer-attributes", "idle_timeout.timeout_seconds=60")
        )
        pairs = dict(pair.split("=", 1) for pair in attributes.split(","))
        idle_s = float(pairs.get("idle_timeout.timeout_seconds", 60))
        if keep_s <= idle_s:
            text = f"keep_alive_timeout_s {keep_s} must exceed the balancer's idle timeout {idle_s:g}: stray 502s"
            yield Finding("keep-alive", label(service), text)
