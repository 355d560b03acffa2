"""Rendering overlays, and walking what comes out of them."""

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
#: The group name the operator gives the head's Pod.
HEAD_GROUP = "headgroup"

Document = dict[str, Any]


class RenderError(Exception):
    """kustomize refused an overlay; the text is its own sentence."""


@dataclass(frozen=True)
class Pod:
    """A Pod as it would run: a template cut out of whatever contains it, with the labels the operator adds."""

    owner: str  # "RayService/trailmind group serve"
    role: str  # head, worker or plain
    group: str | None
    cluster_kind: str | None  # RayService, RayJob, or None outside Ray
    labels: dict[str, str]
    template: Document
    spec: Document = field(repr=False)

    @property
    def main(self) -> Document:
        """The container the operator edits: the first."""
        return self.spec["containers"][0]  # type: ignore[no-any-return]


def load(text: str) -> list[Document]:
    """The non-empty documents of a YAML stream."""
    return [d for d in yaml.load_all(text, Loader=yaml.CSafeLoader) if d]


def find_tool(name: str) -> str:
    """A program from this environment, else from the PATH. Raises FileNotFoundError saying how to get it."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed; `make setup` installs it with the development tools")
    return found


def render(overlay: str, kuberay: Path = KUBERAY) -> list[Document]:
    """The documents of overlays/`overlay`, as `kubectl kustomize` makes them, the nightly RayJob filled in among them.

    Works on a copy: where the overlay wants generated secrets and there are none, the copy gets some.
    """
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "kuberay"
        shutil.copytree(kuberay, copy, ignore=shutil.ignore_patterns("__pycache__", "secrets"))
        target = copy / "overlays" / overlay
        if "secrets/" in (target / "kustomization.yaml").read_text():
            subprocess.run([copy / "scripts/kind-secrets.sh", target], check=True, capture_output=True, timeout=30)
        done = subprocess.run(
            [find_tool("kubectl"), "kustomize", target], capture_output=True, text=True, timeout=60, check=False
        )
    if done.returncode:
        raise RenderError(done.stderr.strip())
    return with_batch(load(done.stdout))


def with_batch(documents: list[Document]) -> list[Document]:
    """The documents and the RayJob that each CronJob of ours would create, made by the very code it runs."""
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
    """Those of one kind."""
    return [d for d in documents if d["kind"] == kind]


def named(documents: list[Document], kind: str, name: str) -> Document | None:
    """The one of this kind and name."""
    return next((d for d in of_kind(documents, kind) if d["metadata"]["name"] == name), None)


def label(document: Document) -> str:
    """How a finding names a document."""
    return f"{document['kind']}/{document['metadata']['name']}"


def ray_clusters(documents: list[Document]) -> Iterator[tuple[Document, Document]]:
    """(the custom resource, its RayCluster spec), for RayServices and RayJobs."""
    for document in documents:
        key = {"RayService": "rayClusterConfig", "RayJob": "rayClusterSpec"}.get(document["kind"])
        if key and isinstance(document["spec"].get(key), dict):
            yield document, document["spec"][key]


def ray_groups(cluster: Document) -> Iterator[tuple[str, Document]]:
    """(name, group spec): the head's first."""
    yield HEAD_GROUP, cluster["headGroupSpec"]
    for group in cluster.get("workerGroupSpecs", []):
        yield group["groupName"], group


def pods(documents: list[Document]) -> list[Pod]:
    """Every Pod the documents lead to."""
    found = []
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
            found.append(Pod(owner, role, name, document["kind"], labels, template, template["spec"]))
    for document in documents:
        if document["kind"] in {"Job", "StatefulSet", "Deployment", "DaemonSet"}:
            template = document["spec"]["template"]
        elif document["kind"] == "CronJob":
            template = document["spec"]["jobTemplate"]["spec"]["template"]
        else:
            continue
        labels = template.get("metadata", {}).get("labels", {})
        found.append(Pod(label(document), "plain", None, None, labels, template, template["spec"]))
    return found


def containers(pod: Pod) -> list[Document]:
    """All containers of a Pod, the init containers after the others."""
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
