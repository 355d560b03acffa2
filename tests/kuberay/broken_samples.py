"""One broken manifest, or more, for every rule: a change to valid documents, and a part of the finding."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import yaml

# A parsed YAML document, or a mapping inside one; `Any`, because every lookup in it is one.
Document = Any
Documents = list[Document]
Break = Callable[[Documents], object]

PASSWORD_KEY = ("gcsFaultToleranceOptions", "redisPassword", "valueFrom", "secretKeyRef", "key")
BACKEND = ("spec", "rules", 0, "http", "paths", 2, "backend", "service")
SELECTED = ("spec", "selector", "matchLabels")
METRICS_TOKEN = ("spec", "podMetricsEndpoints", 0, "authorization", "credentials")
NOT_PUBLIC = "alb.ingress.kubernetes.io/actions.trailmind-not-public"

Sample = tuple[str, Break, str]  # rule, what is broken, a part of the sentence that helps


def get(documents: Documents, kind: str, name: str | None = None) -> Document:
    """The document to break."""
    return next(d for d in documents if d["kind"] == kind and name in {None, d["metadata"]["name"]})


def service(documents: Documents) -> Document:
    return get(documents, "RayService")["spec"]


def cluster(documents: Documents) -> Document:
    return service(documents)["rayClusterConfig"]


def group(documents: Documents, name: str) -> Document:
    if name == "head":
        return cluster(documents)["headGroupSpec"]
    return next(g for g in cluster(documents)["workerGroupSpecs"] if g["groupName"] == name)


def pod(documents: Documents, name: str) -> Document:
    return group(documents, name)["template"]["spec"]


def main(documents: Documents, name: str) -> Document:
    return pod(documents, name)["containers"][0]


def job(documents: Documents) -> Document:
    return get(documents, "RayJob")["spec"]


def cron(documents: Documents) -> Document:
    return get(documents, "CronJob")["spec"]


def config_map(documents: Documents) -> Document:
    return next(d for d in documents if d["metadata"]["name"].startswith("trailmind-config"))["data"]


def serve(change: Callable[[Document], object]) -> Break:
    """Break the Serve configuration inside the RayService."""

    def broken(documents: Documents) -> None:
        config = yaml.safe_load(service(documents)["serveConfigV2"])
        change(config)
        service(documents)["serveConfigV2"] = yaml.safe_dump(config)

    return broken


def deployment(name: str, change: Callable[[Document], object]) -> Break:
    """Break one deployment of the Serve configuration."""

    def broken(config: Document) -> None:
        change(next(d for d in config["applications"][0]["deployments"] if d["name"] == name))

    return serve(broken)


def put(value: Any, *path: str | int) -> Callable[[Any], None]:
    """Write `value` at `path`."""

    def change(inside: Any) -> None:
        for step in path[:-1]:
            inside = inside[step]
        inside[path[-1]] = value

    return change


def drop(*path: str | int) -> Callable[[Any], None]:
    """Remove what is at `path`."""

    def change(inside: Any) -> None:
        for step in path[:-1]:
            inside = inside[step]
        del inside[path[-1]]

    return change


def at(where: Callable[[Documents], Document], change: Callable[[Any], None]) -> Break:
    return lambda documents: change(where(documents))


def in_group(name: str, change: Callable[[Any], None]) -> Break:
    return lambda documents: change(group(documents, name))


def in_pod(name: str, change: Callable[[Any], None]) -> Break:
    return lambda documents: change(pod(documents, name))


def in_main(name: str, change: Callable[[Any], None]) -> Break:
    return lambda documents: change(main(documents, name))


def in_kind(kind: str, name: str | None, change: Callable[[Any], None]) -> Break:
    return lambda documents: change(get(documents, kind, name))


def alert(name: str, change: Callable[[Any], None]) -> Break:
    """Break one alert."""

    def broken(documents: Documents) -> None:
        groups = get(documents, "PrometheusRule")["spec"]["groups"]
        change(next(rule for g in groups for rule in g["rules"] if rule.get("alert") == name))

    return broken


def panel(change: Callable[[Any], None], title: str = "Pending jobs", file: str = "ai-and-jobs.json") -> Break:
    """Break one panel of a dashboard."""

    def broken(documents: Documents) -> None:
        data = get(documents, "ConfigMap", "trailmind-dashboards")["data"]
        dashboard = json.loads(data[file])
        change(next(p for p in dashboard["panels"] if p["title"] == title))
        data[file] = json.dumps(dashboard)

    return broken


def without(kind: str, name: str) -> Break:
    return lambda documents: documents.remove(get(documents, kind, name))


def _drain(value: str) -> Callable[[Any], None]:
    def change(container: Any) -> None:
        variable = next(e for e in container["env"] if e["name"] == "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S")
        variable["value"] = value

    return change


def _url(documents: Documents) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "extra", "namespace": "trailmind"}}
    secret["metadata"]["labels"] = {"trailmind.dev/phase": "prepare"}  # type: ignore[index]
    url = base64.b64encode(b"postgresql://u:p@postgress:5432/db").decode()
    documents.append({**secret, "data": {"DATABASE_URL": url}})


#: Held against the schemas.
SCHEMA_SAMPLES: list[Sample] = [
    ("crd-schema", at(service, put({}, "rayClusterConfigg")), "rayClusterConfigg"),
    ("crd-schema", at(cluster, put("v3", "autoscalerOptions", "version")), "'v3' is not one of"),
    ("crd-schema", at(cluster, put(60, "autoscalerOptions", "idleTimeoutSecond")), "idleTimeoutSecond"),
    ("crd-schema", in_group("serve", put("two", "minReplicas")), "'two' is not of type 'integer'"),
    ("crd-schema", in_main("serve", put("4 Gigs", "resources", "limits", "memory")), "4 Gigs"),
    ("crd-schema", at(cluster, put("etcd", "gcsFaultToleranceOptions", "backend")), "'etcd' is not one of"),
    ("crd-schema", at(cluster, put("tokens", "authOptions", "mode")), "'tokens' is not one of"),
    ("crd-schema", in_main("serve", put({"sleeep": {"seconds": 10}}, "lifecycle", "preStop")), "sleeep"),
    ("crd-schema", at(job, put(1, "entrypointNumCpu")), "entrypointNumCpu"),
    ("crd-schema", in_kind("PodMonitor", None, put("5s", "spec", "podMetricsEndpoints", 0, "intervall")), "intervall"),
    ("crd-schema", in_kind("ExternalSecret", None, put({}, "spec", "targett")), "targett"),
    ("crd-schema", alert("TrailmindBacklog", put("15min", "for")), "'15min' does not match"),
    ("crd-cel", at(service, put("me", "managedBy")), "managedBy field value must be either"),
    (
        "crd-cel",
        at(job, put("Complete", "deletionStrategy", "deletionRules", 0, "condition", "jobDeploymentStatus")),
        "cannot be used together",
    ),
    ("core-schema", in_kind("Ingress", None, put(True, "spec", "rulez")), "rulez"),
    ("core-schema", in_kind("NetworkPolicy", "dns", put("DNS", "spec", "egress", 0, "ports", 0, "porrt")), "porrt"),
    ("core-schema", in_kind("Job", None, put("often", "spec", "backoffLimit")), "often"),
    ("core-schema", in_kind("PodDisruptionBudget", None, put(1, "spec", "minAvailible")), "minAvailible"),
    ("core-schema", in_kind("ServiceAccount", None, put(True, "automountServiceAcountToken")), "AcountToken"),
    # The CRD knows this field, the oldest Kubernetes we support does not.
    ("pod-schema", in_pod("serve", put({"podGroupName": "x"}, "schedulingGroup")), "schedulingGroup"),
    ("document", in_kind("Ingress", None, drop("metadata", "name")), "needs apiVersion, kind and metadata.name"),
    ("document", in_kind("Ingress", None, drop("apiVersion")), "needs apiVersion, kind and metadata.name"),
    ("unknown-kind", in_kind("RayService", None, put("ray.io/v1alpha1", "apiVersion")), "no schema for RayService"),
    ("unknown-kind", in_kind("Ingress", None, put("networking.k8s.io/v2", "apiVersion")), "no schema for Ingress"),
]

#: Held against the rules.
RULE_SAMPLES: list[Sample] = [
    ("name-length", in_kind("RayService", None, put("t" * 48, "metadata", "name")), "at most 47"),
    ("name-length", in_kind("RayJob", None, put("9nightly", "metadata", "name")), "a letter first"),
    ("ray-version", at(cluster, put("2.9.0", "rayVersion")), "the locked version is 2.60.0"),
    ("ray-version", at(cluster, drop("rayVersion")), "is None"),
    ("auth-mode", at(cluster, drop("authOptions", "mode")), "stay open"),
    ("auth-mode", at(job, drop("rayClusterSpec", "authOptions")), "stay open"),
    ("autoscaler-version", at(cluster, drop("autoscalerOptions", "version")), "write version: v2"),
    ("autoscaler-security", at(cluster, drop("autoscalerOptions", "securityContext")), "sidecar inherits none"),
    ("feature-gate", at(cluster, put({"mode": "DenyAll"}, "networkPolicy")), "RayClusterNetworkPolicy"),
    ("feature-gate", at(cluster, put("rocksdb", "gcsFaultToleranceOptions", "backend")), "EmbeddedStorage"),
    (
        "gcs-redis-env",
        in_main("head", lambda c: c["env"].append({"name": "RAY_REDIS_ADDRESS", "value": "x:1"})),
        "RAY_REDIS_ADDRESS",
    ),
    ("gcs-redis-env", in_group("head", put("x", "rayStartParams", "redis-password")), "redis-password"),
    ("ray-start-labels", in_group("serve", put("a=b", "rayStartParams", "labels")), "the group's own `labels`"),
    (
        "resources-twice",
        in_group("ai", lambda g: g.update(resources={"CPU": "4"}, rayStartParams={"num-cpus": "4"})),
        "keep one",
    ),
    ("replicas-range", in_group("serve", put(9, "minReplicas")), "9 > 8"),
    ("replicas-minimum", in_group("serve", put(3, "replicas")), "replicas is 3, minReplicas 2"),
    ("replicas-minimum", in_group("state", drop("replicas")), "replicas is 0, minReplicas 2"),
    ("restart-policy", in_pod("serve", put("Always", "restartPolicy")), "rejects anything else"),
    ("head-cpus", in_group("head", put({}, "rayStartParams")), 'num-cpus: "0"'),
    ("head-cpu-limit", in_main("head", put("2", "resources", "limits", "cpu")), "only throttles"),
    ("cpu-limit", in_main("serve", put("500m", "resources", "limits", "cpu")), "limit 500m, request 2"),
    ("cpu-limit", in_main("ai", drop("resources", "limits", "cpu")), "limit None"),
    (
        "ray-container-first",
        in_pod("ai", lambda p: p["containers"].insert(0, {**p["containers"][0], "name": "logs"})),
        "the first container is logs",
    ),
    ("group-label", in_group("state", put({}, "labels")), "trailmind.dev/group: state is missing"),
    ("group-label", in_group("state", put("stat", "labels", "trailmind.dev/group")), "never be scheduled"),
    ("policy-labels", in_group("ai", drop("template", "metadata", "labels", "trailmind.dev/role")), "no policy"),
    ("probe", in_main("state", put({"httpGet": {"path": "/", "port": 1}}, "readinessProbe")), "refuses connections"),
    ("image-one", in_main("ai", put("registry/trailmind:old", "image")), "set it once"),
    ("image-tag", in_main("ai", put("trailmind:latest", "image")), "name a tag or digest"),
    ("image-tag", in_main("ai", put("host:5000/trailmind", "image")), "can change at any time"),
    ("memory", in_main("serve", put("3Gi", "resources", "requests", "memory")), "request and limit must be equal"),
    ("memory", in_main("head", drop("resources", "limits")), "request and limit must be equal"),
    ("security", in_pod("serve", drop("securityContext", "runAsNonRoot")), "runAsNonRoot"),
    ("security", in_main("serve", put({"drop": ["NET_RAW"]}, "securityContext", "capabilities")), "drop ALL"),
    ("read-only", in_main("head", put(False, "securityContext", "readOnlyRootFilesystem")), "is missing"),
    ("read-only", in_main("head", lambda c: c["volumeMounts"].pop()), "/home/ray: mount it"),
    ("service-links", in_pod("state", drop("enableServiceLinks")), "TRAILMIND_SERVE_SVC_PORT"),
    ("api-token", in_pod("serve", drop("automountServiceAccountToken")), "must not have an API token"),
    ("empty-dir", in_pod("serve", put({}, "volumes", 0, "emptyDir")), "without sizeLimit"),
    ("serve-yaml", at(service, put("a: 1\na: 2\n", "serveConfigV2")), "duplicate key 'a'"),
    ("serve-yaml", at(service, put("", "serveConfigV2")), "empty"),
    ("serve-schema", deployment("Api", put(0, "max_ongoing_requests")), "greater than 0"),
    ("serve-schema", deployment("Api", put({"a": "in(,"}, "ray_actor_options", "label_selector")), "Invalid label"),
    ("serve-unknown-key", deployment("Api", put(5, "max_ongoing_reqs")), "would ignore it"),
    ("serve-unknown-key", deployment("Api", put(5, "autoscaling_config", "min_replica")), "would ignore it"),
    ("serve-unknown-key", serve(put(5, "http_options", "timeout")), "would ignore it"),
    ("serve-import", serve(put("serve.app:biuld", "applications", 0, "import_path")), "AttributeError"),
    (
        "serve-import",
        deployment("GenerationWorker", put({"policy": {"policy_function": "cluster.nowhere:f"}}, "autoscaling_config")),
        "ModuleNotFoundError",
    ),
    (
        "worker-cpus",
        deployment("GenerationWorker", put(0.5, "ray_actor_options", "num_cpus")),
        "could hold every CPU",
    ),
    ("worker-cpus", deployment("GenerationWorker", drop("ray_actor_options", "num_cpus")), "needs num_cpus: 0"),
    ("serve-build", at(config_map, put("0", "TRAILMIND_NUM_SHARDS")), "TRAILMIND_NUM_SHARDS"),
    ("serve-deployment", deployment("GenerationWorker", put("Generator", "name")), "Api, GenerationWorker"),
    (
        "serve-label",
        deployment("Api", put("gpu", "ray_actor_options", "label_selector", "trailmind.dev/group")),
        "Groups: ai, serve, state",
    ),
    ("serve-zero", deployment("Api", put(0, "autoscaling_config", "min_replicas")), "has no endpoint"),
    ("serve-target", deployment("Api", put(120, "max_ongoing_requests")), "no room for a burst"),
    ("serve-capacity", deployment("Api", put(200, "max_ongoing_requests")), "are made for 3000"),
    ("serve-capacity", at(config_map, put("5000", "RAY_SERVE_HAPROXY_MAXCONN")), "below the 6000 requests"),
    ("serve-port", in_main("head", lambda c: c["ports"].pop(2)), "no Serve Service"),
    ("head-excluded", at(service, drop("excludeHeadPodFromServeSvc")), "write true"),
    ("ha-proxy", at(config_map, drop("RAY_SERVE_ENABLE_HA_PROXY")), "Python proxy"),
    ("ha-proxy-files", at(config_map, put("30000", "RAY_SERVE_HAPROXY_MAXCONN")), "needs 75036 open files"),
    ("gcs-storage", at(cluster, drop("gcsFaultToleranceOptions")), "an outage of minutes"),
    (
        "gcs-storage",
        at(cluster, put("x", "gcsFaultToleranceOptions", "externalStorageNamespace")),
        "read the old one's state",
    ),
    ("head-service", in_group("head", put({"metadata": {"name": "x"}}, "headService")), "is rejected"),
    (
        "upgrade-steps",
        at(service, put({"stepSizePercent": 50, "maxSurgePercent": 20}, "upgradeStrategy", "clusterUpgradeOptions")),
        "exceeds maxSurgePercent",
    ),
    ("driver-on-workers", in_main("head", lambda c: c["env"].pop(0)), "pinned to the head"),
    ("drain-request-timeout", serve(drop("http_options", "request_timeout_s")), "has no maximum duration"),
    ("drain-request-timeout", at(config_map, put("30", "TRAILMIND_REQUEST_TIMEOUT_S")), "make them equal"),
    ("drain-replica", deployment("Api", put(60, "graceful_shutdown_timeout_s")), "60 < 30 + 60 + 5"),
    ("drain-hard-stop", at(config_map, put("30", "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S")), "502s on reload"),
    ("drain-node", in_main("serve", _drain("60")), "60 < 100 + 30"),
    ("drain-grace", in_pod("serve", put(150, "terminationGracePeriodSeconds")), "150 < 10 + 130 + 20"),
    ("drain-grace", in_pod("state", drop("terminationGracePeriodSeconds")), "30 < 10 + 30 + 20"),
    ("drain-pre-stop", in_main("serve", drop("lifecycle")), "must remove the Pod"),
    ("drain-cluster", at(service, drop("rayClusterDeletionDelaySeconds")), "at least 120"),
    ("keep-alive", serve(put(60, "http_options", "keep_alive_timeout_s")), "stray 502s"),
    ("job-mode", at(job, drop("submissionMode")), "write submissionMode: HTTPMode"),
    ("job-driver", at(job, drop("entrypointNumCpus")), "pinned to the head"),
    ("job-storage", at(job, put({"redisAddress": "r:1"}, "rayClusterSpec", "gcsFaultToleranceOptions")), "resumable"),
    ("job-own-cluster", at(job, put({"ray.io/cluster": "x"}, "clusterSelector")), "accumulate"),
    (
        "job-deletion",
        at(job, put(1, "deletionStrategy", "deletionRules", 1, "condition", "ttlSeconds")),
        "delays must grow",
    ),
    ("job-deletion", at(job, put("DeleteWorkers", "deletionStrategy", "deletionRules", 0, "policy")), "is rejected"),
    ("job-deletion", at(job, drop("deletionStrategy")), "its nodes keep running"),
    (
        "job-deletion",
        at(job, lambda j: j["deletionStrategy"]["deletionRules"].append(j["deletionStrategy"]["deletionRules"][0])),
        "appears twice",
    ),
    ("job-shutdown", at(job, put(True, "shutdownAfterJobFinishes")), "exclude deletionRules"),
    ("job-deadline", at(job, drop("activeDeadlineSeconds")), "indefinitely"),
    ("cron-overlap", at(cron, put("Allow", "concurrencyPolicy")), "Forbid"),
    ("cron-time-zone", at(cron, put("TZ=Asia/Seoul 17 3 * * *", "schedule")), "write timeZone"),
    ("migrate", without("Job", "trailmind-migrate"), "0 Jobs run"),
    ("migrate", in_kind("Job", None, put("serve", "metadata", "labels", "trailmind.dev/phase")), "exactly one"),
    ("settings", at(config_map, put("0", "TRAILMIND_NUM_SHARDS")), "TRAILMIND_NUM_SHARDS"),
    ("settings", at(config_map, put("1", "TRAILMIND_NUM_SHARD")), "there is no such setting"),
    ("settings", at(config_map, put("*", "TRAILMIND_EXTENSION_IDS")), "must name the extension"),
    ("settings", at(config_map, lambda data: data.pop("TRAILMIND_TRUSTED_PROXIES")), "TRAILMIND_TRUSTED_PROXIES"),
    (
        "mail-egress",
        in_kind("NetworkPolicy", "ray-to-internet", lambda policy: policy["spec"]["egress"][0]["ports"].pop(1)),
        "lets it reach port 465",
    ),
    ("idle-group", at(config_map, put("1", "TRAILMIND_NUM_WORKERS")), "TRAILMIND_NUM_WORKERS is 1: write 0"),
    ("idle-group", at(config_map, drop("TRAILMIND_NUM_WORKERS")), "is left out"),
    ("client-address", at(config_map, put("none", "TRAILMIND_TRUSTED_PROXIES")), "an Ingress is a proxy"),
    ("client-address", at(config_map, put("*", "FORWARDED_ALLOW_IPS")), "set and empty"),
    ("client-address", at(config_map, lambda data: data.pop("FORWARDED_ALLOW_IPS")), "set and empty"),
    ("settings", in_kind("ExternalSecret", "trailmind-secrets", lambda s: s["spec"]["data"].pop(2)), "SECRET_KEY"),
    ("settings", in_main("ai", drop("envFrom")), "does not reach the container"),
    ("ray-variable", at(config_map, put("1", "RAY_SERVE_ENABLE_HAPROXY")), "no such variable"),
    (
        "ray-variable",
        in_main("head", lambda c: c["env"].append({"name": "RAY_gcs_rpc_reconnect", "value": "1"})),
        "no such variable",
    ),
    ("missing-secret", without("ExternalSecret", "trailmind-secrets"), "add a secretGenerator or an ExternalSecret"),
    ("missing-secret", without("ExternalSecret", "trailmind-ray-auth"), "Secret trailmind-ray-auth does not exist"),
    (
        "missing-secret",
        at(cluster, put("word", *PASSWORD_KEY)),
        "has no key word",
    ),
    ("missing-secret", without("SecretStore", "trailmind"), "SecretStore trailmind does not exist"),
    (
        "missing-config",
        in_main("serve", put("trailmind-config", "envFrom", 0, "configMapRef", "name")),
        "name-references",
    ),
    ("missing-account", without("ServiceAccount", "trailmind-worker"), "trailmind-worker does not exist"),
    ("missing-account", without("PriorityClass", "trailmind-head"), "trailmind-head does not exist"),
    ("missing-account", without("Role", "trailmind-batch"), "Role trailmind-batch"),
    (
        "missing-account",
        in_kind(
            "SecretStore",
            None,
            put({"jwt": {"serviceAccountRef": {"name": "nobody"}}}, "spec", "provider", "aws", "auth"),
        ),
        "service account nobody does not exist",
    ),
    (
        "missing-service",
        in_kind(
            "Ingress",
            None,
            put("trailmind-svc", *BACKEND, "name"),
        ),
        "no Service trailmind-svc",
    ),
    (
        "missing-service",
        in_kind(
            "Ingress",
            None,
            put(9000, *BACKEND, "port", "number"),
        ),
        "with port 9000",
    ),
    (
        "missing-service",
        in_kind("Ingress", None, drop("metadata", "annotations", NOT_PUBLIC)),
        "has no action",
    ),
    (
        "missing-service",
        at(cluster, put("redis://gcs:6379", "gcsFaultToleranceOptions", "redisAddress")),
        "no Service gcs",
    ),
    ("missing-service", _url, "no Service postgress"),
    ("public-metrics", in_kind("Ingress", None, drop("spec", "rules", 0, "http", "paths", 0)), "/metrics would reach"),
    (
        "policy-selects",
        in_kind("NetworkPolicy", "ray-to-ray", put("rays", "spec", "podSelector", "matchLabels", "trailmind.dev/role")),
        "selects no Pod",
    ),
    (
        "policy-selects",
        in_kind(
            "NetworkPolicy",
            "ray-to-ray",
            put("rays", "spec", "ingress", 0, "from", 0, "podSelector", "matchLabels", "trailmind.dev/role"),
        ),
        "refers to Pods that do not exist",
    ),
    ("policy-missing", without("NetworkPolicy", "default-deny"), "add default-deny"),
    ("policy-missing", without("NetworkPolicy", "operator-to-head"), "never become ready"),
    ("budget", in_kind("PodDisruptionBudget", "trailmind-serve", put("50%", "spec", "minAvailable")), "an integer"),
    ("budget", in_kind("PodDisruptionBudget", "trailmind-serve", put(2, "spec", "minAvailable")), "no node can"),
    (
        "budget",
        in_kind("PodDisruptionBudget", "trailmind-serve", put("api", *SELECTED, "ray.io/group")),
        "selects no Pod",
    ),
    (
        "monitor",
        in_kind("PodMonitor", "trailmind-application", put("http", "spec", "podMetricsEndpoints", 0, "port")),
        "no port named http",
    ),
    (
        "monitor",
        in_kind("PodMonitor", "trailmind-ray-head", put("heads", *SELECTED, "ray.io/node-type")),
        "selects no Pod",
    ),
    (
        "monitor",
        in_kind("PodMonitor", "trailmind-application", drop("spec", "podMetricsEndpoints", 0, "authorization")),
        "answers 404 without its token",
    ),
    (
        "missing-secret",
        in_kind("PodMonitor", "trailmind-application", put("token", *METRICS_TOKEN, "key")),
        "has no key token",
    ),
    ("promql", alert("TrailmindBacklog", put("max(trailmind_jobs_pending > 100", "expr")), "unclosed"),
    ("promql", panel(put("rate(x)", "targets", 0, "expr")), "expected type"),
    ("metric-known", alert("TrailmindBacklog", put("trailmind_jobs_waiting > 1", "expr")), "no exporter has"),
    (
        "metric-known",
        alert("TrailmindMapsFail", put("rate(trailmind_maps_total[5m]) > 0", "expr")),
        "are called ray_trailmind_maps_total",
    ),
    (
        "metric-known",
        panel(put("ray_trailmind_map_seconds", "targets", 0, "expr")),
        "no exporter has ray_trailmind_map_seconds",
    ),
    (
        "metric-label",
        alert("TrailmindBacklog", put('trailmind_jobs_pending{queue="map"} > 1', "expr")),
        "never has queue=map, only billing, mail, maintenance, maps",
    ),
    (
        "metric-label",
        alert("TrailmindBacklog", put('trailmind_jobs_pending{task="maps"} > 1', "expr")),
        "has no label task, only queue",
    ),
    (
        "metric-label",
        panel(put("sum by (vendor) (ray_trailmind_maps_total)", "targets", 0, "expr")),
        "groups by vendor",
    ),
    (
        "metric-shown",
        panel(put("trailmind:http_errors:ratio5m", "targets", 0, "expr"), "Accounts", "business.json"),
        "trailmind_users is",
    ),
    ("alert-page", alert("TrailmindBacklog", drop("labels", "severity")), "severity is None"),
    ("alert-page", alert("TrailmindBacklog", drop("annotations", "summary")), "one sentence"),
    (
        "alert-page",
        alert("TrailmindBacklog", put("docs/runbook.md#nowhere", "annotations", "runbook_url")),
        "write a heading TrailmindBacklog",
    ),
    (
        "dashboard",
        in_kind("ConfigMap", "trailmind-dashboards", drop("metadata", "labels", "grafana_dashboard")),
        "Grafana would not load it",
    ),
    (
        "dashboard",
        in_kind("ConfigMap", "trailmind-dashboards", put("{", "data", "overview.json")),
        "is no JSON",
    ),
    ("dashboard", panel(put("prometheus", "targets", 0, "datasource", "uid")), "the data source of the reader"),
    ("phase", in_kind("Ingress", None, drop("metadata", "labels", "trailmind.dev/phase")), "deploy.sh skips"),
    ("namespace", in_kind("Ingress", None, put("default", "metadata", "namespace")), "is in default"),
]
