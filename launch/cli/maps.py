"""`trailmind map FILE` and `trailmind eval`: maps without a server, and scores of their quality.

The map pipeline is imported on call: its imports take longer than a second on a busy machine, and `trailmind up` prints
its first line within a second.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from launch.cli.datasets import print_evaluation
from launch.samples import language_sessions, sample_events, sample_names, sample_truth

if TYPE_CHECKING:
    from cluster.mindmap.evaluation.language_sessions import LanguageSession
    from models.mindmap.document import MindmapDocument
    from models.recording.pages import CapturedPage


class _Readable(Protocol):
    """A file: a path, or a resource of a package."""

    def read_bytes(self) -> bytes: ...


Format = Literal["tree", "json", "svg", "png", "markdown", "opml", "freemind"]
_FORMAT_BY_SUFFIX: dict[str, Format] = {
    ".svg": "svg",
    ".png": "png",
    ".json": "json",
    ".md": "markdown",
    ".opml": "opml",
    ".mm": "freemind",
    ".txt": "tree",
}
_AVERAGED_SCORES = (
    "ari", "v_measure", "topics_recalled", "subtopic_v", "label_hits", "labels_ok", "importance", "coverage",
)  # fmt: skip
_TABLE_COLUMNS = (
    "session", "pages", "ARI", "V", "topics", "sub-V", "label hits", "labels ok", "importance", "coverage", "s", "MB",
    "host", "30-min gap", "k-means*",
)  # fmt: skip


def map_command(
    file: Annotated[
        Path, typer.Argument(help="A list of events as the extension sends them; '-' reads standard input.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file; its suffix selects the format.")
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", "-f", help="tree, json, svg, png, markdown, opml or freemind.")
    ] = None,
    layout: Annotated[str, typer.Option(help="galaxy, tree or radial (images only).")] = "radial",
    theme: Annotated[str, typer.Option(help="light or dark (images only).")] = "light",
    title: Annotated[str | None, typer.Option(help="The session's title; generated from its pages if missing.")] = None,
) -> None:
    """Write the map of a session file, without a server, an API key or network access."""
    from cluster.mindmap.build import build_map

    chosen = format or (_FORMAT_BY_SUFFIX.get(output.suffix.lower()) if output else None) or "tree"
    if chosen not in set(_FORMAT_BY_SUFFIX.values()):
        raise typer.BadParameter(f"unknown format {chosen!r}", param_hint="--format")
    if layout not in ("galaxy", "tree", "radial"):
        raise typer.BadParameter("must be galaxy, tree or radial", param_hint="--layout")
    if theme not in ("light", "dark"):
        raise typer.BadParameter("must be light or dark", param_hint="--theme")
    if chosen == "png" and output is None and sys.stdout.isatty():
        raise typer.BadParameter("a terminal cannot show a PNG: use --output", param_hint="--format")
    document = build_map(_read_pages(file), title=title)
    data = _render(document, chosen, layout, theme)
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    else:
        output.write_bytes(data)


def _read_pages(file: Path) -> list[CapturedPage]:
    """The pages of a session file. Raises `typer.BadParameter` if it has none, cannot be read, or is no event batch."""
    from cluster.mindmap.evaluation.session_file import InvalidSessionFile, pages_from_events, parse_events

    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        events = parse_events(raw)
        pages = pages_from_events(events)
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror or error}", param_hint="FILE") from error
    except InvalidSessionFile as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="FILE") from error
    if not pages:
        message = f'none of its events ({len(events)}) visits a page: an event of type "page_visit" with a "url"'
        raise typer.BadParameter(f"{file}: {message}", param_hint="FILE")
    return pages


def _render(document: MindmapDocument, output_format: str, layout: str, theme: str) -> bytes:
    from cluster.mindmap.render.exports import to_freemind, to_markdown, to_opml
    from cluster.mindmap.render.images import to_svg
    from cluster.mindmap.render.png import missing_scripts, to_png
    from cluster.mindmap.render.tree_text import to_tree_text

    if output_format in ("svg", "png"):
        svg = to_svg(document, layout, theme)  # type: ignore[arg-type]  # Checked by the caller.
        if output_format == "svg":
            return svg.encode()
        missing = missing_scripts(svg)
        if missing:
            typer.echo(f"No font for {', '.join(missing)}: install fonts-noto-core and fonts-noto-cjk.", err=True)
        return to_png(svg)
    if output_format == "json":
        return json.dumps(document.to_json(), ensure_ascii=False, indent=2).encode() + b"\n"
    write = {"tree": to_tree_text, "markdown": to_markdown, "opml": to_opml, "freemind": to_freemind}[output_format]
    return write(document).encode() + b"\n"


def eval_command(
    sessions: Annotated[
        list[Path] | None,
        typer.Argument(help="NAME.events.json files with a NAME.truth.json beside each; default: the bundled samples."),
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="Compare with the maps of this dataset instead (`trailmind datasets export`).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Score the local provider's maps of sessions with known topics, beside simple baselines."""
    if dataset is not None:
        if sessions:
            raise typer.BadParameter("give session files or a dataset, not both", param_hint="--dataset")
        print_evaluation(dataset, as_json=as_json)
        return
    report = evaluate(sessions or [])
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
        return
    # A pipe has no width of its own, and the table needs 130 columns.
    console = Console()
    Console(width=max(130, console.width)).print(_quality_table(report))
    if report["languages"]:
        Console(width=max(130, console.width)).print(_language_table(report["languages"]))
    mean = report["mean"]
    baselines = ", ".join(f"{name} {value:.3f}" for name, value in mean["baselines"].items())
    sys.stdout.write(
        f"mean ARI {mean['ari']:.3f}, V-measure {mean['v_measure']:.3f}; baselines' ARI: {baselines}\n"
        f"peak memory {report['peak_rss_mb']:.0f} MB\n"
    )


def evaluate(files: list[Path]) -> dict[str, Any]:
    """The quality report: one entry per session, the means over all sessions, and the peak memory in MB.

    Evaluates the bundled samples if `files` is empty. Raises `typer.BadParameter` for a file that cannot be read.
    """
    inputs: list[tuple[str, _Readable, _Readable]]
    if files:
        inputs = [(f.name.removesuffix(".events.json"), f, _truth_path(f)) for f in files]
    else:
        inputs = [(name, sample_events(name), sample_truth(name)) for name in sample_names()]
    rows = [_evaluate_session(name, events, truth) for name, events, truth in inputs]
    means: dict[str, Any] = {}
    languages = [] if files else [_evaluate_language(session) for session in _language_sessions()]
    for score in _AVERAGED_SCORES:
        values = [row[score] for row in rows if row[score] is not None]
        means[score] = round(sum(values) / len(values), 4) if values else None
    means["topic_count_error"] = round(sum(abs(r["topics"] - r["true_topics"]) for r in rows) / len(rows), 4)
    means["baselines"] = {
        name: round(sum(row["baselines"][name] for row in rows) / len(rows), 4) for name in rows[0]["baselines"]
    }
    return {"sessions": rows, "mean": means, "languages": languages, "peak_rss_mb": _peak_rss_mb()}


def _truth_path(events: Path) -> Path:
    return events.with_name(events.name.replace(".events.", ".truth."))


def _evaluate_session(name: str, events: _Readable, truth_file: _Readable) -> dict[str, Any]:
    from cluster.mindmap.document.compose import compose_document
    from cluster.mindmap.evaluation.quality import GroundTruth, baseline_scores, score_map
    from cluster.mindmap.evaluation.session_file import pages_from_events, parse_events
    from cluster.mindmap.outline.pipeline import build_outline
    from cluster.mindmap.pages.features import page_features
    from cluster.mindmap.text.meaning import sentence_encoder
    from models.mindmap.validation import validate_document

    try:
        pages = pages_from_events(parse_events(events.read_bytes()))
        truth = GroundTruth.from_json(json.loads(truth_file.read_bytes()))
    except (OSError, ValueError, KeyError) as error:
        raise typer.BadParameter(f"{name}: {error}", param_hint="SESSIONS") from error
    started_at = time.perf_counter()
    encoder = sentence_encoder()
    features = [page_features(page, encoder) for page in pages]
    document = compose_document(build_outline(features, encoder=encoder), pages, provider="local", session_title=None)
    seconds = time.perf_counter() - started_at
    return {
        "session": name,
        "pages": len(pages),
        **asdict(score_map(document, {page.page_id: page.url for page in pages}, truth)),
        "labels": [node.label for node in document.nodes if node.type == "topic"],
        "problems": len(validate_document(document, pages)),
        "scorecard": document.scorecard.model_dump(mode="json"),
        "seconds": round(seconds, 3),
        "peak_rss_mb": _peak_rss_mb(),
        "baselines": baseline_scores(features, truth),
    }


def _language_sessions() -> list[LanguageSession]:
    from cluster.mindmap.evaluation.language_sessions import parse_language_sessions

    return parse_language_sessions(language_sessions().read_text("utf-8"))


def _evaluate_language(session: LanguageSession) -> dict[str, Any]:
    """The scores of the map of one session in one language."""
    from cluster.mindmap.build import build_map
    from cluster.mindmap.evaluation.quality import score_map
    from models.mindmap.validation import validate_document

    pages = session.pages
    document = build_map(pages)
    quality = score_map(document, {page.page_id: page.url for page in pages}, session.truth)
    return {
        "language": session.language,
        "pages": len(pages),
        "ari": quality.ari,
        "v_measure": quality.v_measure,
        "topics": quality.topics,
        "true_topics": quality.true_topics,
        "label_hits": quality.label_hits,
        "labels_ok": quality.labels_ok,
        "labels": [node.label for node in document.nodes if node.type == "topic"],
        "longest_quote": max((len(e.quote) for node in document.nodes for e in node.data.evidence), default=0),
        "problems": len(validate_document(document, pages)),
    }


def _peak_rss_mb() -> float:
    """The peak resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return round(peak, 1)


def _quality_table(report: dict[str, Any]) -> Table:
    table = Table(title="Local maps against known topics")
    for column in _TABLE_COLUMNS:
        table.add_column(column, justify="left" if column == "session" else "right")
    for row in report["sessions"]:
        table.add_row(
            row["session"],
            str(row["pages"]),
            *(_format_score(row[name]) for name in ("ari", "v_measure")),
            f"{row['topics']}/{row['true_topics']}",
            *(_format_score(row[name]) for name in ("subtopic_v", "label_hits", "labels_ok", "importance", "coverage")),
            f"{row['seconds']:.2f}",
            f"{row['peak_rss_mb']:.0f}",
            *(_format_score(row["baselines"][name]) for name in ("host", "gap_30_min", "tfidf_kmeans")),
        )
    table.caption = "* with the true number of topics"
    return table


def _language_table(languages: Sequence[dict[str, Any]]) -> Table:
    table = Table(title="The same short session in many languages")
    for column in ("language", "pages", "ARI", "topics", "label hits", "labels ok", "longest quote", "labels"):
        table.add_column(column)
    for row in languages:
        table.add_row(
            row["language"],
            str(row["pages"]),
            _format_score(row["ari"]),
            f"{row['topics']}/{row['true_topics']}",
            *(_format_score(row[name]) for name in ("label_hits", "labels_ok")),
            str(row["longest_quote"]),
            escape(", ".join(row["labels"])),
        )
    return table


def _format_score(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
