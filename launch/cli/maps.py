"""`trailmind map FILE` and `trailmind eval`: maps without a server, and how good they are."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from cluster.mindmap.build import build_map
from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.evaluation.quality import GroundTruth, baseline_scores, score_map
from cluster.mindmap.evaluation.session_file import InvalidSessionFile, pages_from_events, parse_events
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.pages.features import page_features
from cluster.mindmap.render.exports import to_freemind, to_markdown, to_opml
from cluster.mindmap.render.images import to_png, to_svg
from cluster.mindmap.render.tree_text import to_tree_text
from launch.samples import sample_events, sample_names, sample_truth
from models.mindmap.validation import validate_document

Format = Literal["tree", "json", "svg", "png", "markdown", "opml", "freemind"]
_BY_SUFFIX: dict[str, Format] = {
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
    file: Annotated[Path, typer.Argument(help="A list of events as the extension sends them ('-': standard input).")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write there; the ending chooses the format.")
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", "-f", help="tree, json, svg, png, markdown, opml, freemind.")
    ] = None,
    layout: Annotated[str, typer.Option(help="galaxy, tree or radial (pictures only).")] = "radial",
    theme: Annotated[str, typer.Option(help="light or dark (pictures only).")] = "light",
    title: Annotated[str | None, typer.Option(help="The session's title, instead of one found in its pages.")] = None,
) -> None:
    """Draw the map of a session file: no server, no key, no network."""
    chosen = format or (_BY_SUFFIX.get(output.suffix.lower()) if output else None) or "tree"
    if chosen not in set(_BY_SUFFIX.values()):
        raise typer.BadParameter(f"unknown format {chosen!r}", param_hint="--format")
    if layout not in ("galaxy", "tree", "radial"):
        raise typer.BadParameter("one of galaxy, tree, radial", param_hint="--layout")
    if theme not in ("light", "dark"):
        raise typer.BadParameter("one of light, dark", param_hint="--theme")
    if chosen == "png" and output is None and sys.stdout.isatty():
        raise typer.BadParameter("a PNG does not belong on a terminal: give --output", param_hint="--format")
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        pages = pages_from_events(parse_events(raw))
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror or error}", param_hint="FILE") from error
    except InvalidSessionFile as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="FILE") from error
    document = build_map(pages, title=title)
    if chosen in ("svg", "png"):
        svg = to_svg(document, layout, theme)  # type: ignore[arg-type]
        data = to_png(svg) if chosen == "png" else svg.encode()
    elif chosen == "json":
        data = json.dumps(document.to_json(), ensure_ascii=False, indent=2).encode() + b"\n"
    else:
        writer = {"tree": to_tree_text, "markdown": to_markdown, "opml": to_opml, "freemind": to_freemind}[chosen]
        data = writer(document).encode() + b"\n"
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    else:
        output.write_bytes(data)


def eval_command(
    sessions: Annotated[
        list[Path] | None,
        typer.Argument(help="NAME.events.json files with a NAME.truth.json beside each; default: the bundled samples."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Score the local maps of sessions with known topics, beside simple baselines."""
    report = evaluate(sessions or [])
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
        return
    # A pipe has no width of its own: the table needs its 130 columns.
    console = Console()
    Console(width=max(130, console.width)).print(_quality_table(report))
    mean = report["mean"]
    told = f"mean ARI {mean['ari']:.3f}, V-measure {mean['v_measure']:.3f}; baselines' ARI: "
    told += ", ".join(f"{name} {value:.3f}" for name, value in mean["baselines"].items())
    sys.stdout.write(f"{told}\npeak memory {report['peak_rss_mb']:.0f} MB\n")


def evaluate(files: list[Path]) -> dict[str, Any]:
    """The quality report: one entry per session, their means, and the process's peak memory in MB."""
    rows = []
    given: list[tuple[str, Any, Any]] = [(name, sample_events(name), sample_truth(name)) for name in sample_names()]
    if files:
        given = [
            (f.name.removesuffix(".events.json"), f, f.with_name(f.name.replace(".events.", ".truth."))) for f in files
        ]
    for name, events, known in given:
        try:
            pages = pages_from_events(parse_events(events.read_bytes()))
            truth = GroundTruth.from_json(json.loads(known.read_bytes()))
        except (OSError, ValueError, KeyError) as error:
            raise typer.BadParameter(f"{name}: {error}", param_hint="SESSIONS") from error
        began = time.perf_counter()
        features = [page_features(page) for page in pages]
        document = compose_document(build_outline(features), pages, provider="local", session_title=None)
        seconds = time.perf_counter() - began
        quality = score_map(document, {page.page_id: page.url for page in pages}, truth)
        rows.append(
            {
                "session": name,
                "pages": len(pages),
                **asdict(quality),
                "labels": [node.label for node in document.nodes if node.type == "topic"],
                "problems": len(validate_document(document, pages)),
                "scorecard": document.scorecard.model_dump(mode="json"),
                "seconds": round(seconds, 3),
                "peak_rss_mb": _peak_rss_mb(),
                "baselines": baseline_scores(features, truth),
            }
        )
    means: dict[str, Any] = {}
    for name in _AVERAGED_SCORES:
        values = [row[name] for row in rows if row[name] is not None]
        means[name] = round(sum(values) / len(values), 4) if values else None
    means["topic_count_error"] = round(sum(abs(r["topics"] - r["true_topics"]) for r in rows) / len(rows), 4)
    means["baselines"] = {
        name: round(sum(row["baselines"][name] for row in rows) / len(rows), 4) for name in rows[0]["baselines"]
    }
    return {"sessions": rows, "mean": means, "peak_rss_mb": _peak_rss_mb()}


def _peak_rss_mb() -> float:
    """The most memory the process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return round(peak, 1)


def _quality_table(report: dict[str, Any]) -> Table:
    table = Table(title="Local maps against known topics")
    for head in _TABLE_COLUMNS:
        table.add_column(head, justify="left" if head == "session" else "right")
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
    table.caption = "* told the true number of topics"
    return table


def _format_score(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
