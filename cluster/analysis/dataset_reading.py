"""Reads a dataset that `cluster.analysis.dataset_export` has written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from cluster.analysis.dataset_export import DATASET_VERSION, MANIFEST, Manifest
from models.analysis.anonymity import AnonymityFigure
from models.analysis.parquet import read_parquet
from models.errors import BadRequest
from models.recording.pages import CapturedPage


@dataclass(frozen=True, slots=True)
class ReadSession:
    """A session of a dataset: its pages, and its map as the row of `maps.parquet`."""

    name: str
    language: str
    pages: list[CapturedPage]
    map_row: dict[str, Any]

    def topic_of_pages(self) -> dict[str, int]:
        """By page id the topic of the map that it is below; pages that are below none are missing."""
        nodes = {node["node"]: node for node in self.map_row["nodes"]}
        topics: dict[str, int] = {}
        for node in nodes.values():
            if node["page"] is None:
                continue
            # A parent always comes before its children, so that the way up ends.
            above = nodes.get(node["parent"])
            while above is not None and above["type"] != "topic":
                above = nodes.get(above["parent"]) if above["parent"] is not None else None
            if above is not None:
                topics[_page_id(node["page"])] = above["node"]
        return topics


def load_manifest(directory: Path, today: date | None = None) -> Manifest:
    """The manifest of a dataset. Raises BadRequest without one, and for a dataset that is past its last day."""
    try:
        values = json.loads((directory / MANIFEST).read_bytes())
        version = values["version"]
    except (OSError, ValueError, KeyError, TypeError):
        raise BadRequest(f"{directory} is no dataset: `trailmind datasets export` makes one") from None
    if version != DATASET_VERSION:
        raise BadRequest(f"{directory} is a dataset of version {version}, not {DATASET_VERSION} as this version reads")
    try:
        manifest = Manifest(
            **{
                **values,
                "created_on": date.fromisoformat(values["created_on"]),
                "delete_on": date.fromisoformat(values["delete_on"]),
                "anonymity": {name: AnonymityFigure(**figure) for name, figure in values["anonymity"].items()},
            }
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadRequest(f"{directory / MANIFEST} is damaged: export the dataset again") from None
    if (today or datetime.now(UTC).date()) > manifest.delete_on:
        raise BadRequest(
            f"{directory} was to be deleted on {manifest.delete_on}: users may have withdrawn their consent since."
            " Delete it and export a new dataset"
        )
    return manifest


def read_sessions(directory: Path) -> Iterator[ReadSession]:
    """The sessions of a dataset, one at a time. Raises BadRequest for files that cannot be read."""
    load_manifest(directory)
    # Each file is in the order of the sessions.
    pages = groupby(read_parquet(directory / "pages.parquet"), key=itemgetter("session"))
    maps = read_parquet(directory / "maps.parquet")
    for session in read_parquet(directory / "sessions.parquet"):
        name, rows = next(pages, ("", iter(())))
        map_row = next(maps, {"session": ""})
        if not name == map_row["session"] == session["session"]:
            raise BadRequest(f"the files of {directory} do not fit together: export the dataset again")
        yield ReadSession(name, session["language"], [_captured_page(row) for row in rows], map_row)


def _captured_page(row: dict[str, Any]) -> CapturedPage:
    return CapturedPage(
        page_id=_page_id(row["page"]),
        url=row["url"],
        title=row["title"],
        text=row["text"],
        dwell_ms=row["active_ms"],
        max_scroll_depth=row["scroll_depth"],
        highlights=tuple(row["highlights"]),
        visited_at_ms=tuple(visit["at_ms"] for visit in row["visits"]),
        visit_order=tuple(visit["visit"] for visit in row["visits"]),
    )


def _page_id(number: int) -> str:
    return f"p_{number}"
