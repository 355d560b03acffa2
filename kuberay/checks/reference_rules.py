"""Rules about references: every name or label that a document refers to exists in another document."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from kuberay.checks.findings import Finding
from kuberay.checks.manifests import (
    Document,
    Pod,
    containers,
    label,
    named,
    of_kind,
    pods,
    ray_clusters,
    selects,
)
from kuberay.checks.settings_rules import secret_values

RULES = {
    "missing-secret": "every Secret and key that is referred to is created by the overlay",
    "missing-config": "every ConfigMap that is referred to is created by the overlay",
    "missing-account": "every service account, role and priority class that is referred to exists",
    "missing-service": "every Service that is referred to exists, with that port",
    "public-metrics": "metrics and the internal pages of Serve are not on the public route",
    "policy-selects": "every network policy selects existing Pods and allows existing Pods",
    "policy-missing": "a default policy denies all other traffic, and the operator can reach the heads",
    "budget": "disruption budgets are integers, select Pods, and allow a node to be drained",
    "monitor": "every PodMonitor selects Pods that have its port",
    "phase": "every document is applied in a phase of the rollout",
    "namespace": "every document is in the namespace of the project",
}
PHASES = {"prepare", "migrate", "serve"}
_CLUSTER_SCOPED = {"Namespace", "PriorityClass"}
#: Ports that the operator adds to Ray containers.
_OPERATOR_PORTS = {"metrics"}


def check(documents: list[Document]) -> Iterator[Finding]:
    """The findings about all references."""
    all_pods = pods(documents)
    for pod in all_pods:
        yield from _pod(pod, documents)
    yield from _ray_secrets(documents)
    yield from _accounts(documents)
    yield from _hosts(documents)
    for ingress in of_kind(documents, "Ingress"):
        yield from _ingress(ingress, documents)
    yield from _policies(documents, all_pods)
    yield from _budgets(documents, all_pods)
    yield from _monitors(documents, all_pods)
    for document in documents:
        metadata = document["metadata"]
        if document["kind"] != "RayJob" and metadata.get("labels", {}).get("trailmind.dev/phase") not in PHASES:
            text = "label trailmind.dev/phase must be prepare, migrate or serve; deploy.sh skips a document without it"
            yield Finding("phase", label(document), text)
        if document["kind"] not in _CLUSTER_SCOPED and metadata.get("namespace") != "trailmind":
            yield Finding("namespace", label(document), f"is in {metadata.get('namespace')}, not in trailmind")


def _secret(documents: list[Document], where: str, name: str, key: str | None = None) -> Iterator[Finding]:
    values = secret_values(documents, name)
    if values is None:
        text = f"Secret {name} does not exist in this overlay: add a secretGenerator or an ExternalSecret for it"
        yield Finding("missing-secret", where, text)
    elif key is not None and key not in values:
        yield Finding("missing-secret", where, f"Secret {name} has no key {key}, only {', '.join(sorted(values))}")


def _pod(pod: Pod, documents: list[Document]) -> Iterator[Finding]:
    secrets, configs = _pod_references(pod)
    for name, key in secrets:
        yield from _secret(documents, pod.owner, name, key)
    for name in configs:
        if not named(documents, "ConfigMap", name):
            text = f"ConfigMap {name} does not exist; a generated name must be listed in name-references.yaml"
            yield Finding("missing-config", pod.owner, text)
    account = pod.spec.get("serviceAccountName")
    if account and not named(documents, "ServiceAccount", account):
        yield Finding("missing-account", pod.owner, f"service account {account} does not exist")
    priority = pod.spec.get("priorityClassName")
    if priority and not priority.startswith("system-") and not named(documents, "PriorityClass", priority):
        yield Finding("missing-account", pod.owner, f"priority class {priority} does not exist")


def _pod_references(pod: Pod) -> tuple[list[tuple[str, str | None]], list[str]]:
    """The (Secret, key) pairs and the ConfigMaps that a Pod refers to; key None means the whole Secret."""
    secrets: list[tuple[str, str | None]] = []
    configs: list[str] = []
    for container in containers(pod):
        for source in container.get("envFrom", []):
            if "secretRef" in source:
                secrets.append((source["secretRef"]["name"], None))
            else:
                configs.append(source["configMapRef"]["name"])
        for variable in container.get("env", []):
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                secrets.append((reference["name"], reference["key"]))
    for volume in pod.spec.get("volumes", []):
        if "configMap" in volume:
            configs.append(volume["configMap"]["name"])
        if "secret" in volume:
            secrets.append((volume["secret"]["secretName"], None))
    return secrets, configs


def _ray_secrets(documents: list[Document]) -> Iterator[Finding]:
    for owner, cluster in ray_clusters(documents):
        where = label(owner)
        token = cluster.get("authOptions", {}).get("secretName")
        if token:
            yield from _secret(documents, f"{where} authOptions", token, "auth_token")
        storage = cluster.get("gcsFaultToleranceOptions", {})
        reference = storage.get("redisPassword", {}).get("valueFrom", {}).get("secretKeyRef")
        if reference:
            at = f"{where} gcsFaultToleranceOptions"
            yield from _secret(documents, at, reference["name"], reference["key"])


def _accounts(documents: list[Document]) -> Iterator[Finding]:
    for binding in of_kind(documents, "RoleBinding"):
        named_things = [(binding["roleRef"]["kind"], binding["roleRef"]["name"])]
        named_things += [(s["kind"], s["name"]) for s in binding.get("subjects", [])]
        for kind, name in named_things:
            if not named(documents, kind, name):
                yield Finding("missing-account", label(binding), f"{kind} {name} does not exist")
    for store in of_kind(documents, "SecretStore"):
        name = store["spec"]["provider"]["aws"].get("auth", {}).get("jwt", {}).get("serviceAccountRef", {}).get("name")
        if name and not named(documents, "ServiceAccount", name):
            yield Finding("missing-account", label(store), f"service account {name} does not exist")
    for external in of_kind(documents, "ExternalSecret"):
        reference = external["spec"]["secretStoreRef"]
        if reference["kind"] == "SecretStore" and not named(documents, "SecretStore", reference["name"]):
            yield Finding("missing-secret", label(external), f"SecretStore {reference['name']} does not exist")


def services(documents: list[Document]) -> dict[str, set[int | str]]:
    """Name -> ports of every Service, including those that the operator creates for a RayService."""
    ports_by_name: dict[str, set[int | str]] = {}
    for service in of_kind(documents, "Service"):
        ports_by_name[service["metadata"]["name"]] = {
            p[k] for p in service["spec"]["ports"] for k in ("port", "name") if k in p
        }
    for ray_service in of_kind(documents, "RayService"):
        head = ray_service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"][0]
        ports = {p[k] for p in head.get("ports", []) for k in ("containerPort", "name") if k in p}
        name = ray_service["metadata"]["name"]
        ports_by_name[f"{name}-head-svc"] = ports
        ports_by_name[f"{name}-serve-svc"] = ports & {8000, "serve"}
    return ports_by_name


def _hosts(documents: list[Document]) -> Iterator[Finding]:
    """Host names without a dot must be Services of this namespace."""
    urls = []
    for owner, cluster in ray_clusters(documents):
        urls.append((f"{label(owner)} redisAddress", cluster.get("gcsFaultToleranceOptions", {}).get("redisAddress")))
    for secret in of_kind(documents, "Secret"):
        values = secret_values(documents, secret["metadata"]["name"]) or {}
        urls += [(f"{label(secret)} {key}", values.get(key)) for key in ("DATABASE_URL", "REDIS_URL")]
    for where, url in urls:
        parts = urlsplit(url or "")
        if parts.hostname and "." not in parts.hostname:
            ports = services(documents).get(parts.hostname)
            if ports is None or parts.port not in ports:
                text = f"no Service {parts.hostname} with port {parts.port} in this overlay"
                yield Finding("missing-service", where, text)


def _ingress(ingress: Document, documents: list[Document]) -> Iterator[Finding]:
    where, known = label(ingress), services(documents)
    annotations = ingress["metadata"].get("annotations", {})
    for rule in ingress["spec"]["rules"]:
        public: dict[str, str] = {}
        for path in rule["http"]["paths"]:
            backend = path["backend"]["service"]
            name, port = backend["name"], backend["port"].get("number") or backend["port"].get("name")
            public[path["path"]] = name
            if port == "use-annotation":
                if f"alb.ingress.kubernetes.io/actions.{name}" not in annotations:
                    text = f"the load balancer has no action {name}"
                    yield Finding("missing-service", f"{where} {path['path']}", text)
            elif port not in known.get(name, set()):
                yield Finding("missing-service", f"{where} {path['path']}", f"no Service {name} with port {port}")
        for private in ("/metrics", "/-"):
            if public.get("/", "").endswith("-serve-svc") and public.get(private, "-serve-svc").endswith("-serve-svc"):
                text = f"{private} would reach Serve from outside; send the path to trailmind-not-public"
                yield Finding("public-metrics", where, text)


def _policies(documents: list[Document], all_pods: list[Pod]) -> Iterator[Finding]:
    policies = of_kind(documents, "NetworkPolicy")
    for policy in policies:
        where, spec = label(policy), policy["spec"]
        if spec["podSelector"] and not any(selects(spec["podSelector"], pod.labels) for pod in all_pods):
            yield Finding("policy-selects", where, "selects no Pod of this overlay")
        for direction, peer in [("ingress", "from"), ("egress", "to")]:
            for rule in spec.get(direction, []):
                for term in rule.get(peer, []):
                    own = "podSelector" in term and "namespaceSelector" not in term
                    if own and not any(selects(term["podSelector"], pod.labels) for pod in all_pods):
                        yield Finding("policy-selects", f"{where} {direction}", "refers to Pods that do not exist")
    everything = [p for p in policies if not p["spec"]["podSelector"] and "ingress" not in p["spec"]]
    if not any(
        set(p["spec"]["policyTypes"]) == {"Ingress", "Egress"} and "egress" not in p["spec"] for p in everything
    ):
        yield Finding("policy-missing", "the overlay", "no policy denies all other traffic: add default-deny")
    for pod in all_pods:
        if pod.role == "head" and not _allows(policies, pod, 8265):
            text = "no policy allows the operator to reach port 8265: the service would never become ready"
            yield Finding("policy-missing", pod.owner, text)


def _allows(policies: list[Document], pod: Pod, port: int) -> bool:
    for policy in policies:
        if selects(policy["spec"]["podSelector"], pod.labels):
            for rule in policy["spec"].get("ingress", []):
                foreign = any("namespaceSelector" in peer for peer in rule.get("from", []))
                if foreign and port in {p["port"] for p in rule.get("ports", [])}:
                    return True
    return False


def _budgets(documents: list[Document], all_pods: list[Pod]) -> Iterator[Finding]:
    minimum = {
        f"{label(owner)} group {group['groupName']}": group.get("minReplicas", 0)
        for owner, cluster in ray_clusters(documents)
        for group in cluster.get("workerGroupSpecs", [])
    }
    for budget in of_kind(documents, "PodDisruptionBudget"):
        where, spec = label(budget), budget["spec"]
        least = spec.get("minAvailable")
        if not isinstance(least, int):
            text = "needs an integer minAvailable: a RayCluster has no scale to take percentages of"
            yield Finding("budget", where, text)
            continue
        chosen = [pod for pod in all_pods if selects(spec["selector"], pod.labels)]
        if not chosen:
            yield Finding("budget", where, "selects no Pod of this overlay")
        for pod in chosen:
            if pod.owner in minimum and least > 0 and least >= minimum[pod.owner]:
                text = f"minAvailable {least} of at least {minimum[pod.owner]} Pods: no node can be drained"
                yield Finding("budget", where, text)


def _monitors(documents: list[Document], all_pods: list[Pod]) -> Iterator[Finding]:
    for monitor in of_kind(documents, "PodMonitor"):
        chosen = [pod for pod in all_pods if selects(monitor["spec"]["selector"], pod.labels)]
        if not chosen:
            yield Finding("monitor", label(monitor), "selects no Pod of this overlay")
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            token = endpoint.get("authorization", {}).get("credentials")
            if token:
                yield from _secret(documents, label(monitor), token["name"], token["key"])
            elif endpoint["port"] == "serve":
                text = "the application's /metrics answers 404 without its token: add authorization"
                yield Finding("monitor", label(monitor), text)
            for pod in chosen:
                ports = {p.get("name") for p in pod.main.get("ports", [])} | _OPERATOR_PORTS
                if endpoint["port"] not in ports:
                    text = f"{pod.owner} has no port named {endpoint['port']}"
                    yield Finding("monitor", label(monitor), text)
