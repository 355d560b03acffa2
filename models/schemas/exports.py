"""The export formats of a session, and of a map over several."""

from __future__ import annotations

from typing import Literal

#: CSV is the timeline, which is no part of the map itself.
ExportFormat = Literal["json", "markdown", "opml", "freemind", "svg", "png", "csv"]
MapExportFormat = Literal["json", "markdown", "opml", "freemind", "svg", "png"]
