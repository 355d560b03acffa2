"""What the process of `trailmind up` does not import: it runs as long as the server, and would keep the memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Modules of the product, and the packages that importing them must not load.
_PROBE = """
import importlib, sys
importlib.import_module({module!r})
print(*sorted(name for name in {heavy!r} if name in sys.modules))
"""
_SDKS = ("anthropic", "google.genai", "openai", "stripe")
_NUMERIC = ("numpy", "onnxruntime", "pandas", "pyarrow", "scipy")
_MIGRATIONS = ("alembic", "models.migrations.tables")


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("launch.cli.main", (*_SDKS, *_NUMERIC, *_MIGRATIONS, "fastapi", "psycopg", "ray", "redis", "sqlalchemy")),
        ("launch.local_server", (*_SDKS, *_NUMERIC, *_MIGRATIONS, "fastapi", "ray")),
        # The process deploys the application, and a replica imports it.
        ("serve.deployments", (*_SDKS, *_MIGRATIONS, "serve.app", "onnxruntime", "pandas", "pyarrow", "scipy")),
    ],
)
def test_a_module_does_not_load_heavy_packages(module: str, heavy: tuple[str, ...]) -> None:
    probe = _PROBE.format(module=module, heavy=heavy)
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
