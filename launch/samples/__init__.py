"""Six browsing sessions built from free documentation, for the demo, `trailmind eval` and the tests.

`README.md` in this folder says what they hold and under which licences the texts stand.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable


def sample_names() -> list[str]:
    """The names of the bundled sessions, in order."""
    suffix = ".events.json"
    return sorted(entry.name.removesuffix(suffix) for entry in files(__name__).iterdir() if entry.name.endswith(suffix))


def sample_events(name: str) -> Traversable:
    """The event batch of a session, as the extension sends it."""
    return files(__name__) / f"{name}.events.json"


def sample_truth(name: str) -> Traversable:
    """The expected topics of a session."""
    return files(__name__) / f"{name}.truth.json"


def language_sessions() -> Traversable:
    """One short session in many languages, for `parse_language_sessions`."""
    return files(__name__) / "languages.txt"
