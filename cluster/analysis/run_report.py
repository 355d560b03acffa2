"""The report of a run: one HTML file that loads nothing, and the same figures as Parquet and JSON.

All text of pages is escaped by the template, maps are images, and the content security policy of the file permits no
script. Topics, sentences and pictures are shown of users who have agreed to datasets; of all others, numbers.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from cluster.analysis.charts import bar_chart, score_chart
from cluster.analysis.dataset_reading import load_manifest
from cluster.analysis.new_directory import new_directory
from cluster.analysis.redaction import TextRedactor, has_private_page, redacted_document
from cluster.analysis.report_words import WORDS, Language
from cluster.analysis.run_results import (
    COLUMNS,
    Item,
    ScoreFigures,
    mean,
    most,
    num_changes,
    parquet_row,
    quantile,
    sample,
    score_figures,
    worst_change,
    worst_first,
)
from cluster.mindmap.render.images import ThemeName, to_svg
from models.accounts.audit import insert_audit_entry
from models.analysis.consented_sessions import use_one_snapshot
from models.analysis.parquet import ParquetWriter, read_parquet
from models.analysis.run_maps import MapsOfItem, agreed_sessions, load_maps_of_item
from models.database import Connection
from models.errors import Conflict
from models.mindmap.diff import Change, diff_documents
from models.mindmap.document import MindmapDocument
from models.recording.timeline_store import load_pages
from models.runs.parameters import RunParameters
from models.runs.run_store import Run, RunProgress, list_items, load_progress, load_run

if TYPE_CHECKING:
    from jinja2 import Template

#: Whose maps are drawn: of users who have agreed to datasets, of all, or none.
Pictures = Literal["agreed", "all", "none"]

_FOLDER: Final = Path(__file__).parent
#: Rows in the table of all maps and in the short tables; the Parquet file has all.
MAX_ROWS: Final = 500
#: Maps of a run whose report a server of users makes: their rows take 0.2 GB.
MAX_PAGE_MAPS: Final = 5_000
_NUM_LISTED: Final = 10
_MAX_CHANGES: Final = 12
_PAGE: Final = 1000
_SECTIONS: Final = (
    "summary", "scores", "changes", "cost_heading", "slowest", "worst", "pictures", "all_maps",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """`num_pictures` maps are drawn before and after. `dataset` is compared with in the charts of scores."""

    language: Language = "en"
    pictures: Pictures = "agreed"
    num_pictures: int = 6
    dataset: Path | None = None


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """What was written."""

    directory: Path
    num_maps: int
    num_pictures: int
    html_bytes: int


@dataclass(frozen=True, slots=True)
class DrawnPair:
    """A map before and after, redacted, with the changes between them."""

    session_id: UUID
    before: MindmapDocument
    after: MindmapDocument
    changes: list[Change]


@dataclass(frozen=True, slots=True)
class RunResults:
    """Everything that a report shows, as it was at one moment."""

    run: Run
    progress: RunProgress
    items: list[dict[str, Any]]
    showable: frozenset[UUID]
    pairs: list[DrawnPair]
    #: By score, the values in the dataset that the report compares with.
    reference: Mapping[str, list[float]]
    as_of: datetime


class RunReporter:
    """Writes reports of runs. `origin` is the address of the server, for links to sessions."""

    def __init__(self, pool: AsyncConnectionPool[Any], origin: str) -> None:
        self._pool, self._origin = pool, origin

    async def write(self, run_id: str, options: ReportOptions, destination: Path) -> ReportSummary:
        """Write the report to the new directory `destination`. The audit log records it.

        Raises NotFound for an unknown run, and BadRequest when the directory exists or the dataset cannot be read.
        """
        reference = await asyncio.to_thread(_scores_of_dataset, options.dataset) if options.dataset else {}
        async with self._pool.connection() as connection:
            results = await read_results(connection, run_id, options, reference)
        with new_directory(destination) as directory:
            size = await asyncio.to_thread(write_files, directory, results, options, self._origin)
            facts = {"num_maps": len(results.items), "pictures": options.pictures, "num_pictures": len(results.pairs)}
            async with self._pool.connection() as connection:
                await insert_audit_entry(connection, "run.reported", run_id, facts)
        return ReportSummary(destination, len(results.items), len(results.pairs), size)


async def report_page(connection: Connection, run_id: str, language: Language, origin: str) -> str:
    """The HTML file of a report with the default options. `connection` must have no transaction open.

    Raises NotFound for an unknown run, and Conflict for one with more than MAX_PAGE_MAPS maps.
    """
    if (num_maps := (await load_progress(connection, run_id)).total) > MAX_PAGE_MAPS:
        raise Conflict(
            f"the run has {num_maps:,} maps, too many for a server of users: write the report with"
            f" `trailmind regenerate report {run_id} --out DIR`"
        )
    await connection.rollback()
    options = ReportOptions(language)
    results = await read_results(connection, run_id, options, {})
    return await asyncio.to_thread(_html, results, options, origin)


async def read_results(
    connection: Connection, run_id: str, options: ReportOptions, reference: Mapping[str, list[float]]
) -> RunResults:
    """What a report shows, in a transaction of its own. Raises NotFound."""
    async with connection.transaction():
        await use_one_snapshot(connection)
        run = await load_run(connection, run_id)
        items: list[dict[str, Any]] = []
        while page := await list_items(connection, run_id, after=items[-1]["position"] if items else 0, limit=_PAGE):
            items += page
        showable = await agreed_sessions(connection, run_id)
        drawable = frozenset(item["session_id"] for item in items) if options.pictures == "all" else showable
        num_pictures = 0 if options.pictures == "none" else options.num_pictures
        pairs = []
        for item in sample(items, drawable, num_pictures):
            maps = await load_maps_of_item(connection, run_id, item["session_id"])
            pair = await _redacted_pair(connection, item["session_id"], maps) if maps is not None else None
            if pair is not None:
                pairs.append(pair)
        progress = await load_progress(connection, run_id)
    return RunResults(run, progress, items, showable, pairs, reference, datetime.now(UTC))


async def _redacted_pair(connection: Connection, session_id: UUID, maps: MapsOfItem) -> DrawnPair | None:
    """The maps without secrets; None for a session with private pages."""
    _, pages = await load_pages(connection, session_id, maps.user_id)
    if has_private_page(pages):
        return None
    texts = [text for page in pages for text in (page.url, page.title, page.text, *page.highlights)]

    def redacted() -> tuple[MindmapDocument, MindmapDocument, list[Change]]:
        redactor = TextRedactor(texts, maps.email)
        before = redacted_document(MindmapDocument.from_json(maps.before), redactor)
        after = redacted_document(MindmapDocument.from_json(maps.after), redactor)
        return before, after, diff_documents(before, after)

    return DrawnPair(session_id, *await asyncio.to_thread(redacted))


def _scores_of_dataset(directory: Path) -> dict[str, list[float]]:
    """By score, the known values in a dataset. Raises BadRequest when it cannot be read."""
    load_manifest(directory)
    values: dict[str, list[float]] = {}
    for row in read_parquet(directory / "maps.parquet"):
        for score, value in row["scorecard"].items():
            if value is not None:
                values.setdefault(score, []).append(value)
    return values


# --- files -----------------------------------------------------------------------------------------------------------


def write_files(directory: Path, results: RunResults, options: ReportOptions, origin: str) -> int:
    """Write all files into an empty directory; return the size of the HTML file in bytes."""
    html = _html(results, options, origin).encode()
    (directory / "report.html").write_bytes(html)
    (directory / "run.json").write_text(json.dumps(_run_json(results), indent=2, default=str) + "\n", "utf-8")
    with ParquetWriter(directory, {"maps": COLUMNS}) as writer:
        for start in range(0, len(results.items), _PAGE):
            rows = results.items[start : start + _PAGE]
            writer.add("maps", [parquet_row(row, is_showable=row["session_id"] in results.showable) for row in rows])
        writer.write("maps")
    return len(html)


def _run_json(results: RunResults) -> dict[str, Any]:
    run, progress = results.run, results.progress
    return {
        "run": run.id,
        "status": run.status,
        "reason": run.reason,
        "created_at": run.created_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
        "as_of": results.as_of.isoformat(),
        "parameters": dict(_parameters(run.parameters)),
        "tokens": progress.tokens,
        "cost_micros": progress.cost_micros,
        "num_maps": progress.total,
        "num_changes": dict(num_changes(results.items)),
        "scores": {
            figures.score: {
                "num_maps": len(figures.before),
                "mean_before": mean(figures.before),
                "mean_after": mean(figures.after),
                "num_better": figures.num_better,
                "num_worse": figures.num_worse,
            }
            for figures in score_figures(results.items)
        },
    }


def _parameters(parameters: RunParameters) -> list[tuple[str, str]]:
    """The parameters that are set, by name. Addresses and ids of sessions are counted, not named."""
    values = parameters.to_json()
    selection = values["selection"]
    for name in ("emails", "session_ids"):
        selection[name] = len(selection[name]) or None
    flat: list[tuple[str, str]] = []
    for name, value in values.items():
        parts = value.items() if isinstance(value, dict) else [("", value)]
        flat += [
            (f"{name}.{part}" if part else name, json.dumps(each, ensure_ascii=False))
            for part, each in parts
            if each is not None
        ]
    return flat


# --- HTML ------------------------------------------------------------------------------------------------------------


@functools.cache
def _template() -> Template:
    # On first use: only a report needs it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=False
    )
    return environment.get_template("run_report.html.j2")


def _html(results: RunResults, options: ReportOptions, origin: str) -> str:
    style = (_FOLDER / "run_report.css").read_text("utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = _Page(results, options.language, origin)
    return _template().render(
        language=options.language,
        t=page.words,
        csp=f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'",
        style=style,
        run=results.run,
        as_of=f"{results.as_of:%Y-%m-%d %H:%M}",
        sections=_SECTIONS,
        cards=page.cards(),
        num_processed=results.progress.processed,
        parameters=_parameters(results.run.parameters),
        scores=[page.score(figures) for figures in score_figures(results.items)],
        changes_chart=page.changes_chart(),
        expensive=page.expensive_rows(),
        slowest=page.slowest_rows(),
        worst=page.worst_rows(),
        pictures=[page.picture(pair) for pair in results.pairs],
        pictures_hint=page.pictures_hint(options.pictures),
        items=page.item_rows(),
        items_note=page.items_note(),
    )


class _Page:
    """The parts of the page, as the template shows them: texts, links as {href, text}, lists of texts."""

    def __init__(self, results: RunResults, language: Language, origin: str) -> None:
        self._results, self._language, self._origin = results, language, origin
        self.words = WORDS[language]
        self._items: list[Item] = worst_first(results.items)

    def cards(self) -> list[tuple[str, str]]:
        t, run, progress = self.words, self._results.run, self._results.progress
        times = [item["took_ms"] for item in self._items if item["took_ms"] is not None and item["version"] is not None]
        statuses = [
            (t[f"item_{name}"], f"{number:,}")
            for name in ("waiting", "running", "done", "unchanged", "superseded", "failed", "promoted", "rolled_back")
            if (number := getattr(progress, name))
        ]
        num_edits = sum(item["num_edits"] for item in self._items)
        return [
            (t["status"], t[f"run_{run.status}"]),
            (t["maps"], f"{progress.total:,}"),
            *statuses,
            (t["tokens"], _of(f"{progress.tokens:,}", f"{run.token_budget:,}" if run.token_budget else None)),
            (
                t["cost"],
                _of(
                    _dollars(progress.cost_micros), _dollars(run.cost_budget_micros) if run.cost_budget_micros else None
                ),
            ),
            (t["median_time"], self._seconds(quantile(times, 0.5))),
            (t["p95_time"], self._seconds(quantile(times, 0.95))),
            (t["edits_lost"], t["edits_kept"].format(lost=progress.edits_lost, total=num_edits)),
            (t["created"], f"{run.created_at.astimezone(UTC):%Y-%m-%d %H:%M}"),
            (t["finished"], f"{run.finished_at.astimezone(UTC):%Y-%m-%d %H:%M}" if run.finished_at else "–"),
        ]

    def score(self, figures: ScoreFigures) -> dict[str, Any]:
        t, name = self.words, self.words[f"score_{figures.score}"]
        reference = self._results.reference.get(figures.score, [])
        columns: list[tuple[str, Sequence[float]]] = [(t["before"], figures.before), (t["after"], figures.after)]
        if reference:
            columns.append((t["dataset"], reference))
        rows = [
            [t[label], *(_score(compute(values)) for _, values in columns)]
            for label, compute in (
                ("mean", mean),
                ("p10", functools.partial(quantile, share=0.1)),
                ("median", functools.partial(quantile, share=0.5)),
                ("p90", functools.partial(quantile, share=0.9)),
            )
        ]
        num_same = len(figures.before) - figures.num_better - figures.num_worse
        rows += [
            [t[label], "", f"{number:,}", *([""] if reference else [])]
            for label, number in (("better", figures.num_better), ("same", num_same), ("worse", figures.num_worse))
        ]
        chart = score_chart(
            f"{name}: {t['before']}, {t['after']}",
            figures.before,
            figures.after,
            reference,
            (t["before"], t["after"], t["dataset"]),
        )
        return {
            "name": name,
            "columns": [t["figure"], *(column for column, _ in columns)],
            "rows": rows,
            "chart": chart if figures.before else "",
        }

    def changes_chart(self) -> str:
        changes = num_changes(self._results.items).most_common()
        rows = [(self._kind(kind), float(number), f"{number:,}") for kind, number in changes]
        return bar_chart(self.words["changes"], rows) if rows else ""

    def expensive_rows(self) -> list[list[Any]]:
        rows = most(self._items, lambda item: item["cost_micros"], _NUM_LISTED)
        return [
            [self._link(item), _dollars(item["cost_micros"]), f"{item['tokens']:,}", str(item["num_pages"])]
            for item in rows
        ]

    def slowest_rows(self) -> list[list[Any]]:
        rows = most(self._items, lambda item: item["took_ms"], _NUM_LISTED)
        return [
            [self._link(item), self._seconds(item["took_ms"]), str(item["num_pages"]), self._status(item)]
            for item in rows
        ]

    def worst_rows(self) -> list[list[Any]]:
        failed = [item for item in self._items if item["status"] == "failed"]
        fallen = [item for item in self._items if (change := worst_change(item)) is not None and change[1] < 0]
        return [
            [self._link(item), self._status(item), *self._worst_score(item), self._edits(item), item["error"] or ""]
            for item in (*failed[:_NUM_LISTED], *fallen[:_NUM_LISTED])
        ]

    def _worst_score(self, item: Item) -> list[str]:
        change = worst_change(item)
        if change is None:
            return ["–"] * 4
        score = change[0]
        before, after = item["scorecard_before"].get(score), item["scorecard_after"].get(score)
        return [self.words[f"score_{score}"], _score(before), _score(after), f"{change[1]:+.3f}"]

    def item_rows(self) -> list[list[Any]]:
        rows = []
        for item in self._items[:MAX_ROWS]:
            change = worst_change(item)
            rows.append(
                [
                    self._link(item),
                    self._status(item),
                    str(item["num_pages"]),
                    self._seconds(item["took_ms"]),
                    _dollars(item["cost_micros"]) if item["cost_micros"] else "–",
                    self.words[f"score_{change[0]}"] if change else "–",
                    f"{change[1]:+.3f}" if change else "–",
                    [f"{self._kind(kind)}: {number}" for kind, number in sorted(item["changes"].items())],
                    self._edits(item),
                    item["error"] or "",
                ]
            )
        return rows

    def items_note(self) -> str:
        total = len(self._items)
        return self.words["all_maps_more"].format(shown=MAX_ROWS, total=total) if total > MAX_ROWS else ""

    def pictures_hint(self, pictures: Pictures) -> str:
        if pictures == "none":
            return self.words["pictures_off"]
        if not self._results.pairs:
            return self.words["no_pictures"]
        return self.words["pictures_all" if pictures == "all" else "pictures_hint"]

    def picture(self, pair: DrawnPair) -> dict[str, Any]:
        changes = [self._sentence(change, pair) for change in pair.changes]
        if len(changes) > _MAX_CHANGES:
            more = self.words["more_changes"].format(number=len(changes) - _MAX_CHANGES)
            changes = [*changes[:_MAX_CHANGES], more]
        return {
            "href": f"{self._origin}/sessions/{pair.session_id}",
            "session": str(pair.session_id),
            "sides": [
                {
                    "light": _picture(document, "light"),
                    "dark": _picture(document, "dark"),
                    "alt": f"{self.words[name]}: {', '.join(n.label for n in document.nodes if n.type == 'topic')}",
                    "caption": f"{self.words[name]}: {document.title}",
                }
                for name, document in (("before", pair.before), ("after", pair.after))
            ],
            "changes": changes,
        }

    def _sentence(self, change: Change, pair: DrawnPair) -> str:
        """The change in the language of the report; the sentences of the diff are English."""
        if self._language == "en":
            return f"{change.sentence} {change.why}".strip()
        labels = []
        for node_id in change.node_ids:
            nodes = [node.label for document in (pair.before, pair.after) if (node := document.node(node_id))]
            labels.append(" → ".join(f"“{label}”" for label in dict.fromkeys(nodes)))
        return f"{self._kind(change.kind)}: {', '.join(labels)}" if any(labels) else self._kind(change.kind)

    def _kind(self, kind: str) -> str:
        return self.words.get(f"kind_{kind}", kind)

    def _link(self, item: Item) -> dict[str, str]:
        return {"href": f"{self._origin}/sessions/{item['session_id']}", "text": str(item["session_id"])[:8]}

    def _status(self, item: Item) -> str:
        return self.words[f"item_{item['status']}"]

    def _edits(self, item: Item) -> str:
        if not item["num_edits"]:
            return "–"
        return self.words["edits_kept"].format(lost=item["num_edits_lost"], total=item["num_edits"])

    def _seconds(self, ms: float | None) -> str:
        return "–" if ms is None else f"{ms / 1e3:,.2f} {self.words['seconds']}"


def _picture(document: MindmapDocument, theme: ThemeName) -> str:
    """The map as an image in the page. As an image it can neither run anything nor load anything."""
    return "data:image/svg+xml;base64," + base64.b64encode(to_svg(document, "radial", theme).encode()).decode()


def _of(value: str, limit: str | None) -> str:
    return f"{value} / {limit}" if limit else value


def _dollars(micros: int) -> str:
    return f"${micros / 1e6:,.4f}"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
