"""Rules about the environment variables of containers, checked by the programs that read them."""

from __future__ import annotations

import base64
import contextlib
import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import ray

from cluster.front_door import NO_PROXIES
from cluster.settings import load_settings
from kuberay.checks.findings import Finding
from kuberay.checks.manifests import (
    Document,
    Pod,
    label,
    named,
    of_kind,
    pods,
    ray_clusters,
    ray_groups,
    selects,
)
from models.errors import ConfigurationError

RULES = {
    "settings": "the settings class of the application accepts the environment",
    "ray-variable": "every RAY_ variable is one that the installed Ray reads",
    "mail-egress": "a network policy lets mails out to the configured server",
    "idle-group": "no worker keeps a node of a group that may be empty",
    "client-address": "replicas believe X-Forwarded-For of the front door and of declared proxies only",
}
#: Sample values for secrets of the secret store, in the form that the application expects.
_SAMPLES = {
    "DATABASE_URL": "postgresql://user:password@database:5432/trailmind",
    "REDIS_URL": "rediss://:password@redis:6379/0",
    "TRAILMIND_SECRET_KEY": "0123456789abcdef0123456789abcdef",
    "TRAILMIND_SMTP_URL": "smtps://user:password@mail.example",
    "TRAILMIND_METRICS_TOKEN": "0123456789abcdef0123456789abcdef",
}
#: Schemes of TRAILMIND_SMTP_URL, and their ports unless the URL names one.
_MAIL_PORTS = {"smtp": 587, "smtps": 465}
#: The files of the installed Ray that name the variables it reads.
_RAY_SOURCES = (
    "_raylet.so",
    "_private/ray_constants.py",
    "_common/usage/usage_constants.py",
    "dashboard/consts.py",
    "serve/_private/constants.py",
)


def secret_values(documents: list[Document], name: str) -> dict[str, str] | None:
    """The values of a Secret, samples for those of the secret store; None when no document creates it."""
    secret = named(documents, "Secret", name)
    if secret:
        decoded = {k: base64.b64decode(v).decode() for k, v in secret.get("data", {}).items()}
        return {**decoded, **secret.get("stringData", {})}
    for external in of_kind(documents, "ExternalSecret"):
        if external["spec"]["target"]["name"] == name:
            keys = [entry["secretKey"] for entry in external["spec"].get("data", [])]
            return {key: _SAMPLES.get(key, "sample") for key in keys}
    return None


def environment_of(pod: Pod, documents: list[Document]) -> dict[str, str]:
    """The variables of the first container of `pod`, as far as the documents define them."""
    variables: dict[str, str] = {}
    for source in pod.main.get("envFrom", []):
        if "configMapRef" in source:
            config = named(documents, "ConfigMap", source["configMapRef"]["name"])
            variables.update(config["data"] if config else {})
        else:
            variables.update(secret_values(documents, source["secretRef"]["name"]) or {})
    variables.update({e["name"]: str(e["value"]) for e in pod.main.get("env", []) if "value" in e})
    return variables


def environments(documents: list[Document]) -> dict[str, dict[str, str]]:
    """The environment of each Pod's main container, by the Pod's owner."""
    return {pod.owner: environment_of(pod, documents) for pod in pods(documents)}


@contextlib.contextmanager
def only(environ: dict[str, str]) -> Iterator[None]:
    """Within the block, the environment of this process is `environ`."""
    original = dict(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(original)


@functools.cache
def _ray_text() -> bytes:
    package = Path(ray.__file__).parent
    return b"\n".join((package / source).read_bytes() for source in _RAY_SOURCES)


@functools.cache
def ray_reads(variable: str) -> bool:
    """Whether the installed Ray names this variable: in full or, for flags of its core, without `RAY_`."""
    core_flag = variable.removeprefix("RAY_")
    name = core_flag if core_flag.islower() else variable
    return re.search(rb"(?<![A-Za-z0-9_])%s(?![A-Za-z0-9_])" % re.escape(name).encode(), _ray_text()) is not None


def check_client_address(documents: list[Document], environment: dict[str, dict[str, str]]) -> Iterator[Finding]:
    """The findings about whose address a request has."""
    for owner, variables in environment.items():
        if not owner.startswith("RayService/"):
            continue
        if variables.get("FORWARDED_ALLOW_IPS") != "":
            text = "FORWARDED_ALLOW_IPS must be set and empty: uvicorn would believe X-Forwarded-For of its own machine"
            yield Finding("client-address", owner, text)
        if variables.get("TRAILMIND_TRUSTED_PROXIES") == NO_PROXIES and list(of_kind(documents, "Ingress")):
            text = "TRAILMIND_TRUSTED_PROXIES is `none`, but an Ingress is a proxy: all users share one rate limit"
            yield Finding("client-address", owner, text)


def check_mail(documents: list[Document], environment: dict[str, dict[str, str]]) -> Iterator[Finding]:
    """The findings about the way of mails out of the cluster; every worker of the service may send some."""
    policies = list(of_kind(documents, "NetworkPolicy"))
    for pod in pods(documents):
        url = urlsplit(environment.get(pod.owner, {}).get("TRAILMIND_SMTP_URL", ""))
        if pod.cluster_kind != "RayService" or pod.role != "worker" or url.scheme not in _MAIL_PORTS:
            continue
        needed = url.port or _MAIL_PORTS[url.scheme]
        allowed = {
            port["port"]
            for policy in policies
            if selects(policy["spec"]["podSelector"], pod.labels)
            for rule in policy["spec"].get("egress", [])
            for port in rule.get("ports", [])
        }
        if needed not in allowed:
            text = f"no network policy lets it reach port {needed} of TRAILMIND_SMTP_URL: no mail would leave"
            yield Finding("mail-egress", pod.owner, text)


def check_idle_group(documents: list[Document], environment: dict[str, dict[str, str]]) -> Iterator[Finding]:
    """The findings about workers that stay while there is no map to make."""
    for owner, cluster in ray_clusters(documents):
        for name, group in ray_groups(cluster):
            where = f"{label(owner)} group {name}"
            number = environment.get(where, {}).get("TRAILMIND_NUM_WORKERS")
            if owner["kind"] == "RayService" and name == "ai" and group.get("minReplicas") == 0 and number != "0":
                text = f"TRAILMIND_NUM_WORKERS is {number or 'left out'}: write 0, or its worker always keeps a node"
                yield Finding("idle-group", where, text)


def check(environment: dict[str, dict[str, str]]) -> Iterator[Finding]:
    """The findings about `environment`, the result of `environments`; each problem is reported once."""
    reported: set[str] = set()
    for owner, variables in environment.items():
        for name in sorted(variables):
            if name.startswith("RAY_") and not ray_reads(name) and name not in reported:
                reported.add(name)
                yield Finding("ray-variable", f"{owner} {name}", "the installed Ray has no such variable")
        if "TRAILMIND_ENVIRONMENT" not in variables:
            if owner.startswith(("RayService/", "RayJob/", "Job/trailmind")):
                text = "TRAILMIND_ENVIRONMENT is missing: the ConfigMap trailmind-config does not reach the container"
                yield Finding("settings", owner, text)
            continue
        try:
            with only(variables):
                load_settings()
        except ConfigurationError as error:
            if str(error) not in reported:
                reported.add(str(error))
                yield Finding("settings", owner, str(error))
