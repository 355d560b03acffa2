"""The export formats of a session."""

from __future__ import annotations

from typing import Literal

ExportFormat = Literal["json", "markdown", "opml", "freemind", "svg", "png", "csv"]
