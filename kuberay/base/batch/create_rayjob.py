"""Creates the RayJob of the night; the CronJob runs it.

The name of a RayJob contains the day, so a CronJob that fires twice, or a retry after a lost response, gets "already
exists" and succeeds. It uses the standard library and PyYAML, which the image has, and no Kubernetes client.
"""

from __future__ import annotations

import datetime
import json
import os
import ssl
import string
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
#: Placeholder in the template -> variable of the CronJob's container.
FROM_ENVIRONMENT = {
    "config_map": "BATCH_CONFIG_MAP",
    "secret": "BATCH_SECRET",
    "head_cpu": "BATCH_HEAD_CPU",
    "head_memory": "BATCH_HEAD_MEMORY",
    "worker_cpu": "BATCH_WORKER_CPU",
    "worker_memory": "BATCH_WORKER_MEMORY",
    "max_workers": "BATCH_MAX_WORKERS",
    "concurrency": "BATCH_CONCURRENCY",
    "cost_budget": "BATCH_COST_BUDGET",
}


def fill(template: str, environ: Mapping[str, str], image: str, day: datetime.date) -> dict[str, Any]:
    """The RayJob of `day`. Raises KeyError with the name of a variable that is not set."""
    run_id = f"nightly-{day:%Y%m%d}"
    values = {placeholder: environ[variable] for placeholder, variable in FROM_ENVIRONMENT.items()}
    name = f"trailmind-regenerate-{day:%Y%m%d}"
    text = string.Template(template).substitute(values, name=name, run_id=run_id, image=image)
    job: dict[str, Any] = yaml.safe_load(text)
    return job


class Cluster:
    """A client of the API server with the service account of this Pod."""

    def __init__(self, url: str, token: str, tls: ssl.SSLContext | None, namespace: str) -> None:
        self._url, self._token, self._tls, self.namespace = url, token, tls, namespace

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The decoded response. Raises urllib.error.HTTPError for any status but success."""
        request = urllib.request.Request(  # noqa: S310 - the URL is the API server's, not a caller's
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30, context=self._tls) as response:  # noqa: S310
            return json.load(response)

    def image_of(self, pod: str, container: str) -> str:
        """The image of `container` in `pod`."""
        spec = self.call("GET", f"/api/v1/namespaces/{self.namespace}/pods/{pod}")["spec"]
        images: list[str] = [c["image"] for c in spec["containers"] if c["name"] == container]
        return images[0]

    def create(self, job: dict[str, Any]) -> bool:
        """Create the RayJob; return False when it exists already."""
        try:
            self.call("POST", f"/apis/ray.io/v1/namespaces/{self.namespace}/rayjobs", job)
        except urllib.error.HTTPError as error:
            if error.code == 409:
                return False
            raise
        return True


def in_cluster(environ: Mapping[str, str]) -> Cluster:
    """The API server of the cluster this Pod runs in."""
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    return Cluster(
        f"https://{host}:{port}",
        (ACCOUNT / "token").read_text().strip(),
        ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt")),
        (ACCOUNT / "namespace").read_text().strip(),
    )


def main(cluster: Cluster, environ: Mapping[str, str], template: str, day: datetime.date) -> int:
    """Create the RayJob of `day`, log the outcome as one JSON line and return the exit code."""
    try:
        image = cluster.image_of(environ["POD_NAME"], environ["CONTAINER_NAME"])
        job = fill(template, environ, image, day)
        created = cluster.create(job)
    except KeyError as error:
        fact = {"event": "rayjob_not_created", "reason": f"{error.args[0]} is not set"}
    except (urllib.error.URLError, TimeoutError) as error:
        fact = {"event": "rayjob_not_created", "reason": str(error)}
    else:
        event = "rayjob_created" if created else "rayjob_exists"
        print(json.dumps({"event": event, "name": job["metadata"]["name"]}))
        return 0
    print(json.dumps(fact), file=sys.stderr)
    return 1


if __name__ == "__main__":
    here = Path(__file__).parent
    today = datetime.datetime.now(datetime.UTC).date()
    sys.exit(main(in_cluster(os.environ), os.environ, (here / "rayjob.yaml").read_text(), today))
