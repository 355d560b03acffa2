"""Renders overlays and finds the Ray clusters, Pods and documents in them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from kuberay.base.batch import create_rayjob

ROOT = Path(__file__).resolve().parents[2]
KUBERAY = ROOT / "kuberay"
#: The group name that the operator gives the Pod of the head.
HEAD_GROUP = "headgroup"

Document = dict[str, Any]


class RenderError(Exception):
    """kustomize failed on an overlay; the message is its own."""


@dataclass(frozen=True)
class Pod:
    """A Pod as it would run: the template of a workload, with the labels that the operator adds."""

    owner: str  # "RayService/trailmind group serve"
    role: str  # head, worker or plain
    group: str | None
    cluster_kind: str | None  # RayService, RayJob, or None outside Ray
    labels: dict[str, str]
    template: Document
    spec: Document = field(repr=False)

    @property
    def main(self) -> Document:
        """The first container, which the operator modifies."""
        return self.spec["containers"][0]  # type: ignore[no-any-return]


def load(text: str) -> list[Document]:
    """The non-empty documents of a YAML stream."""
    return [d for d in yaml.load_all(text, Loader=yaml.CSafeLoader) if d]


def find_tool(name: str) -> str:
    """The path of a program in this environment or else in PATH. Raises FileNotFoundError with the remedy."""
    installed = Path(sys.executable).parent / name
    path = str(installed) if installed.exists() else shutil.which(name)
    if path is None:
        raise FileNotFoundError(f"{name} is not installed; `make setup` installs it with the development tools")
    return path


def render(overlay: str, kuberay: Path = KUBERAY) -> list[Document]:
    """The documents that `kubectl kustomize` renders from overlays/`overlay`, and the nightly RayJob.

    It works on a copy, into which it generates the secrets of the overlay if it needs any.

    Raises:
        RenderError: kustomize failed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "kuberay"
        shutil.copytree(kuberay, copy, ignore=shutil.ignore_patterns("__pycache__", "secrets"))
        target = copy / "overlays" / overlay
        if "secrets/" in (target / "kustomization.yaml").read_text():
            subprocess.run([copy / "scripts/kind-secrets.sh", target], check=True, capture_output=True, timeout=30)
        result = subprocess.run(
            [find_tool("kubectl"), "kustomize", target], capture_output=True, text=True, timeout=60, check=False
        )
    if result.returncode:
        raise RenderError(result.stderr.strip())
    return with_batch(load(result.stdout))


def with_batch(documents: list[Document]) -> list[Document]:
    """The documents and the RayJob that each of our CronJobs creates, filled in by the code that it runs."""
    jobs = []
    for cron in of_kind(documents, "CronJob"):
        spec = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        for volume in spec.get("volumes", []):
            config = named(documents, "ConfigMap", volume.get("configMap", {}).get("name", ""))
            if config and "rayjob.yaml" in config["data"]:
                container = spec["containers"][0]
                environ = {e["name"]: e["value"] for e in container["env"] if "value" in e}
                job = create_rayjob.fill(config["data"]["rayjob.yaml"], environ, container["image"], date(2026, 12, 31))
                job["metadata"]["namespace"] = cron["metadata"].get("namespace")
                jobs.append(job)
    return documents + jobs


def of_kind(documents: list[Document], kind: str) -> list[Document]:
    """The documents of one kind."""
    return [d for d in documents if d["kind"] == kind]


def named(documents: list[Document], kind: str, name: str) -> Document | None:
    """The document of this kind and name; None when there is none."""
    return next((d for d in of_kind(documents, kind) if d["metadata"]["name"] == name), None)


def label(document: Document) -> str:
    """The name of a document in a finding."""
    return f"{document['kind']}/{document['metadata']['name']}"


def ray_clusters(documents: list[Document]) -> Iterator[tuple[Document, Document]]:
    """(the custom resource, its RayCluster spec), for RayServices and RayJobs."""
    for document in documents:
        key = {"RayService": "rayClusterConfig", "RayJob": "rayClusterSpec"}.get(document["kind"])
        if key and isinstance(document["spec"].get(key), dict):
            yield document, document["spec"][key]


def ray_groups(cluster: Document) -> Iterator[tuple[str, Document]]:
    """(name, group spec) of every group, the head first."""
    yield HEAD_GROUP, cluster["headGroupSpec"]
    for group in cluster.get("workerGroupSpecs", []):
        yield group["groupName"], group


def pods(documents: list[Document]) -> list[Pod]:
    """Every Pod that the documents create."""
    result = []
    for document, cluster in ray_clusters(documents):
        for name, group in ray_groups(cluster):
            template = group["template"]
            role = "head" if name == HEAD_GROUP else "worker"
            labels = {
                **template.get("metadata", {}).get("labels", {}),
                **group.get("labels", {}),
                "ray.io/node-type": role,
                "ray.io/group": name,
            }
            owner = f"{label(document)} group {name}"
            result.append(Pod(owner, role, name, document["kind"], labels, template, template["spec"]))
    for document in documents:
        if document["kind"] in {"Job", "StatefulSet", "Deployment", "DaemonSet"}:
            template = document["spec"]["template"]
        elif document["kind"] == "CronJob":
            template = document["spec"]["jobTemplate"]["spec"]["template"]
        else:
            continue
        labels = template.get("metadata", {}).get("labels", {})
        result.append(Pod(label(document), "plain", None, None, labels, template, template["spec"]))
    return result


def containers(pod: Pod) -> list[Document]:
    """All containers of a Pod, then its init containers."""
    return [*pod.spec["containers"], *pod.spec.get("initContainers", [])]


def selects(selector: Document | None, labels: dict[str, str]) -> bool:
    """Whether a Kubernetes label selector matches; an empty one matches everything."""
    selector = selector or {}
    if any(labels.get(k) != v for k, v in selector.get("matchLabels", {}).items()):
        return False
    for term in selector.get("matchExpressions", []):
        value, values = labels.get(term["key"]), term.get("values", [])
        holds = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not holds[term["operator"]]:
            return False
    return True
