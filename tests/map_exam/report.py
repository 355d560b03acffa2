"""Score the local provider's maps on the sessions of the map exam.

    python -m tests.map_exam.report [--part held_out] [--without-vectors] [--show single]

Prints means by flavour, beside those of a grouping by host, and the shares of labels, descriptions and connections that
pass the rubric. `make eval` runs it with and without vectors.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import correlation, fmean

from cluster.mindmap.build import build_map
from cluster.mindmap.clustering.stability import adjusted_rand_index
from cluster.mindmap.evaluation.quality import v_measure
from models.mindmap.document import MindmapDocument, Node
from models.urls import host_of
from tests.map_exam.growth import SMALL_SESSION, grown_sessions
from tests.map_exam.model_answers import AnsweredSession, answered_sessions
from tests.map_exam.rubric import (
    description_faults,
    is_grounded,
    is_plausible,
    label_faults,
    pages_below,
    quote_faults,
    topic_description_faults,
)
from tests.map_exam.sessions import DEVELOPMENT, FLAVOURS, HELD_OUT, PARTS, ExamSession, exam_sessions


@dataclass(slots=True)
class SessionScores:
    """What the exam says about one map."""

    session: ExamSession
    document: MindmapDocument
    ari: float
    v_measure: float
    num_topics: int
    num_subjects: int
    label_hits: list[bool]
    topic_faults: list[list[str]]
    subtopic_faults: list[list[str]]
    description_faults: list[list[str]]
    topic_description_faults: list[list[str]]
    grounded: list[bool]
    quote_faults: list[list[str]]
    chapters_found: list[bool] = field(default_factory=list)
    links_right: list[bool] = field(default_factory=list)
    related_found: list[bool] = field(default_factory=list)
    #: The ARI of the simplest grouping: by host.
    ari_by_host: float = 0.0


def score_session(session: ExamSession, *, with_vectors: bool = True) -> SessionScores:
    """The map of `session` by the local provider, and its scores."""
    return score_document(session, build_map(session.pages, with_meaning=with_vectors))


def score_document(session: ExamSession, document: MindmapDocument) -> SessionScores:
    """The scores of a map of `session`."""
    captured = {page.page_id: page for page in session.pages}
    topic_of_node = document.topic_of_pages()
    topic_of = {n.data.page_id: topic_of_node[n.id] for n in document.nodes if n.id in topic_of_node}
    ids = sorted(session.subject_of)
    expected = [session.subject_of[i] for i in ids]
    actual = [topic_of.get(i, i) for i in ids]
    topics = [node for node in document.nodes if node.type == "topic"]
    subtopics = [node for node in document.nodes if node.type == "subtopic"]
    hits = []
    for topic in topics:
        inside = Counter(session.subject_of[i] for i in ids if topic_of.get(i) == topic.id)
        words = {word for name in inside if inside[name] * 2 >= inside.total() for word in session.words_of[name]}
        hits.append(any(word in topic.label.lower() for word in words))
    return SessionScores(
        session,
        document,
        adjusted_rand_index(expected, actual),
        v_measure(expected, actual),
        len(topics),
        len(set(expected)),
        hits,
        [label_faults(node, document, session) for node in topics],
        [label_faults(node, document, session) for node in subtopics],
        [description_faults(n) for n in document.nodes if n.type == "page" and n.data.description],
        [topic_description_faults(node, document, session) for node in (*topics, *subtopics)],
        [is_grounded(node, captured) for node in (*topics, *subtopics)],
        [faults for node in (*topics, *subtopics) for faults in quote_faults(node)],
        _chapters_found(session, document),
        links_right=_links_right(session, document),
        related_found=_related_found(session, document),
        ari_by_host=adjusted_rand_index(expected, [host_of(captured[i].url) for i in ids]),
    )


def _chapters_found(session: ExamSession, document: MindmapDocument) -> list[bool]:
    """For each chapter of three pages or more, whether a sub-topic has most of its pages and hardly any others."""
    below = [
        {page.page_id for page in pages_below(n, document, session)} for n in document.nodes if n.type == "subtopic"
    ]
    found = []
    for chapter in sorted({(session.subject_of[i], name) for i, name in session.chapter_of.items() if name}):
        own = {i for i, name in session.chapter_of.items() if (session.subject_of[i], name) == chapter}
        if len(own) >= 3:
            found.append(any(2 * len(own & some) > len(own) and 3 * len(own & some) >= 2 * len(some) for some in below))
    return found


def _links_right(session: ExamSession, document: MindmapDocument) -> list[bool]:
    nodes = {node.id: node for node in document.nodes}
    ends = [(nodes[e.source], nodes[e.target]) for e in document.edges if e.kind == "cross"]
    return [
        is_plausible(_pages_of(source, document, session), _pages_of(target, document, session), session)
        for source, target in ends
    ]


def _related_found(session: ExamSession, document: MindmapDocument) -> list[bool]:
    """For each two subjects of which pages that were read are about the same thing, whether the map shows it.

    It does with a connection of two such pages or of topics above them, or with both in one topic.
    """
    nodes, topic_of = {node.id: node for node in document.nodes}, document.topic_of_pages()
    ends = [
        tuple(frozenset(_pages_of(nodes[end], document, session)) for end in (edge.source, edge.target))
        for edge in document.edges
        if edge.kind == "cross"
    ]
    found: dict[frozenset[str], bool] = {}
    for first, second in combinations(sorted(session.subject_of), 2):
        subjects = frozenset((session.subject_of[first], session.subject_of[second]))
        if len(subjects) == 2 and session.things(first) & session.things(second):
            is_shown = first in topic_of and topic_of.get(first) == topic_of.get(second)
            is_shown |= any((first in a and second in b) or (first in b and second in a) for a, b in ends)
            found[subjects] = found.get(subjects, False) or is_shown
    return list(found.values())


def _pages_of(node: Node, document: MindmapDocument, session: ExamSession) -> list[str]:
    return [node.id] if node.type == "page" else [page.page_id for page in pages_below(node, document, session)]


def report(part: str, flavours: Sequence[str] = (), *, with_vectors: bool = True) -> dict[str, object]:
    """Means by flavour and over all sessions of one part of the exam."""
    chosen = [flavour for flavour in FLAVOURS if not flavours or flavour.name in flavours]
    began = time.perf_counter()
    scores = [score_session(session, with_vectors=with_vectors) for session in exam_sessions(part, chosen)]
    made = dict.fromkeys(s.session.flavour for s in scores)
    by_flavour = {name: _means([s for s in scores if s.session.flavour == name]) for name in made}
    return {
        "part": part,
        "sessions": len(scores),
        "seconds": round(time.perf_counter() - began, 1),
        "flavours": by_flavour,
        "all": _means(scores),
        "stability_correlation": _stability_correlation(scores),
        "warnings": _warnings(scores),
        "topic_label_faults": _counts([f for s in scores for f in s.topic_faults]),
        "subtopic_label_faults": _counts([f for s in scores for f in s.subtopic_faults]),
        "description_faults": _counts([f for s in scores for f in s.description_faults]),
        "topic_description_faults": _counts([f for s in scores for f in s.topic_description_faults]),
        "quote_faults": _counts([f for s in scores for f in s.quote_faults]),
    }


#: What a model's answer must not lower.
MODEL_FIGURES = ("ari", "v", "topics_good", "subtopics_good", "descriptions_good", "grounded", "worst_grounding")


def model_report(part: str, *, with_vectors: bool = True) -> dict[str, dict[str, dict[str, float]]]:
    """By kind of recorded answers, the figures of the local maps, of the answers as they are, and of the maps shown."""
    found: dict[str, list[AnsweredSession]] = {}
    for answered in answered_sessions(part, with_vectors=with_vectors):
        found.setdefault(answered.kind, []).append(answered)
    return {
        kind: {
            name: _means([score_document(each.session, getattr(each, name)) for each in some])
            for name in ("local", "answered", "shown")
        }
        for kind, some in found.items()
    }


def growth_report(part: str) -> dict[str, dict[str, float]]:
    """How many labels change at a step of a growing session, and how good the last ones are; small sessions again.

    "without_gain" counts changes to a label that the rubric finds no better for the same pages.
    """
    grown = list(grown_sessions(part))
    small = [each for each in grown if len(each.session.pages) <= SMALL_SESSION]
    return {
        name: {
            "sessions": len(some),
            "changed": round(sum(each.num_changes for each in some) / max(1, sum(each.num_labels for each in some)), 3),
            "without_gain": round(
                sum(each.num_without_gain for each in some) / max(1, sum(each.num_labels for each in some)), 3
            ),
            "topics_good": _means([score_document(each.session, each.document) for each in some])["topics_good"],
        }
        for name, some in (("all", grown), ("small", small))
    }


def _print_model_report(part: str, result: dict[str, dict[str, dict[str, float]]]) -> None:
    sys.stdout.write(f"{part}, models: local map / answer as it is / map shown\n")
    sys.stdout.write(f"{'':12}" + "".join(f"{name[:20]:>22}" for name in MODEL_FIGURES) + "\n")
    for kind, figures in result.items():
        cells = (
            " / ".join(f"{figures[n][name]:.3f}" for n in ("local", "answered", "shown")) for name in MODEL_FIGURES
        )
        sys.stdout.write(f"{kind:12}" + "".join(f"{cell:>22}" for cell in cells) + "\n")


def _stability_correlation(scores: Sequence[SessionScores]) -> float | None:
    """Whether the scorecard's stability warns of wrong topics: its correlation with the ARI, where both vary."""
    pairs = [(s.ari, s.document.scorecard.stability) for s in scores if s.document.scorecard.stability is not None]
    if min((len(set(values)) for values in zip(*pairs, strict=True)), default=0) < 2:
        return None
    return round(correlation([ari for ari, _ in pairs], [stability for _, stability in pairs]), 3)


#: Topics with a lower ARI are wrong enough that the map should warn of them.
WRONG_ARI = 0.8


def _warnings(scores: Sequence[SessionScores]) -> dict[str, int]:
    """How many maps warn of a low stability, how many of those are wrong, and how many wrong maps have a stability."""
    judged = [s.ari for s in scores if s.document.scorecard.stability is not None]
    warned = [s.ari for s in scores if _warns(s)]
    return {
        "warned": len(warned),
        "of_them_wrong": sum(ari < WRONG_ARI for ari in warned),
        "wrong": sum(ari < WRONG_ARI for ari in judged),
        "judged": len(judged),
    }


def _warns(scores: SessionScores) -> bool:
    return any(note.code == "low_stability" for note in scores.document.note_details)


def _counts(faults: Sequence[Sequence[str]]) -> dict[str, int]:
    return dict(Counter(name for some in faults for name in some).most_common())


def _means(scores: Sequence[SessionScores]) -> dict[str, float]:
    def share(values: Sequence[bool]) -> float:
        return round(fmean(values), 3) if values else 1.0

    return {
        "ari": round(fmean(s.ari for s in scores), 3),
        "ari_by_host": round(fmean(s.ari_by_host for s in scores), 3),
        "v": round(fmean(s.v_measure for s in scores), 3),
        "right": share([s.ari > 0.999 for s in scores]),
        "count_error": round(fmean(abs(s.num_topics - s.num_subjects) for s in scores), 2),
        "hits": share([hit for s in scores for hit in s.label_hits]),
        "topics_good": share([not faults for s in scores for faults in s.topic_faults]),
        "subtopics": sum(len(s.subtopic_faults) for s in scores),
        "subtopics_good": share([not faults for s in scores for faults in s.subtopic_faults]),
        "chapters_found": share([found for s in scores for found in s.chapters_found]),
        "links": sum(len(s.links_right) for s in scores),
        "links_right": share([right for s in scores for right in s.links_right]),
        "related_found": share([found for s in scores for found in s.related_found]),
        "descriptions_good": share([not faults for s in scores for faults in s.description_faults]),
        "topic_descriptions_good": share([not faults for s in scores for faults in s.topic_description_faults]),
        "quotes_good": share([not faults for s in scores for faults in s.quote_faults]),
        "grounded": share([grounded for s in scores for grounded in s.grounded]),
        "warned_right": share([s.ari < WRONG_ARI for s in scores if _warns(s)]),
        "worst_grounding": min((s.document.scorecard.grounding for s in scores), default=1.0),
    }


def main() -> None:
    """Print the report of one part or of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--flavour", action="append", default=[])
    parser.add_argument("--show", action="store_true", help="print the topics of every session")
    parser.add_argument("--without-vectors", action="store_true", help="by words alone")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for part in [arguments.part] if arguments.part else PARTS:
        if arguments.show:
            for session in exam_sessions(part, [f for f in FLAVOURS if f.name in (arguments.flavour or [f.name])]):
                _show(score_session(session))
            continue
        result = report(part, arguments.flavour, with_vectors=not arguments.without_vectors)
        if arguments.json:
            sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
        else:
            _print_table(result)
            if not arguments.flavour and part in (DEVELOPMENT, HELD_OUT):
                _print_model_report(part, model_report(part, with_vectors=not arguments.without_vectors))
                sys.stdout.write(f"labels that change at a step of a growing session: {growth_report(part)}\n")


def _print_table(result: dict[str, object]) -> None:
    flavours: dict[str, dict[str, float]] = {**result["flavours"], "all": result["all"]}  # type: ignore[dict-item]
    names = list(flavours["all"])
    sys.stdout.write(f"{result['part']}: {result['sessions']} sessions, {result['seconds']} s\n")
    sys.stdout.write(f"{'':12}" + "".join(f"{name[:11]:>12}" for name in names) + "\n")
    for flavour, means in flavours.items():
        sys.stdout.write(f"{flavour:12}" + "".join(f"{means[name]:12}" for name in names) + "\n")
    sys.stdout.write(f"correlation of stability and ARI: {result['stability_correlation']}\n")
    sys.stdout.write(f"warnings of a low stability: {result['warnings']}\n")
    for name in (
        "topic_label_faults",
        "subtopic_label_faults",
        "description_faults",
        "topic_description_faults",
        "quote_faults",
    ):
        sys.stdout.write(f"{name}: {result[name]}\n")


def _show(scores: SessionScores) -> None:
    session = scores.session
    sys.stdout.write(f"\n=== {session.flavour} {session.number}: ARI {scores.ari:.2f}, {scores.document.title}\n")
    for node in scores.document.nodes:
        if node.type in ("topic", "subtopic"):
            indent = "  " if node.type == "topic" else "    "
            sys.stdout.write(f"{indent}[{node.label}] {','.join(label_faults(node, scores.document, session))}\n")
        elif node.type == "page":
            name = session.subject_of.get(node.data.page_id or "", "?")
            sys.stdout.write(f"        {name:16} {node.label[:60]} ~ {(node.data.description or '')[:70]}\n")
    for page in scores.document.excluded_pages:
        sys.stdout.write(f"        left out: {page.title} ({page.reason})\n")
    for edge in scores.document.edges:
        if edge.kind == "cross":
            sys.stdout.write(f"        link: {edge.label} {edge.weight}\n")


if __name__ == "__main__":
    main()
