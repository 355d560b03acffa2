"""What containers find in their environment, held against the programs that read it."""

from __future__ import annotations

import base64
import contextlib
import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import ray

from cluster.settings import load_settings
from kuberay.checks.findings import Finding
from kuberay.checks.manifests import Document, Pod, named, of_kind, pods
from models.errors import ConfigurationError

RULES = {
    "settings": "the application's own settings class accepts what it is given",
    "ray-variable": "every RAY_ variable is one that the installed Ray reads",
}
#: Stands in for what only the secret store knows, of the form the application expects.
_SAMPLES = {
    "DATABASE_URL": "postgresql://user:password@database:5432/trailmind",
    "REDIS_URL": "rediss://:password@redis:6379/0",
    "TRAILMIND_SECRET_KEY": "0123456789abcdef0123456789abcdef",
    "TRAILMIND_METRICS_TOKEN": "0123456789abcdef0123456789abcdef",
}
#: Where the installed Ray names the variables it reads.
_RAY_SOURCES = (
    "_raylet.so",
    "_private/ray_constants.py",
    "_common/usage/usage_constants.py",
    "dashboard/consts.py",
    "serve/_private/constants.py",
)


def secret_values(documents: list[Document], name: str) -> dict[str, str] | None:
    """What a Secret will hold, samples where only the secret store knows; None when nothing makes it."""
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
    """What the first container of `pod` sees, as far as the documents say."""
    seen: dict[str, str] = {}
    for source in pod.main.get("envFrom", []):
        if "configMapRef" in source:
            config = named(documents, "ConfigMap", source["configMapRef"]["name"])
            seen.update(config["data"] if config else {})
        else:
            seen.update(secret_values(documents, source["secretRef"]["name"]) or {})
    seen.update({e["name"]: str(e["value"]) for e in pod.main.get("env", []) if "value" in e})
    return seen


def environments(documents: list[Document]) -> dict[str, dict[str, str]]:
    """The environment of each Pod's main container, by the Pod's owner."""
    return {pod.owner: environment_of(pod, documents) for pod in pods(documents)}


@contextlib.contextmanager
def only(environ: dict[str, str]) -> Iterator[None]:
    """As if this process had been started with `environ` and nothing else."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@functools.cache
def _ray_text() -> bytes:
    package = Path(ray.__file__).parent
    return b"\n".join((package / source).read_bytes() for source in _RAY_SOURCES)


@functools.cache
def ray_reads(variable: str) -> bool:
    """Whether the installed Ray names this variable: in full, or, for its core's flags, without the RAY_."""
    core_flag = variable.removeprefix("RAY_")
    name = core_flag if core_flag.islower() else variable
    return re.search(rb"(?<![A-Za-z0-9_])%s(?![A-Za-z0-9_])" % re.escape(name).encode(), _ray_text()) is not None


def check(environment: dict[str, dict[str, str]]) -> Iterator[Finding]:
    """`environment` as `environments` makes it."""
    told: set[str] = set()
    for owner, seen in environment.items():
        for name in sorted(seen):
            if name.startswith("RAY_") and not ray_reads(name) and name not in told:
                told.add(name)
                yield Finding("ray-variable", f"{owner} {name}", "the installed Ray has no such variable")
        if "TRAILMIND_ENVIRONMENT" not in seen:
            if owner.startswith(("RayService/", "RayJob/", "Job/trailmind")):
                text = "TRAILMIND_ENVIRONMENT is missing: the ConfigMap trailmind-config does not reach the container"
                yield Finding("settings", owner, text)
            continue
        try:
            with only(seen):
                load_settings()
        except ConfigurationError as error:
            if str(error) not in told:
                told.add(str(error))
                yield Finding("settings", owner, str(error))
