"""k-anonymity counts people, not rows."""

from __future__ import annotations

from models.analysis.anonymity import ALL, AnonymityFigure, QuasiIdentifiers, anonymity_figures, group_sizes

MORNING = QuasiIdentifiers(("news.example",), 9, "en")
BREAD = QuasiIdentifiers(("bread.example", "news.example"), 9, "en")
EVENING = QuasiIdentifiers(("news.example",), 21, "en")


def test_several_sessions_of_one_person_are_one() -> None:
    assert group_sizes([MORNING, MORNING, MORNING, BREAD], ["ann", "ann", "bob", "ann"]) == [2, 2, 2, 1]
    figures = anonymity_figures([MORNING, MORNING, MORNING], ["ann", "ann", "ann"])
    assert figures[ALL] == AnonymityFigure(k=1, num_groups=1, num_alone=3)


def test_the_figure_is_that_of_the_smallest_group() -> None:
    figures = anonymity_figures([MORNING, MORNING, BREAD, EVENING], ["ann", "bob", "cem", "cem"])
    assert figures[ALL] == AnonymityFigure(k=1, num_groups=3, num_alone=2)
    assert figures["sites"] == AnonymityFigure(k=1, num_groups=2, num_alone=1)
    assert figures["hour"] == AnonymityFigure(k=1, num_groups=2, num_alone=1)
    assert figures["language"] == AnonymityFigure(k=3, num_groups=1, num_alone=0)


def test_without_rows_there_is_no_figure() -> None:
    assert anonymity_figures([], [])[ALL] == AnonymityFigure(k=None, num_groups=0, num_alone=0)
