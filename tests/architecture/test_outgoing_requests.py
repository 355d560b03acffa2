"""The server requests no URL from user input: few modules can open a connection to another machine, all known here."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Packages that run in the server; `launch` is the command line.
_PACKAGES = ("serve", "cluster", "actors", "models", "telemetry")
_CLIENT_LIBRARIES = {
    *("httpx2", "httpx", "aiohttp", "requests", "urllib3", "urllib.request", "http.client", "ftplib", "smtplib"),
    *("aiosmtplib", "stripe", "openai", "anthropic", "google.genai", "socket"),
}
#: Module → whose server it calls. Each takes the address from the settings.
_CALLERS = {
    "serve/identity/openid.py": "the identity provider",
    "cluster/providers/transports": "model providers",
    "cluster/mail/sender.py": "the mail server",
    "cluster/jobs/alertmanager.py": "Alertmanager",
    "cluster/jobs/system_status.py": "Alertmanager (its errors)",
    "cluster/billing/stripe_gateway.py": "Stripe",
    "cluster/ray_worker.py": "cluster/worker_fork_server.py, on a UNIX socket of the machine",
    "cluster/worker_fork_server.py": "no server: it listens on that socket",
    "cluster/billing/webhooks.py": "Stripe (the signature of its messages)",
}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {library for library in _CLIENT_LIBRARIES for name in names if f"{name}.".startswith(f"{library}.")}


def test_only_known_modules_can_send_requests() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): libraries
        for package in _PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if (libraries := _imports(path))
    }
    unknown = {name: libraries for name, libraries in found.items() if not name.startswith(tuple(_CALLERS))}
    assert unknown == {}
    assert {caller for caller in _CALLERS if not any(name.startswith(caller) for name in found)} == set()
