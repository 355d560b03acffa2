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
from kuberay.checks.findings import Finding
from kuberay.checks.manifests import HEAD_GROUP, Document, label, of_kind, ray_groups
from kuberay.checks.ray_rules import GROUP_LABEL
from kuberay.checks.settings_rules import only

RULES = {
    "serve-yaml": "serveConfigV2 is YAML, no key twice",
    "serve-schema": "serveConfigV2 fits Ray's own model",
    "serve-unknown-key": "serveConfigV2 has no key Ray would ignore without a word",
    "serve-import": "every import path imports",
    "serve-build": "the application builds with the settings it will have",
    "serve-deployment": "every deployment named exists in the application",
    "serve-label": "every label selector is met by a worker group",
    "serve-zero": "the ingress deployment never scales to zero",
    "serve-target": "replicas can reach the load that makes them scale",
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


class _NoDuplicates(yaml.SafeLoader):
    """YAML that refuses a key said twice, where the ordinary loader keeps the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is said twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def strict_yaml(text: str) -> list[Any]:
    """The documents of `text`. Raises yaml.YAMLError for a key said twice as well."""
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
    """What `module:attribute` names. Raises ImportError or AttributeError."""
    module, _, attribute = path.replace(":", ".").rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def deployment_names(import_path: str, environ: dict[str, str]) -> frozenset[str]:
    """The deployments of the application as a container with `environ` builds it. Starts nothing."""
    with only(environ):
        application = imported(import_path)({})
    return application_deployments(application)


def check(documents: list[Document], environment: dict[str, dict[str, str]]) -> Iterator[Finding]:
    """Everything about RayServices. `environment` is what the main container of each "RayService/name group g" sees."""
    for service in of_kind(documents, "RayService"):
        yield from _service(service)
        yield from _config(service, environment)
        yield from _proxies(service, environment)


def _service(service: Document) -> Iterator[Finding]:
    where, spec = label(service), service["spec"]
    cluster = spec["rayClusterConfig"]
    if spec.get("excludeHeadPodFromServeSvc") is not True:
        yield Finding("head-excluded", where, "a restarting head takes public requests down: write true")
    storage = cluster.get("gcsFaultToleranceOptions")
    if not storage:
        yield Finding("gcs-storage", where, "without gcsFaultToleranceOptions a lost head is a full outage of minutes")
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
            text = "port 8000 named serve is missing: no Serve Service, and the readiness probe asks the wrong port"
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
        for one in error.errors():
            yield Finding("serve-schema", f"{where} {'.'.join(map(str, one['loc']))}", one["msg"])
        return
    for path in unknown_keys(ServeDeploySchema, config):
        yield Finding("serve-unknown-key", f"{where} {path}", "Serve has no such key and would ignore it")
    groups = service["spec"]["rayClusterConfig"].get("workerGroupSpecs", [])
    group_labels = [g.get("labels", {}) for g in groups]
    for application in config["applications"]:
        try:
            seen = environment.get(f"{label(service)} group serve", {})
            deployments = deployment_names(application["import_path"], seen)
        except Exception as error:
            yield Finding("serve-build", f"{where} {application['import_path']}", f"{type(error).__name__}: {error}")
            continue
        for deployment in application.get("deployments", []):
            inside = f"{where} {deployment['name']}"
            if deployment["name"] not in deployments:
                text = f"the application has {', '.join(sorted(deployments))}"
                yield Finding("serve-deployment", inside, text)
            selector = deployment.get("ray_actor_options", {}).get("label_selector", {})
            if not any(selector.items() <= labels.items() for labels in group_labels):
                have = ", ".join(sorted({v for labels in group_labels if (v := labels.get(GROUP_LABEL))}))
                text = f"no worker group has {selector}: its replicas would wait for ever. Groups: {have}"
                yield Finding("serve-label", inside, text)
            scaling = deployment.get("autoscaling_config") or {}
            if deployment["name"] == "Api" and scaling.get("min_replicas", 1) < 1:
                text = "with no replica no worker has a proxy, and the Serve Service has no endpoint"
                yield Finding("serve-zero", inside, text)
            target, most = scaling.get("target_ongoing_requests"), deployment.get("max_ongoing_requests")
            if target and most and most < 1.5 * target:
                text = (
                    f"max_ongoing_requests {most} is below 1.5 x target_ongoing_requests {target}: no room for a burst"
                )
                yield Finding("serve-target", inside, text)


def _imports(where: str, application: Document) -> Iterator[Finding]:
    paths = [application.get("import_path", "")]
    for deployment in application.get("deployments", []):
        policy = (deployment.get("autoscaling_config") or {}).get("policy", {})
        if isinstance(policy.get("policy_function"), str):
            paths.append(policy["policy_function"])
    for path in paths:
        try:
            imported(path)
        except Exception as error:  # whatever the module does at import, the cluster would do too
            yield Finding("serve-import", f"{where} {path}", f"{type(error).__name__}: {error}")


def _proxies(service: Document, environment: dict[str, dict[str, str]]) -> Iterator[Finding]:
    """HAProxy must be on in each container that runs Ray."""
    for name, _ in ray_groups(service["spec"]["rayClusterConfig"]):
        where = f"{label(service)} group {name}"
        if environment.get(where, {}).get("RAY_SERVE_ENABLE_HA_PROXY") != "1":
            text = "RAY_SERVE_ENABLE_HA_PROXY=1 is missing: Serve falls back to the Python proxy"
            yield Finding("ha-proxy", where, text)
        most = int(environment.get(where, {}).get("RAY_SERVE_HAPROXY_MAXCONN", 4096))
        # Measured: HAProxy 2.8 asks for 50036 files for 20000 connections and refuses to start with fewer.
        if most * 5 // 2 + 36 > _MAX_OPEN_FILES:
            text = f"RAY_SERVE_HAPROXY_MAXCONN {most} wants {most * 5 // 2 + 36} files, there are {_MAX_OPEN_FILES}"
            yield Finding("ha-proxy-files", where, text)
