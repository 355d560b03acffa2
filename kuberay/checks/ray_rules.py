"""Rules about Ray clusters beyond the schemas: those of the operator, which only emits events, and ours."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kuberay.checks.findings import Finding
from kuberay.checks.manifests import HEAD_GROUP, Document, Pod, containers, label, pods, ray_clusters, ray_groups

RULES = {
    "name-length": "names from which the operator derives others are short DNS labels",
    "ray-version": "rayVersion is the locked version of Ray",
    "auth-mode": "token authentication is explicit, with our Secret",
    "autoscaler-version": "autoscaler v2 is explicit",
    "autoscaler-security": "the sidecar of the autoscaler has a security context",
    "feature-gate": "no field needs an operator feature that is off by default",
    "gcs-redis-env": "the GCS's Redis is configured in one place",
    "ray-start-labels": "labels are set on the group, not in rayStartParams",
    "resources-twice": "the resources of a group are set once",
    "replicas-range": "minReplicas does not exceed maxReplicas",
    "replicas-minimum": "a group that is scaled states its minimum as the number of replicas",
    "restart-policy": "restartPolicy is left to the operator",
    "head-cpus": "no task or actor is placed on the head",
    "head-cpu-limit": "the head is not throttled",
    "cpu-limit": "a worker's CPU limit is whole and equals its request",
    "ray-container-first": "the Ray container is the first",
    "group-label": "each group has its name as a Ray label",
    "policy-labels": "Ray Pods have the labels that the network policies select",
    "probe": "a worker of a RayService keeps the operator's readiness probe",
    "image-one": "all our containers run the same image",
    "image-tag": "images are pinned, never `latest`",
    "memory": "memory is requested and limited, equally",
    "security": "Pods satisfy the restricted Pod Security Standard",
    "read-only": "the root file system is read-only, and the directories that Ray writes to are mounted",
    "service-links": "no Service becomes an environment variable",
    "api-token": "workers have no access to the API server",
    "empty-dir": "every emptyDir has a limit",
}
GROUP_LABEL = "trailmind.dev/group"
_NAME_LIMITS = {"RayCluster": 53, "RayService": 47, "RayJob": 47, "RayCronJob": 36}
_GATED = {
    "networkPolicy": "RayClusterNetworkPolicy",
    "tlsOptions": "RayClusterMTLS",
    "historyServerOptions": "RayClusterHistoryServer",
}
_POLICY_LABELS = {"app.kubernetes.io/part-of": "trailmind", "trailmind.dev/role": "ray"}
_GCS_VARIABLES = {"RAY_REDIS_ADDRESS", "REDIS_PASSWORD", "REDIS_USERNAME", "RAY_external_storage_namespace"}
_WRITTEN = {"/tmp", "/tmp/ray", "/home/ray"}  # noqa: S108 - mount paths, this program does not write there


def check(documents: list[Document], ray_version: str) -> Iterator[Finding]:
    """The findings about Ray clusters and other Pods; `ray_version` is the locked version, such as "2.60.0"."""
    for document in documents:
        limit = _NAME_LIMITS.get(document["kind"])
        name = document["metadata"]["name"]
        if limit and (len(name) > limit or not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)):
            text = f"{len(name)} characters; at most {limit}, lower case, a letter first"
            yield Finding("name-length", label(document), text)
    for owner, cluster in ray_clusters(documents):
        yield from _cluster(label(owner), cluster, ray_version)
        for group_name, group in ray_groups(cluster):
            yield from _group(f"{label(owner)} group {group_name}", group_name, group, cluster)
    all_pods = pods(documents)
    ours = {
        c["image"] for p in all_pods for c in containers(p) if c["image"].rpartition("/")[2].startswith("trailmind")
    }
    if len(ours) > 1:
        yield Finding("image-one", "the overlay", f"runs {', '.join(sorted(ours))}: set it once, under `images:`")
    for pod in all_pods:
        yield from _pod(pod)


def _cluster(where: str, cluster: Document, ray_version: str) -> Iterator[Finding]:
    if cluster.get("rayVersion") != ray_version:
        text = f"is {cluster.get('rayVersion')!r}, the locked version is {ray_version}: probes and tokens depend on it"
        yield Finding("ray-version", f"{where} rayVersion", text)
    auth = cluster.get("authOptions", {})
    if auth.get("mode") != "token" or not auth.get("secretName"):
        text = "write mode: token and a secretName; without them Ray's ports stay open"
        yield Finding("auth-mode", f"{where} authOptions", text)
    scaler = cluster.get("autoscalerOptions", {})
    if cluster.get("enableInTreeAutoscaling") and scaler.get("version") != "v2":
        text = "write version: v2; the operator's checks use this field, not the version of Ray"
        yield Finding("autoscaler-version", f"{where} autoscalerOptions", text)
    if cluster.get("enableInTreeAutoscaling") and not _restricted(scaler.get("securityContext", {}), {}):
        yield Finding("autoscaler-security", f"{where} autoscalerOptions", "the sidecar inherits none; write one")
    for key, gate in _GATED.items():
        if key in cluster:
            yield Finding("feature-gate", f"{where} {key}", f"needs the operator's gate {gate}, which is off")
    storage = cluster.get("gcsFaultToleranceOptions", {})
    if storage.get("backend") == "rocksdb":
        text = "needs the operator's gate GCSFaultToleranceEmbeddedStorage, which is off"
        yield Finding("feature-gate", f"{where} gcsFaultToleranceOptions", text)
    for name, group in ray_groups(cluster):
        variables = {e["name"] for c in group["template"]["spec"]["containers"] for e in c.get("env", [])}
        twice = variables & _GCS_VARIABLES
        if storage and (twice or "redis-password" in group.get("rayStartParams", {})):
            text = f"{', '.join(sorted(twice)) or 'redis-password'} beside gcsFaultToleranceOptions is rejected"
            yield Finding("gcs-redis-env", f"{where} group {name}", text)


def _group(where: str, name: str, group: Document, cluster: Document) -> Iterator[Finding]:
    start = group.get("rayStartParams", {})
    if "labels" in start:
        yield Finding("ray-start-labels", where, "the operator rejects it; use the group's own `labels`")
    if group.get("resources") and {"num-cpus", "num-gpus", "memory", "resources"} & start.keys():
        yield Finding("resources-twice", where, "`resources` and rayStartParams both size the node; keep one")
    if group.get("minReplicas", 0) > group.get("maxReplicas", 2**31):
        yield Finding("replicas-range", where, f"{group['minReplicas']} > {group['maxReplicas']}")
    if (
        cluster.get("enableInTreeAutoscaling")
        and name != HEAD_GROUP
        and group.get("replicas") != group.get("minReplicas")
    ):
        # The CRD's default of `replicas` is 0, and an operator upgrade writes it over the autoscaler's count.
        text = f"replicas is {group.get('replicas', 0)}, minReplicas {group.get('minReplicas', 0)}: write them equal"
        yield Finding("replicas-minimum", where, text)
    spec = group["template"]["spec"]
    if "restartPolicy" in spec and cluster.get("autoscalerOptions", {}).get("version") == "v2":
        yield Finding("restart-policy", where, "autoscaler v2 sets Never itself and rejects anything else")
    expected = "head" if name == HEAD_GROUP else name
    if group.get("labels", {}).get(GROUP_LABEL) != expected:
        text = f"label {GROUP_LABEL}: {expected} is missing: actors that select it would never be scheduled"
        yield Finding("group-label", where, text)
    main = spec["containers"][0]
    if not main["name"].startswith("ray-"):
        text = f"the first container is {main['name']}; the operator turns the first one into Ray"
        yield Finding("ray-container-first", where, text)
    yield from _cpus(where, name, main, start)


def _cpus(where: str, name: str, main: Document, start: Document) -> Iterator[Finding]:
    limit = main.get("resources", {}).get("limits", {}).get("cpu")
    request = main.get("resources", {}).get("requests", {}).get("cpu")
    if name == HEAD_GROUP:
        if start.get("num-cpus") != "0":
            yield Finding("head-cpus", where, 'rayStartParams needs num-cpus: "0", in quotes')
        if limit is not None:
            yield Finding("head-cpu-limit", where, "with num-cpus 0 a CPU limit only throttles the GCS")
    elif not str(limit).isdigit() or str(limit) != str(request):
        text = (
            f"limit {limit}, request {request}: Ray schedules with the limit rounded up; "
            "write the same whole number twice"
        )
        yield Finding("cpu-limit", where, text)


def _restricted(context: Document, pod_context: Document) -> bool:
    """Whether a container satisfies the restricted Pod Security Standard, with the context of its Pod."""
    seccomp = {**pod_context, **context}.get("seccompProfile", {})
    return (
        context.get("runAsNonRoot", pod_context.get("runAsNonRoot")) is True
        and context.get("allowPrivilegeEscalation") is False
        and context.get("capabilities", {}).get("drop") == ["ALL"]
        and seccomp.get("type") in {"RuntimeDefault", "Localhost"}
    )


def _pod(pod: Pod) -> Iterator[Finding]:
    where = pod.owner
    for container in containers(pod):
        yield from _container(f"{where} container {container['name']}", container, pod)
    if pod.spec.get("enableServiceLinks") is not False:
        text = "needs enableServiceLinks: false: variables such as TRAILMIND_SERVE_SVC_PORT make the settings invalid"
        yield Finding("service-links", where, text)
    for volume in pod.spec.get("volumes", []):
        if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
            text = "without sizeLimit it can fill the disk of the node"
            yield Finding("empty-dir", f"{where} volume {volume['name']}", text)
    if pod.role != "plain":
        yield from _ray_pod(pod)


def _container(where: str, container: Document, pod: Pod) -> Iterator[Finding]:
    image = container["image"]
    is_pinned = "@sha256:" in image or (":" in image.rpartition("/")[2] and not image.endswith(":latest"))
    if not is_pinned:
        yield Finding("image-tag", where, f"{image} can change at any time; name a tag or digest")
    resources = container.get("resources", {})
    memory = resources.get("limits", {}).get("memory")
    if memory is None or memory != resources.get("requests", {}).get("memory"):
        text = "request and limit must be equal, or the kernel acts before Ray's memory monitor"
        yield Finding("memory", where, text)
    if not _restricted(container.get("securityContext", {}), pod.spec.get("securityContext", {})):
        text = (
            "needs runAsNonRoot, no privilege escalation, drop ALL, RuntimeDefault; otherwise the namespace rejects it"
        )
        yield Finding("security", where, text)
    if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
        yield Finding("read-only", where, "readOnlyRootFilesystem: true is missing")


def _ray_pod(pod: Pod) -> Iterator[Finding]:
    where = pod.owner
    mounted = {m["mountPath"] for m in pod.main.get("volumeMounts", [])}
    if not mounted >= _WRITTEN:
        text = f"Ray and HAProxy write to {', '.join(sorted(_WRITTEN - mounted))}: mount it"
        yield Finding("read-only", where, text)
    if not _POLICY_LABELS.items() <= pod.labels.items():
        text = "the template lacks app.kubernetes.io/part-of or trailmind.dev/role: no policy allows its traffic"
        yield Finding("policy-labels", where, text)
    if pod.role != "worker":
        return
    if pod.spec.get("automountServiceAccountToken") is not False:
        text = "code that reads web pages must not have an API token: automountServiceAccountToken"
        yield Finding("api-token", where, text)
    if pod.cluster_kind == "RayService" and "readinessProbe" in pod.main:
        text = (
            "a worker that is ready without a proxy is an endpoint of the Serve Service that refuses connections; "
            "leave the operator's probe, see the README's `Not ready`"
        )
        yield Finding("probe", where, text)
