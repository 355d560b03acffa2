"""Secrets that a local server generates on its first start, stored in the data directory and readable by its owner."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def local_secret(data_dir: Path, name: str, num_bytes: int = 48) -> str:
    """The secret `name`, generated from `num_bytes` random bytes on first use (file mode 0600).

    Two processes that call this at the same time get the same secret.
    """
    path = data_dir / "secrets" / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f".{name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(num_bytes), encoding="ascii")
        try:
            os.link(draft, path)  # unlike a rename, a link never replaces the file of another process
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()
