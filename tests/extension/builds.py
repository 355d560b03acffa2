"""The unpacked extension: the product's build, and a copy with the optional permissions granted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

_CLIENTS = Path(__file__).parents[2] / "clients"
_EXTENSION = _CLIENTS / "extension"
_VENV_BIN = Path(__file__).parents[2] / ".venv" / "bin"


def has_node() -> bool:
    """Whether the extension can be built here."""
    return (_VENV_BIN / "npm").exists() or shutil.which("npm") is not None


def _run(*command: str) -> None:
    path = os.pathsep.join([str(_VENV_BIN), os.environ.get("PATH", "")])
    done = subprocess.run(command, cwd=_CLIENTS, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


def build_extension() -> Path:
    """Build the extension; returns the folder that Chrome loads."""
    if not (_CLIENTS / "node_modules" / "wxt").exists():
        _run("npm", "ci", "--no-audit", "--no-fund")
    _run("npm", "run", "--silent", "build", "--workspace", "extension")
    return _EXTENSION / ".output" / "chrome-mv3"


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
