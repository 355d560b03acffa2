"""The export formats of a session, and of a map over several."""

from __future__ import annotations

from typing import Literal

ExportFormat = Literal["json", "markdown", "opml", "freemind", "svg", "png", "csv"]
#: CSV is the timeline of one session.
MapExportFormat = Literal["json", "markdown", "opml", "freemind", "svg", "png"]
