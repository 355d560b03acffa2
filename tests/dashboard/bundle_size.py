"""What a user downloads before a route can be used: scripts and styles, packed, without fonts and the 3-D chunk."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from serve.dashboard import BUILT_FILES

#: The module of each route, by its name in the build's manifest.
ROUTES = {
    "login": "src/auth/forms.tsx",
    "sessions": "src/sessions/SessionsPage.tsx",
    "session": "src/session/SessionPage.tsx",
    "search": "src/search/SearchPage.tsx",
    "account": "src/account/AccountPage.tsx",
    "shared": "src/share/SharedPage.tsx",
}
MAX_BYTES = 250 * 1024


def route_bundle_sizes(root: Path = BUILT_FILES) -> dict[str, int]:
    """Bytes after gzip of what each route needs: the page, its styles, the entry, one language, the route itself."""
    manifest: dict[str, dict[str, Any]] = json.loads((root / "manifest.json").read_text())
    always = ("index.html", "style.css", "src/main.tsx", "src/i18n/ko.ts")
    return {
        name: sum(_gzipped_size(root / file) for file in {"index.html", *_files(manifest, *always, module)})
        for name, module in ROUTES.items()
    }


def _files(manifest: dict[str, dict[str, Any]], *modules: str) -> set[str]:
    """The files of `modules` and of their static imports."""
    files: set[str] = set()
    seen: set[str] = set()
    pending = list(modules)
    while pending:
        module = pending.pop()
        if module in seen:
            continue
        seen.add(module)
        chunk = manifest[module]
        files.update([chunk["file"], *chunk.get("css", [])])
        pending.extend(chunk.get("imports", []))
    return files


def _gzipped_size(file: Path) -> int:
    return len(gzip.compress(file.read_bytes(), 9))
