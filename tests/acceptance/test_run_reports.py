"""The report of a run: what it shows of whom, hostile text, empty and failed runs, and its Parquet file."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from typer.testing import CliRunner

from cluster.analysis import run_report
from cluster.analysis.dataset_export import DatasetExporter, DatasetOptions
from cluster.analysis.run_report import ReportOptions, RunReporter
from cluster.runs.planning import Budget, RunPlanner
from cluster.settings import Settings
from launch.cli.main import app
from models.analysis.parquet import read_parquet
from models.errors import BadRequest, NotFound, TrailmindError
from models.runs.parameters import Selection
from tests.acceptance.test_map_collections import session_about
from tests.acceptance.test_map_edits import change, get, topics
from tests.acceptance.test_map_runs import new_id, planner, run_of, start
from tests.support.client import ApiUser
from tests.support.worker import InProcessWorker

__all__ = ["planner"]
Db = psycopg.AsyncConnection[Any]
ORIGIN = "https://trailmind.example"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[AsyncConnectionPool[Any]]:
    async with AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool:
        yield pool


@pytest.fixture
def reporter(pool: AsyncConnectionPool[Any]) -> RunReporter:
    return RunReporter(pool, ORIGIN)


class Page(HTMLParser):
    """The elements of a report, and what they load or lead to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, pairs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in pairs]

    def values(self, name: str) -> list[str]:
        """The values of an attribute."""
        return [value for _, each, value in self.attributes if each == name]


def check_is_safe(html: str) -> Page:
    """No script, no handler, nothing loaded from anywhere, and only links to sessions and within the page."""
    page = Page(html)
    assert not page.tags & {"script", "iframe", "object", "embed", "link", "base", "form"}
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"]
    assert all(value.startswith("data:image/svg+xml;base64,") for value in page.values("src") + page.values("srcset"))
    assert all(re.fullmatch(rf"#\w+|{ORIGIN}/sessions/[0-9a-f-]{{36}}", value) for value in page.values("href"))
    assert "default-src 'none'" in next(value for value in page.values("content") if "src" in value)
    return page


async def agree(person: ApiUser) -> None:
    await person.ok("PATCH", "/v1/users/me/settings", json={"allows_datasets": True})


async def test_a_report_draws_only_maps_of_users_who_agree(
    ann: ApiUser, bob: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner, settings: Settings,
    reporter: RunReporter, pool: AsyncConnectionPool[Any], tmp_path: Path,
) -> None:  # fmt: skip
    anns, bobs = await session_about(ann, worker, "bread", "chess"), await session_about(bob, worker, "tides", "bread")
    for person, session, label in ((ann, anns, f"Anns {HOSTILE}"), (bob, bobs, "Bobs secret topic")):
        topic = topics(await get(person, session))[0]
        await change(person, session, {"op": "rename", "node_id": topic["id"], "label": label})
    await agree(ann)
    state = await start(planner, settings, run_of(anns, bobs))
    summary = await reporter.write(state.run.id, ReportOptions(), tmp_path / "report")
    assert (summary.num_maps, summary.num_pictures) == (2, 1)
    html = (tmp_path / "report" / "report.html").read_text()
    page = check_is_safe(html)
    assert len(page.values("src")) == len(page.values("srcset")) == 2
    picture = base64.b64decode(page.values("src")[0].partition("base64,")[2]).decode()
    assert "&lt;script&gt;" in picture
    assert "<script" not in picture
    assert "Anns &lt;script&gt;" in html
    everything = html + (tmp_path / "report" / "run.json").read_text()
    assert "Bobs secret topic" not in everything
    assert f"{ORIGIN}/sessions/{bobs}" in html, "its figures are in the report"
    assert ann.email not in everything

    rows = list(read_parquet(tmp_path / "report" / "maps.parquet"))
    assert {str(row["session"]) for row in rows} == {anns, bobs}
    assert {row["status"] for row in rows} == {"done"}
    assert all(row["scores_after"]["grounding"] is not None and row["changes"] for row in rows)
    assert "Bobs secret topic" not in json.dumps(rows, default=str)
    figures = json.loads((tmp_path / "report" / "run.json").read_text())
    assert (figures["num_maps"], figures["scores"]["grounding"]["num_maps"]) == (2, 2)
    assert sorted(file.name for file in (tmp_path / "report").iterdir()) == ["maps.parquet", "report.html", "run.json"]

    everyone = await reporter.write(state.run.id, ReportOptions(pictures="all"), tmp_path / "all")
    assert everyone.num_pictures == 2
    assert "Bobs secret topic" in (tmp_path / "all" / "report.html").read_text()
    nothing = await reporter.write(state.run.id, ReportOptions(pictures="none"), tmp_path / "none")
    assert nothing.num_pictures == 0
    cursor = await db.execute(
        "SELECT facts ->> 'pictures', (facts ->> 'num_pictures')::int FROM audit_log"
        " WHERE action = 'run.reported' AND subject = %s ORDER BY at",
        [state.run.id],
    )
    assert await cursor.fetchall() == [("agreed", 1), ("all", 2), ("none", 0)]

    await DatasetExporter(pool).export(DatasetOptions(session_ids=(uuid.UUID(anns),)), tmp_path / "set")
    options = ReportOptions(language="ko", dataset=tmp_path / "set")
    await reporter.write(state.run.id, options, tmp_path / "korean")
    korean = (tmp_path / "korean" / "report.html").read_text()
    check_is_safe(korean)
    assert '<html lang="ko">' in korean
    assert 'class="reference"' in korean, "the scores of the dataset"
    assert 'class="reference"' not in html
    assert "is now called" not in korean, "the sentences of the diff are English"


async def test_failed_and_superseded_maps_are_in_the_report(
    ann: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner, settings: Settings, reporter: RunReporter,
    tmp_path: Path,
) -> None:  # fmt: skip
    sessions = [await session_about(ann, worker, "bread", part=part) for part in range(2)]
    await agree(ann)
    state = await start(planner, settings, run_of(*sessions))
    await db.execute(
        "UPDATE map_run_items SET status = 'failed', error = %s, version = NULL, scorecard_after = '{}', changes = '{}'"
        " WHERE run_id = %s AND session_id = %s",
        [f"the map did not pass {HOSTILE}", state.run.id, uuid.UUID(sessions[0])],
    )
    await ann.ok("DELETE", f"/v1/sessions/{sessions[1]}")
    await reporter.write(state.run.id, ReportOptions(), tmp_path / "report")
    html = (tmp_path / "report" / "report.html").read_text()
    check_is_safe(html)
    assert "the map did not pass &lt;script&gt;" in html
    assert "no map with a version before and after" in html
    failed = [row for row in read_parquet(tmp_path / "report" / "maps.parquet") if row["status"] == "failed"]
    assert [(str(row["session"]), row["scores_after"]["grounding"]) for row in failed] == [(sessions[0], None)]


async def test_an_empty_run_has_a_report(
    ann: ApiUser, planner: RunPlanner, reporter: RunReporter, tmp_path: Path
) -> None:
    run_id = new_id()
    await planner.create(run_id, run_of(selection=Selection(emails=(ann.email,))), Budget())
    for language in ("en", "ko"):
        directory = tmp_path / language
        summary = await reporter.write(run_id, ReportOptions(language=language), directory)
        assert (summary.num_maps, summary.num_pictures) == (0, 0)
        html = (directory / "report.html").read_text()
        check_is_safe(html)
        assert ann.email not in html + (directory / "run.json").read_text(), "the selection names no one"
        assert list(read_parquet(directory / "maps.parquet")) == []
    assert "The run has processed no map yet." in (tmp_path / "en" / "report.html").read_text()


async def test_what_cannot_be_reported_is_refused_and_leaves_no_files(
    planner: RunPlanner, reporter: RunReporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound, match="there is no run “nowhere”: `trailmind regenerate list` shows the runs"):
        await reporter.write("nowhere", ReportOptions(), tmp_path / "report")
    run_id = new_id()
    await planner.create(run_id, run_of(str(uuid.uuid4())), Budget())
    with pytest.raises(BadRequest, match="is no dataset: `trailmind datasets export` makes one"):
        await reporter.write(run_id, ReportOptions(dataset=tmp_path / "set"), tmp_path / "report")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(BadRequest, match="full exists: choose a new directory"):
        await reporter.write(run_id, ReportOptions(), tmp_path / "full")

    def broken(*_: Any) -> str:
        raise OSError("no space left")

    monkeypatch.setattr(run_report, "_html", broken)
    with pytest.raises(OSError, match="no space left"):
        await reporter.write(run_id, ReportOptions(), tmp_path / "report")
    assert [file.name for file in tmp_path.iterdir()] == ["full"]
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--language", "fr"], "--language: there is no report in “fr”: write en or ko"),
        (["--pictures", "some"], "--pictures: there is no “some”: write agreed, all or none"),
    ],
)
def test_bad_options_are_refused(tmp_path: Path, options: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, ["regenerate", "report", "r", "--out", str(tmp_path / "report"), *options])
    assert isinstance(result.exception, TrailmindError)
    assert str(result.exception) == sentence
    assert not (tmp_path / "report").exists()
