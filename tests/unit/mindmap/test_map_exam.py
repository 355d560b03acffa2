"""The held-out part of the map exam: a change that lowers one of its figures fails here."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from statistics import fmean

import pytest

import tests.map_exam.report
from cluster.mindmap.build import build_map
from cluster.mindmap.pages.evidence import quote_problems
from tests.map_exam.graded_maps import CHECKS, graded_maps
from tests.map_exam.graded_maps import agreement as agreement_with_reader
from tests.map_exam.model_answers import GOOD, KINDS, WEAK_KINDS
from tests.map_exam.report import MODEL_FIGURES, growth_report, model_report, report
from tests.map_exam.rubric import is_plausible, wording_faults
from tests.map_exam.sessions import (
    DEVELOPMENT,
    DEVELOPMENT_2,
    DEVELOPMENT_PARTS,
    DEVELOPMENT_RELATED,
    FLAVOURS,
    HELD_OUT,
    HELD_OUT_2,
    HELD_OUT_PARTS,
    HELD_OUT_RELATED,
    exam_sessions,
    subjects,
)

FLOORS = json.loads(Path(tests.map_exam.report.__file__).with_name("floors.json").read_text("utf-8"))


@pytest.mark.parametrize(("part", "flavour"), [(part, flavour) for part in FLOORS for flavour in FLOORS[part]])
def test_held_out_figures_do_not_fall(part: str, flavour: str) -> None:
    figures = report(part, [flavour])["all"]
    assert isinstance(figures, dict)
    low = {name: (figures[name], floor) for name, floor in FLOORS[part][flavour].items() if figures[name] < floor}
    assert not low, f"below the floor in tests/map_exam/floors.json: {low}"


def test_the_exam_has_sessions_of_every_flavour() -> None:
    assert len(exam_sessions(HELD_OUT)) >= 60
    for part in HELD_OUT_PARTS:
        sessions = exam_sessions(part)
        assert {session.flavour for session in sessions} == set(FLOORS[part])
        assert all(len(session.pages) >= 2 for session in sessions)


@pytest.mark.parametrize("part", HELD_OUT_PARTS)
def test_short_texts_end_with_a_whole_word(part: str) -> None:
    texts = {page.url: page.text for subject in subjects(part) for page in subject.pages}
    for session in exam_sessions(part, [flavour for flavour in FLAVOURS if flavour.text == "short"]):
        for page in session.pages:
            shown = page.text.removesuffix("…")
            assert texts[page.url].startswith(shown)
            assert not texts[page.url][len(shown) :][:1].strip(), page.text


def test_most_sessions_of_subjects_with_chapters_have_three_or_more_pages_of_each() -> None:
    sessions = [session for session in exam_sessions(HELD_OUT_2) if session.flavour == "chapters"]
    chapters = [Counter(session.chapter_of.values()) for session in sessions]
    assert fmean(fmean(size >= 3 for size in sizes.values()) for sizes in chapters) > 0.8


GRADED_LABELS = {DEVELOPMENT: "graded_labels.txt", DEVELOPMENT_2: "graded_labels_2.txt"}


def agreement(part: str, kind: str) -> tuple[list[bool], list[bool]]:
    """For each graded label of a kind, whether it passes the rubric, and whether a reader accepted it.

    A line has the session, the kind, the grade ("good", "fine", "odd" or "wrong"), the label, the label of the topic,
    and the numbers of the pages.
    """
    text = Path(tests.map_exam.report.__file__).with_name(GRADED_LABELS[part]).read_text("utf-8")
    sessions = {f"{session.flavour} {session.number}": session for session in exam_sessions(part)}
    passes, accepted = [], []
    for line in text.splitlines():
        name, kind_of_label, grade, label, parent, numbers = line.split("\t")
        if kind_of_label == kind:
            pages = [sessions[name].pages[int(number)] for number in numbers.split()]
            passes.append(not wording_faults(label, pages, sessions[name], parent))
            accepted.append(grade in ("good", "fine"))
    return passes, accepted


@pytest.mark.parametrize("part", [DEVELOPMENT_RELATED, HELD_OUT_RELATED])
def test_most_sessions_of_related_subjects_have_pages_that_a_connection_can_join(part: str) -> None:
    """Pages of different subjects that are about the same thing; only they make such a connection plausible."""
    num_pairs = []
    for session in exam_sessions(part):
        pairs = [
            (first, second)
            for first, second in combinations(session.also_about, 2)
            if session.subject_of[first] != session.subject_of[second]
            and session.also_about[first] & session.also_about[second]
        ]
        assert all(is_plausible([first], [second], session) for first, second in pairs)
        others = [page for page, things in session.also_about.items() if not things]
        assert not any(
            is_plausible([first], [second], session)
            for first, second in combinations(others, 2)
            if session.subject_of[first] != session.subject_of[second]
        )
        num_pairs.append(len(pairs))
    assert fmean(number > 0 for number in num_pairs) >= 0.8


@pytest.mark.parametrize(
    ("part", "kind", "least_agreement", "least_labels"),
    [(DEVELOPMENT, "topic", 0.88, 300), (DEVELOPMENT, "subtopic", 0.75, 30), (DEVELOPMENT_2, "topic", 0.9, 200)],
)
def test_the_rubric_agrees_with_labels_that_were_graded_one_by_one(
    part: str, kind: str, least_agreement: float, least_labels: int
) -> None:
    passes, accepted = agreement(part, kind)
    assert len(passes) >= least_labels
    assert fmean(p == a for p, a in zip(passes, accepted, strict=True)) >= least_agreement
    if kind == "topic":
        # The rubric is neither kinder nor stricter than the reader.
        assert abs(sum(passes) - sum(accepted)) <= 0.05 * len(passes)


@pytest.mark.parametrize(
    ("kind", "least_graded", "least_precision", "least_recall"),
    [
        ("topic", 90, 0.9, 0.88),
        ("sub-topic", 20, 0.7, 0.95),
        # The reader also accepted sentences of one page that happen to be about the subject.
        ("topic description", 100, 0.88, 0.25),
        ("page description", 400, 0.9, 0.98),
        ("quote", 290, 0.92, 0.98),
    ],
)
def test_what_passes_the_rubric_a_reader_of_whole_maps_accepted(
    kind: str, least_graded: int, least_precision: float, least_recall: float
) -> None:
    assert set(CHECKS) | {"pages-together"} == {graded.kind for graded in graded_maps()}
    found = agreement_with_reader(kind)
    assert found.graded >= least_graded
    assert found.precision >= least_precision
    assert found.recall >= least_recall


def graded_quotes(parts: tuple[str, ...]) -> list[tuple[bool, bool, str]]:
    """For each graded quote of `parts`, whether it passes the checks, whether the reader accepted it, and its source.

    A line has the part of the exam, the source, the field of the page, the grade, the label (or half of one) and the
    quote. The source is "shown" (on a map made before quotes were checked), "other" (another sentence of the topic's
    pages that has half of the label's words) or "now" (on a map made with the checks). The grade says whether someone
    who reads the quote alone would say that it is about the label: "no" for a sentence that only mentions it, that
    needs what stands before it, that is about another thing of the same name, and for a label that names no subject.
    """
    text = Path(tests.map_exam.report.__file__).with_name("graded_quotes.txt").read_text("utf-8")
    lines = [line.split("\t") for line in text.splitlines()]
    return [
        (not quote_problems(label, quote, field), grade == "yes", source)
        for part, source, field, grade, label, quote in lines
        if part in parts
    ]


def test_the_checks_of_quotes_agree_with_a_reader() -> None:
    for parts, least in ((DEVELOPMENT_PARTS, 170), (HELD_OUT_PARTS, 80)):
        quotes = graded_quotes(parts)
        assert len(quotes) >= least
        assert fmean(passes == accepted for passes, accepted, _ in quotes) >= 0.85
        assert abs(sum(passes for passes, _, _ in quotes) - sum(a for _, a, _ in quotes)) <= 0.1 * len(quotes)


def test_a_model_never_makes_a_map_worse() -> None:
    figures = model_report(HELD_OUT)
    assert set(figures) == set(KINDS)
    for kind, maps in figures.items():
        lower = {name: (maps["shown"][name], maps["local"][name]) for name in MODEL_FIGURES}
        assert not {name: pair for name, pair in lower.items() if pair[0] < pair[1]}, kind
        assert maps["shown"]["worst_grounding"] == 1.0, kind
    good = figures[GOOD]
    assert good["shown"]["ari"] > good["local"]["ari"], "a good answer is used"
    assert good["shown"]["topics_good"] > good["local"]["topics_good"]
    for kind in WEAK_KINDS:
        weak = figures[kind]["answered"]
        assert any(weak[name] < figures[kind]["local"][name] for name in MODEL_FIGURES), f"{kind} is not weak"


def test_labels_change_seldom_while_a_session_grows() -> None:
    figures = growth_report(HELD_OUT)
    assert figures["all"]["changed"] <= 0.08
    assert figures["small"]["changed"] <= 0.2
    # In small sessions only labels change that are clearly better for the pages that the topic has then.
    assert figures["small"]["without_gain"] <= 0.02
    assert figures["all"]["topics_good"] >= 0.64


def test_connections_by_chance_are_not_drawn() -> None:
    """Without a veto by meaning, a reader found 4 of the 106 connections of these maps plausible."""
    graded = Path(tests.map_exam.report.__file__).with_name("graded_connections.txt").read_text("utf-8").splitlines()
    noise = {(line.split("\t")[1], *line.split("\t")[3:5]) for line in graded if line.split("\t")[2] == "noise"}
    assert len(graded) >= 100
    for session in exam_sessions(DEVELOPMENT_2, [flavour for flavour in FLAVOURS if flavour.name == "mixed"]):
        edges = [edge for edge in build_map(session.pages).edges if edge.kind == "cross"]
        drawn = {(f"{session.flavour} {session.number}", edge.source, edge.target) for edge in edges}
        assert not drawn & noise
