"""Rules about the RayService and the Serve configuration inside it."""

from __future__ import annotations

import importlib
import typing
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import ServeDeploySchema

from cluster.ray_internals import application_deployments
from cluster.scheduling.autoscaling import MAX_ONGOING_REQUESTS
from kuberay.checks.findings import Finding
from kuberay.checks.manifests import HEAD_GROUP, Document, label, of_kind, ray_groups
from kuberay.checks.ray_rules import GROUP_LABEL
from kuberay.checks.settings_rules import only

RULES = {
    "serve-yaml": "serveConfigV2 is YAML without duplicate keys",
    "serve-schema": "serveConfigV2 fits the schema of Ray Serve",
    "serve-unknown-key": "serveConfigV2 has no key that Ray would ignore silently",
    "serve-import": "every import path imports",
    "serve-build": "the application builds with its environment",
    "serve-deployment": "every deployment named exists in the application",
    "serve-label": "a worker group matches every label selector",
    "worker-cpus": "workers leave the CPUs to the tasks they wait for",
    "serve-zero": "the ingress deployment never scales to zero",
    "serve-target": "replicas can reach the load that triggers scaling",
    "serve-capacity": "a replica holds as many requests as its connections suffice for, and HAProxy those of its node",
    "serve-port": "head and workers name Serve's port `serve`",
    "head-excluded": "the head is outside the serving Service",
    "ha-proxy": "HAProxy is on, on every node",
    "ha-proxy-files": "HAProxy's connections fit the files the operator lets a container open",
    "gcs-storage": "the GCS survives its head, each cluster with its own memory",
    "head-service": "the head's Service keeps the operator's name",
    "upgrade-steps": "an incremental upgrade's step fits its surge",
    "driver-on-workers": "job drivers may leave the head",
}


#: The operator starts every Ray container with `ulimit -n 65536`.
_MAX_OPEN_FILES = 65536
#: Ray's `RAY_SERVE_HAPROXY_MAXCONN`, where nothing sets it.
_DEFAULT_MAXCONN = 4096


#: The group whose nodes run the tasks of map generation, each with a CPU of its own.
_TASK_GROUP = "ai"


class _NoDuplicates(yaml.SafeLoader):
    """A YAML loader that raises for a duplicate key, where the default loader silently keeps the last value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key!r}", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def strict_yaml(text: str) -> list[Any]:
    """The documents of `text`. Raises yaml.YAMLError, also for a duplicate key."""
    return list(yaml.load_all(text, Loader=_NoDuplicates))


def serve_config(service: Document) -> Document:
    """The Serve configuration inside a RayService, {} when it is not YAML."""
    try:
        documents = strict_yaml(service["spec"].get("serveConfigV2") or "")
    except yaml.YAMLError:
        return {}
    return documents[0] if documents and isinstance(documents[0], dict) else {}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models(part)


def unknown_keys(model: type[BaseModel], value: Document, path: str = "") -> Iterator[str]:
    """Dotted paths in `value` that `model` has no field for, at any depth."""
    for key, sub in value.items():
        here = f"{path}.{key}" if path else str(key)
        if key not in model.model_fields:
            yield here
            continue
        annotation: Any = model.model_fields[key].annotation
        if key == "autoscaling_config":
            annotation = AutoscalingConfig
        inner = next(_models(annotation), None)
        if inner is None:
            continue
        items = sub if isinstance(sub, list) else [sub]
        for index, item in enumerate(items):
            if isinstance(item, dict):
                yield from unknown_keys(inner, item, f"{here}[{index}]" if isinstance(sub, list) else here)


def imported(path: str) -> Any:
    """The object that `module:attribute` names. Raises ImportError or AttributeError."""
    module, _, attribute = path.replace(":", ".").rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def deployment_names(import_path: str, environ: dict[str, str]) -> frozenset[str]:
    """The deployments of the application that a container with `environ` builds. Starts nothing."""
    with only(environ):
        application = imported(import_path)({})
    return application_deployments(application)


def check(documents: list[Document], environment: dict[str, dict[str, str]]) -> Iterator[Finding]:
    """The findings about RayServices; `environment` has the variables of each "RayService/name group g"."""
    for service in of_kind(documents, "RayService"):
        yield from _service(service)
        yield from _config(service, environment)
        yield from _proxies(service, environment)


def _service(service: Document) -> Iterator[Finding]:
    where, spec = label(service), service["spec"]
    cluster = spec["rayClusterConfig"]
    if spec.get("excludeHeadPodFromServeSvc") is not True:
        yield Finding("head-excluded", where, "public requests fail while the head restarts: write true")
    storage = cluster.get("gcsFaultToleranceOptions")
    if not storage:
        yield Finding("gcs-storage", where, "without gcsFaultToleranceOptions a lost head is an outage of minutes")
    elif "externalStorageNamespace" in storage:
        text = "a fixed externalStorageNamespace makes an upgrade's new cluster read the old one's state"
        yield Finding("gcs-storage", where, text)
    if cluster["headGroupSpec"].get("headService", {}).get("metadata", {}).get("name"):
        yield Finding("head-service", where, "headService.metadata.name is rejected for a RayService")
    options = spec.get("upgradeStrategy", {}).get("clusterUpgradeOptions", {})
    if options.get("stepSizePercent", 0) > options.get("maxSurgePercent", 100):
        yield Finding("upgrade-steps", where, "stepSizePercent exceeds maxSurgePercent")
    for name, group in ray_groups(cluster):
        main = group["template"]["spec"]["containers"][0]
        if {"containerPort": 8000, "name": "serve"} not in main.get("ports", []):
            text = "port 8000 named serve is missing: no Serve Service, and the readiness probe uses the wrong port"
            yield Finding("serve-port", f"{where} group {name}", text)
        env = {e["name"]: e.get("value") for e in main.get("env", [])}
        if name == HEAD_GROUP and env.get("RAY_JOB_ALLOW_DRIVER_ON_WORKER_NODES") != "1":
            text = "RAY_JOB_ALLOW_DRIVER_ON_WORKER_NODES=1 is missing: each job's driver is pinned to the head"
            yield Finding("driver-on-workers", f"{where} group {name}", text)


def _config(service: Document, environment: dict[str, dict[str, str]]) -> Iterator[Finding]:
    where = f"{label(service)} serveConfigV2"
    try:
        config = next(iter(strict_yaml(service["spec"].get("serveConfigV2") or "")), None)
    except yaml.YAMLError as error:
        yield Finding("serve-yaml", where, str(error).replace("\n", " ")[:300])
        return
    if not isinstance(config, dict):
        yield Finding("serve-yaml", where, "is empty or no mapping: the operator would deploy nothing")
        return
    # Before the model: validating a scaling policy imports it.
    unimportable = [f for a in config.get("applications", []) for f in _imports(where, a)]
    if unimportable:
        yield from unimportable
        return
    try:
        ServeDeploySchema.model_validate(config)
    except ValidationError as error:
        for detail in error.errors():
            yield Finding("serve-schema", f"{where} {'.'.join(map(str, detail['loc']))}", detail["msg"])
        return
    for path in unknown_keys(ServeDeploySchema, config):
        yield Finding("serve-unknown-key", f"{where} {path}", "Serve has no such key and would ignore it")
    for application in config["applications"]:
        yield from _application(service, where, application, environment.get(f"{label(service)} group serve", {}))


def _application(service: Document, where: str, application: Document, environ: dict[str, str]) -> Iterator[Finding]:
    try:
        deployments = deployment_names(application["import_path"], environ)
    except Exception as error:  # the cluster would raise the same
        yield Finding("serve-build", f"{where} {application['import_path']}", f"{type(error).__name__}: {error}")
        return
    groups = service["spec"]["rayClusterConfig"].get("workerGroupSpecs", [])
    group_labels = [group.get("labels", {}) for group in groups]
    for deployment in application.get("deployments", []):
        inside = f"{where} {deployment['name']}"
        if deployment["name"] not in deployments:
            yield Finding("serve-deployment", inside, f"the application has {', '.join(sorted(deployments))}")
        selector = deployment.get("ray_actor_options", {}).get("label_selector", {})
        if not any(selector.items() <= labels.items() for labels in group_labels):
            names = ", ".join(sorted({name for labels in group_labels if (name := labels.get(GROUP_LABEL))}))
            text = f"no worker group has {selector}: its replicas would never be scheduled. Groups: {names}"
            yield Finding("serve-label", inside, text)
        if selector.get(GROUP_LABEL) == _TASK_GROUP:
            yield from _worker_cpus(inside, deployment)
        yield from _scaling(inside, deployment)
        if deployment["name"] == "Api":
            yield from _capacity(inside, deployment, environ)


def _worker_cpus(where: str, deployment: Document) -> Iterator[Finding]:
    if deployment.get("ray_actor_options", {}).get("num_cpus") != 0:
        text = "needs num_cpus: 0: its replicas could hold every CPU of the group while their tasks wait for one"
        yield Finding("worker-cpus", where, text)


def _scaling(where: str, deployment: Document) -> Iterator[Finding]:
    scaling = deployment.get("autoscaling_config") or {}
    if deployment["name"] == "Api" and scaling.get("min_replicas", 1) < 1:
        text = "without a replica no worker has a proxy, and the Serve Service has no endpoint"
        yield Finding("serve-zero", where, text)
    target, maximum = scaling.get("target_ongoing_requests"), deployment.get("max_ongoing_requests")
    if target and maximum and maximum < 1.5 * target:
        text = f"max_ongoing_requests {maximum} is below 1.5 x target_ongoing_requests {target}: no room for a burst"
        yield Finding("serve-target", where, text)


def _capacity(where: str, deployment: Document, environ: dict[str, str]) -> Iterator[Finding]:
    """The findings about the requests that a replica holds at the same time, open event streams among them."""
    maximum = deployment.get("max_ongoing_requests", MAX_ONGOING_REQUESTS)
    if maximum != MAX_ONGOING_REQUESTS:
        text = f"max_ongoing_requests {maximum}: the replica's connections are made for {MAX_ONGOING_REQUESTS}"
        yield Finding("serve-capacity", where, f"{text} (cluster/scheduling/autoscaling.py); write that number")
    on_node = maximum * deployment.get("max_replicas_per_node", 1)
    connections = int(environ.get("RAY_SERVE_HAPROXY_MAXCONN", _DEFAULT_MAXCONN))
    if connections < on_node:
        text = f"RAY_SERVE_HAPROXY_MAXCONN {connections} is below the {on_node} requests of the replicas of a node"
        yield Finding("serve-capacity", where, text)


def _imports(where: str, application: Document) -> Iterator[Finding]:
    paths = [application.get("import_path", "")]
    for deployment in application.get("deployments", []):
        policy = (deployment.get("autoscaling_config") or {}).get("policy", {})
        if isinstance(policy.get("policy_function"), str):
            paths.append(policy["policy_function"])
    for path in paths:
        try:
            imported(path)
        except Exception as error:  # the cluster would raise the same
            yield Finding("serve-import", f"{where} {path}", f"{type(error).__name__}: {error}")


def _proxies(service: Document, environment: dict[str, dict[str, str]]) -> Iterator[Finding]:
    """The findings about HAProxy, which must be on in each container that runs Ray."""
    for name, _ in ray_groups(service["spec"]["rayClusterConfig"]):
        where = f"{label(service)} group {name}"
        if environment.get(where, {}).get("RAY_SERVE_ENABLE_HA_PROXY") != "1":
            text = "RAY_SERVE_ENABLE_HA_PROXY=1 is missing: Serve falls back to the Python proxy"
            yield Finding("ha-proxy", where, text)
        maximum = int(environment.get(where, {}).get("RAY_SERVE_HAPROXY_MAXCONN", _DEFAULT_MAXCONN))
        num_files = maximum * 5 // 2 + 36
        # Measured: HAProxy 2.8 needs 50,036 open files for 20,000 connections and does not start with fewer.
        if num_files > _MAX_OPEN_FILES:
            text = f"RAY_SERVE_HAPROXY_MAXCONN {maximum} needs {num_files} open files; the limit is {_MAX_OPEN_FILES}"
            yield Finding("ha-proxy-files", where, text)
