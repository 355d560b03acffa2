"""The unpacked extension: the product's build, and a copy with the optional permissions granted."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_MAKEFILE = _ROOT / "Makefile"
#: What the server offers for download, relative to the root: the target of `make extension`.
_PACKAGE = "serve/static/extension/trailmind.zip"
_VENV_BIN = _ROOT / ".venv" / "bin"


def has_node() -> bool:
    """Whether the extension can be built here."""
    return (_VENV_BIN / "npm").exists() or shutil.which("npm") is not None


def build_extension(folder: Path) -> Path:
    """Unpack the package that users download into `folder`, which is returned; make builds it if it is out of date.

    Processes that test at once wait for one build.
    """
    with _MAKEFILE.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(["make", "--silent", _PACKAGE], cwd=_ROOT, capture_output=True, text=True)
        assert done.returncode == 0, f"make {_PACKAGE}\n{done.stdout}\n{done.stderr}"
        with zipfile.ZipFile(_ROOT / _PACKAGE) as package:
            package.extractall(folder)
    return folder


def with_permissions_granted(product: Path, copy: Path) -> Path:
    """A copy of the build whose manifest requires the permissions that are optional in the product."""
    shutil.copytree(product, copy)
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["host_permissions"] += manifest.pop("optional_host_permissions")
    manifest["permissions"].append("history")
    manifest["optional_permissions"].remove("history")
    path.write_text(json.dumps(manifest))
    return copy
