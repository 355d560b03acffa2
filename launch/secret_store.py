"""Secrets a laptop makes for itself on first start, kept in the data directory for its owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def local_secret(data_dir: Path, name: str, num_bytes: int = 48) -> str:
    """The secret called `name`, made on first use (file mode 0600). Two programs at once get the same one."""
    path = data_dir / "secrets" / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f".{name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(num_bytes), encoding="ascii")
        try:
            os.link(draft, path)  # unlike a rename, this never replaces what another program wrote first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()
