"""A directory of results that appears atomically."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import BadRequest


@contextmanager
def new_directory(destination: Path) -> Iterator[Path]:
    """Yield a private directory beside `destination`, which takes its name at the end; after an error nothing is left.

    Raises BadRequest when `destination` exists and is not empty, or cannot be created.
    """
    destination = destination.absolute()
    if destination.exists() and not (destination.is_dir() and not any(destination.iterdir())):
        raise BadRequest(f"{destination} exists: choose a new directory")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        # Readable by its owner only.
        draft = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", dir=destination.parent))
    except OSError as error:
        raise BadRequest(f"{destination} cannot be created ({error.strerror})") from None
    try:
        yield draft
        for file in draft.rglob("*"):
            file.chmod(0o700 if file.is_dir() else 0o600)
        draft.replace(destination)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
