"""The commands `trailmind map` and `trailmind eval`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cluster.mindmap.clustering.stability import adjusted_rand_index
from cluster.mindmap.evaluation.quality import v_measure
from launch.cli.maps import eval_command, map_command
from launch.samples import sample_events, sample_names
from models.mindmap.document import MindmapDocument

APP = typer.Typer()
APP.command("map")(map_command)
APP.command("eval")(eval_command)
RUN = CliRunner()


@pytest.fixture
def session_file(tmp_path: Path) -> Path:
    path = tmp_path / "evening.events.json"
    path.write_bytes(sample_events("01-money-and-stars").read_bytes())
    return path


def test_map_prints_a_tree(session_file: Path) -> None:
    result = RUN.invoke(APP, ["map", str(session_file)])
    assert result.exit_code == 0
    assert "├─ GnuCash" in result.output
    assert "Left out (2)" in result.output
    assert "“" in result.output


def test_the_suffix_of_the_output_selects_the_format(session_file: Path, tmp_path: Path) -> None:
    heads = {
        "map.svg": b"<svg",
        "map.png": b"\x89PNG",
        "map.json": b"{",
        "map.md": b"# ",
        "map.opml": b"<?xml",
        "map.mm": b"<map",
    }
    for name, head in heads.items():
        result = RUN.invoke(APP, ["map", str(session_file), "-o", str(tmp_path / name), "--title", "An evening"])
        assert result.exit_code == 0, result.output
        assert (tmp_path / name).read_bytes().startswith(head)
    document = MindmapDocument.from_json(json.loads((tmp_path / "map.json").read_bytes()))
    assert document.title == "An evening"


def test_invalid_session_files_are_reported_without_traceback(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    for content in ("not json", '{"a": 1}', "[" * 100_000):
        bad.write_text(content)
        result = RUN.invoke(APP, ["map", str(bad)])
        assert result.exit_code == 2
        assert "Traceback" not in result.output
    assert RUN.invoke(APP, ["map", str(tmp_path / "missing.json")]).exit_code == 2
    assert RUN.invoke(APP, ["map", str(bad), "--format", "gif"]).exit_code == 2


def test_invalid_events_are_skipped(tmp_path: Path) -> None:
    odd = tmp_path / "odd.json"
    visit = {
        "type": "page_visit",
        "timestamp": 1.7e12,
        "url": "https://a.example/",
        "title": "Bread",
        "content": "Flour and water",
    }
    odd.write_text(
        json.dumps([1, None, {"type": 3}, {"type": "page_visit"}, {"type": "scroll", "timestamp": "x"}, visit])
    )
    result = RUN.invoke(APP, ["map", str(odd)])
    assert result.exit_code == 0
    assert "Bread" in result.output


def _session(*times: object) -> str:
    events = [
        {
            "type": "page_visit",
            "timestamp": time,
            "url": f"https://a.example/{i}",
            "title": f"Page {i}",
            "content": "Flour",
        }
        for i, time in enumerate(times)
    ]
    return json.dumps({"events": events})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (_session("2026-02-02T02:40:00Z"), "as text"),
        (_session("1770000000000"), "as text"),
        (_session("yesterday"), "as text"),
        (_session(1_770_000_000), "in seconds"),
        (_session(1_770_000_000.25), "in seconds"),
        (_session(1_770_000_000_000_000), "in a smaller unit"),
        (_session(13_414_473_600_000_000), "in a smaller unit"),
        (_session(None), "no timestamp"),
        (_session(-5), "not in milliseconds"),
        (_session(True), "not in milliseconds"),
        (_session(1_770_000_000_000, "2026-02-02"), "entry 2, a page visit,"),
        ('[{"title": "Bread", "url": "https://a.example/", "time_usec": 1770000000000000}]', "none of the entries (1)"),
        ("[]", "none of its events (0) visits a page"),
        (
            '[{"type": "visit", "timestamp": 1770000000000, "url": "https://a.example/"}]',
            "none of its events (1) visits",
        ),
        ('[{"type": "page_visit", "timestamp": 1770000000000, "url": 7}]', "none of its events (1)"),
        ('[{"type": "scroll", "timestamp": 1770000000, "url": "https://a.example/"}]', "none of its events (1)"),
    ],
)
def test_a_file_without_readable_visits_is_refused_in_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "odd.json"
    file.write_text(content)
    result = RUN.invoke(APP, ["map", str(file)])
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.replace("│", " ").split())
    assert "Traceback" not in result.output


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_every_unicode_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "session.json"
    file.write_bytes(_session(1_770_000_000_000).encode(encoding))
    result = RUN.invoke(APP, ["map", str(file)])
    assert result.exit_code == 0
    assert "Page 0" in result.output


def test_eval_reports_every_sample_with_baselines() -> None:
    result = RUN.invoke(APP, ["eval", "--json"])
    assert result.exit_code == 0
    report = json.loads(result.output)
    assert [row["session"] for row in report["sessions"]] == sample_names()
    assert all(row["problems"] == 0 for row in report["sessions"])
    mean = report["mean"]
    assert mean["ari"] >= 0.916
    assert mean["ari"] > max(mean["baselines"].values())
    assert mean["labels_ok"] == 1.0
    assert mean["coverage"] == 1.0
    assert report["peak_rss_mb"] > 0


def test_scores_of_known_groupings() -> None:
    assert adjusted_rand_index([0, 0, 1, 1], ["a", "a", "b", "b"]) == 1.0
    assert adjusted_rand_index([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(-0.5)
    assert v_measure([0, 0, 1, 1], [5, 5, 7, 7]) == 1.0
    assert v_measure([0, 0, 1, 1], [0, 0, 0, 0]) == 0.0
    assert v_measure([0, 0, 1, 1], [0, 1, 2, 3]) == pytest.approx(2 / 3)
