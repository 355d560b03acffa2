"""Score the local provider's maps on synthetic sessions made from folders of documents, one folder per subject.

    python benchmarks/eval_synthetic.py --sessions 40 DIR [DIR ...]

Each folder holds HTML, XHTML or text files about one subject, such as an unpacked documentation package. Sessions of 2
to 5 subjects are generated from a fixed seed: the subject changes with probability 22 % after each page, 10 % of pages
are revisited, dwell times are log-normal, key pages have highlights, and subjects have a host of their own, several
hosts, or one common host. Prints one JSON object of mean scores: as read, with shuffled reading order, and with all
pages on one host (the last two show how much depends on the words alone).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cluster.mindmap.clustering.stability import adjusted_rand_index
from cluster.mindmap.evaluation.quality import v_measure
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.pages.features import PageFeatures, page_features
from models.recording.pages import CapturedPage
from models.urls import page_id

_BLOCKS = frozenset("p div li h1 h2 h3 h4 h5 dt dd td th tr pre br table ul ol section title".split())  # noqa: SIM905
_HOSTS = [
    f"{name}.example.{end}" for name in ("blog", "wiki", "forum", "notes", "learn", "qna") for end in ("org", "net")
]


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title, self.parts = "", [""]
        self._hidden, self._in_title = 0, False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden += tag in ("script", "style")
        self._in_title = self._in_title or tag == "title"
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in ("script", "style")))
        self._in_title = self._in_title and tag != "title"
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif not self._hidden:
            self.parts.append(data)


def documents(folder: Path, min_chars: int = 250) -> list[tuple[str, str]]:
    """(title, text) of the files of a folder with at least `min_chars` characters, in order of their names."""
    texts = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".html", ".htm", ".xhtml", ".txt", ".md") or not path.is_file():
            continue
        raw = path.read_text("utf-8", "ignore")
        parser = _Text()
        if path.suffix.lower() in (".txt", ".md"):
            parser.title, parser.parts = raw.strip().split("\n", 1)[0][:120], [raw]
        else:
            parser.feed(raw)
        lines = (re.sub(r"\s+", " ", line).strip() for line in "".join(parser.parts).split("\n"))
        text = "\n".join(line for line in lines if line)[:9000]
        title = re.sub(r"\s+", " ", parser.title).strip()
        if title and len(text) >= min_chars:
            texts.append((title, text))
    return texts


_Document = tuple[str, str, str]  # URL, title, text.


def session(subjects: dict[str, list[tuple[str, str]]], seed: int) -> tuple[list[CapturedPage], dict[str, str]]:
    """The pages of one synthetic session, and the subject of each page id."""
    rng = random.Random(seed)
    chosen = rng.sample(sorted(subjects), min(len(subjects), rng.choice([2, 2, 3, 3, 4, 5])))
    hub = rng.choice(_HOSTS) if rng.random() < 0.2 else None
    size, max_chars = rng.choice([5, 8, 10, 12, 18]), rng.choice([1500, 3000, 3500])
    unread: dict[str, list[_Document]] = {}
    for name in chosen:
        is_scattered = rng.random() < 0.4
        picked = rng.sample(subjects[name], min(len(subjects[name]), max(4, int(size * rng.uniform(0.7, 1.3)))))
        unread[name] = [
            (
                f"https://{hub or (rng.choice(_HOSTS) if is_scattered else name + '.example')}/{seed}/{name[:3]}{i}",
                title,
                text,
            )
            for i, (title, text) in enumerate(picked)
        ]
    return _read(_visit_sequence(unread, rng), max_chars, rng)


def _visit_sequence(unread: dict[str, list[_Document]], rng: random.Random) -> list[tuple[str, _Document]]:
    """(subject, document) of every visit: 78 % stay with the subject, 10 % return to an earlier page."""
    visits: list[tuple[str, _Document]] = []
    subject = rng.choice(list(unread))
    while any(unread.values()):
        if not unread[subject] or rng.random() > 0.78:
            subject = rng.choice([name for name in unread if unread[name]])
        visits.append((subject, unread[subject].pop()))
        if rng.random() < 0.1:
            visits.append(rng.choice(visits))
    return visits


def _read(
    visits: Sequence[tuple[str, _Document]], max_chars: int, rng: random.Random
) -> tuple[list[CapturedPage], dict[str, str]]:
    """The captured pages of the visits, with dwell times and highlights, and the subject of each page id."""
    pages: dict[str, CapturedPage] = {}
    subject_of: dict[str, str] = {}
    now_ms = 1_760_000_000_000
    for order, (subject, (url, title, text)) in enumerate(visits):
        is_key = rng.random() < 0.15
        dwell_ms = int(rng.lognormvariate(12 if is_key else 9.5, 0.7))
        page = pages.get(url) or CapturedPage(page_id(url), url, title, text[:max_chars], max_scroll_depth=0.5)
        highlights = rng.sample(re.split(r"(?<=[.!?다])\s", text[:max_chars]), 1) if is_key else []
        pages[url] = replace(
            page,
            dwell_ms=page.dwell_ms + dwell_ms,
            highlights=(*page.highlights, *(part for part in highlights if 30 < len(part) < 300)),
            visited_at_ms=(*page.visited_at_ms, now_ms),
            visit_order=(*page.visit_order, order),
        )
        subject_of[page.page_id] = subject
        now_ms += dwell_ms
    return list(pages.values()), subject_of


def scores(features: Sequence[PageFeatures], subject_of: dict[str, str]) -> tuple[float, float, int]:
    """ARI, V-measure and the error of the number of topics; an excluded page counts as a topic of its own."""
    outline = build_outline(features)
    topic_of = {page: topic.id for topic in outline.topics for page in topic.all_page_ids()}
    ids = sorted(subject_of)
    expected, actual = [subject_of[i] for i in ids], [topic_of.get(i, i) for i in ids]
    topic_count_error = abs(len(outline.topics) - len(set(expected)))
    return adjusted_rand_index(expected, actual), v_measure(expected, actual), topic_count_error


def shuffled(features: Sequence[PageFeatures], seed: int) -> list[PageFeatures]:
    """The same pages, each visited once, in random order."""
    order = list(range(len(features)))
    random.Random(seed).shuffle(order)
    return [replace(f, visit_order=(i,), visited_at_ms=(i * 60_000,)) for f, i in zip(features, order, strict=True)]


def main() -> None:
    """Generate the sessions, score them, and print the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("folders", type=Path, nargs="+")
    arguments = parser.parse_args()
    subjects = {folder.name: documents(folder) for folder in arguments.folders}
    subjects = {name: texts for name, texts in subjects.items() if len(texts) >= 8}
    if len(subjects) < 2:
        parser.error("at least two folders with eight documents each are needed")
    rows: dict[str, list[tuple[float, float, int]]] = {"as_read": [], "order_shuffled": [], "one_host": []}
    for number in range(arguments.sessions):
        pages, subject_of = session(subjects, arguments.seed + number)
        features = [page_features(page) for page in pages]
        rows["as_read"].append(scores(features, subject_of))
        rows["order_shuffled"].append(scores(shuffled(features, number), subject_of))
        rows["one_host"].append(scores([replace(f, host="one.example", folders=()) for f in features], subject_of))
    report: dict[str, object] = {
        "sessions": arguments.sessions,
        "subjects": {n: len(d) for n, d in sorted(subjects.items())},
    }
    for name, results in rows.items():
        ari, v, error = (round(sum(row[i] for row in results) / len(results), 4) for i in range(3))
        report[name] = {"ari": ari, "v_measure": v, "topic_count_error": error}
    print(json.dumps(report, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
