"""The rubric of the map exam: what a demanding reader rejects in a label, a description or a connection, as checks.

Every check is about the finished document and the captured pages alone, never about how a label was made.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from cluster.mindmap.outline.definitions import says_what_it_is
from cluster.mindmap.outline.label_checks import PageWording, description_problems, label_problems, title_share
from cluster.mindmap.pages.evidence import label_halves, quote_problems, stands_alone, supports_label
from cluster.mindmap.text.language import is_complete_sentence
from models.mindmap.document import MindmapDocument, Node
from models.mindmap.validation import quote_is_in_page
from models.recording.pages import CapturedPage
from models.text import quoted
from tests.map_exam.sessions import ExamSession


def label_faults(node: Node, document: MindmapDocument, session: ExamSession) -> list[str]:
    """The names of the checks that the label of a topic or sub-topic fails; empty for a good label."""
    captured = {page.page_id: page for page in session.pages}
    parent = document.parents().get(node.id)
    above = next((n for n in document.nodes if n.id == parent), None)
    parent_label = above.label if node.type == "subtopic" and above is not None else ""
    pages = pages_below(node, document, session)
    faults = wording_faults(node.label, pages, session, parent_label)
    if node.type == "subtopic" and not _is_one_chapter(pages, session):
        faults.append("no_group")
    return faults if is_grounded(node, captured) else [*faults, "no_quote"]


def wording_faults(
    label: str, pages: Sequence[CapturedPage], session: ExamSession, parent_label: str = ""
) -> list[str]:
    """The names of the checks that a label of `pages` fails; `parent_label` is the topic's if it names a sub-topic.

    Its agreement with 420 labels that were graded one by one is in `graded_labels.txt` and its test. A sub-topic must
    stand in the titles of half of its pages. A topic must name the subject that most of its pages are about.
    """
    halves, wordings = label_halves(label), [PageWording(page) for page in pages]
    subjects = Counter(session.subject_of[page.page_id] for page in pages)
    checks = {
        "not_the_subject": not parent_label and not _names_subjects(halves, wordings, subjects, session),
        "site": any(_is_site_name(half, pages, subjects, session) for half in halves),
    }
    return [
        *label_problems(label, wordings, parent_label),
        *(name for name, has_failed in checks.items() if has_failed),
    ]


def description_faults(node: Node) -> list[str]:
    """The names of the checks that the description of a page fails."""
    return description_problems(node.data.description or "")


def topic_description_faults(node: Node, document: MindmapDocument, session: ExamSession) -> list[str]:
    """The names of the checks that the description of a topic or sub-topic fails."""
    pages = pages_below(node, document, session)
    label_of = {n.data.page_id: n.label for n in document.nodes if n.type == "page"}
    named = [page for page in pages if quoted(label_of[page.page_id]) in (node.data.description or "")]
    below = document.children().get(node.id, [])
    parts = [n.label for n in document.nodes if n.type == "subtopic" and n.id in below]
    faults = topic_wording_faults(node.label, node.data.description or "", pages, len(named), parts)
    subjects = Counter(session.subject_of[page.page_id] for page in pages)
    num_of_subject = sum(2 * subjects[session.subject_of[page.page_id]] >= subjects.total() for page in named)
    return [*faults, "other_subject"] if named and 2 * num_of_subject < len(named) else faults


def topic_wording_faults(
    label: str, text: str, pages: Sequence[CapturedPage], num_named: int, parts: Sequence[str] = ()
) -> list[str]:
    """The names of the checks that the description `text` of a topic over `pages` fails.

    It must define what the label names, or say what the topic holds: `num_named` is the number of pages that it names,
    and `parts` has the labels of the sub-topics. A sentence of one page describes a topic of that page alone. A quote
    of what is no title of the topic, and a sentence that was cut, are faults.
    """
    names_contents = num_named >= min(2, len(pages)) or len([part for part in parts if part in text]) >= 2
    checks = {
        "none": not text,
        "needs_context": not stands_alone(text),
        "cut": text.endswith("…") or not is_complete_sentence(text),
        "not_the_topic": not (names_contents or len(pages) == 1 or says_what_it_is(label, text)),
        "not_of_the_topic": len(re.findall("“", text)) > num_named > 0,
    }
    return [*description_problems(text), *(name for name, has_failed in checks.items() if has_failed)]


def is_grounded(node: Node, captured: Mapping[str, CapturedPage]) -> bool:
    """Whether every half of the label has a verbatim quote with at least half of its words."""
    quotes = [
        quote.quote
        for quote in node.data.evidence
        if quote.page_id in captured and quote_is_in_page(captured[quote.page_id], quote.field, quote.quote)
    ]
    return all(any(supports_label(half, quote) for quote in quotes) for half in label_halves(node.label))


def quote_faults(node: Node) -> list[list[str]]:
    """For each quote for the label of a topic or sub-topic, why it does not bear it out; empty for a good quote.

    A quote for a label of two halves bears one of them out.
    """
    return [
        min((quote_problems(half, q.quote, q.field) for half in label_halves(node.label)), key=len)
        for q in node.data.evidence
        if q.supports == "label"
    ]


def _is_one_chapter(pages: Sequence[CapturedPage], session: ExamSession) -> bool:
    """Whether two thirds of a sub-topic's pages are of one chapter of one subject; of a subject, if it has none."""
    groups = Counter((session.subject_of[page.page_id], session.chapter_of[page.page_id]) for page in pages)
    return 3 * max(groups.values(), default=0) >= 2 * groups.total()


def is_plausible(pages: Sequence[str], other_pages: Sequence[str], session: ExamSession) -> bool:
    """Whether a connection between two groups of page ids joins what belongs together.

    It does if the subject of most pages, or what else one of them is about, is the same in both groups. Other subjects
    of the exam have nothing to do with each other, so that a word that two of them share is chance.
    """
    things = []
    for group in (pages, other_pages):
        subjects = Counter(session.subject_of[page] for page in group)
        main = max(sorted(subjects), key=subjects.__getitem__, default="")
        things.append({main, *(thing for page in group for thing in session.also_about[page])} - {""})
    return bool(things[0] & things[1])


def pages_below(node: Node, document: MindmapDocument, session: ExamSession) -> list[CapturedPage]:
    """The captured pages of a topic or sub-topic."""
    captured = {page.page_id: page for page in session.pages}
    parents = document.parents()
    below = []
    for page in document.nodes:
        if page.type != "page" or page.data.page_id not in captured:
            continue
        above = parents.get(page.id)
        while above is not None and above != node.id:
            above = parents.get(above)
        if above is not None:
            below.append(captured[page.data.page_id or ""])
    return below


def _names_subjects(
    halves: Sequence[str], pages: Sequence[PageWording], subjects: Counter[str], session: ExamSession
) -> bool:
    """Whether the label has a word of the subject of most of its pages, or of the subjects that make up nearly all.

    A label that is on nearly all titles needs none of these words.
    """
    named = [{name for name in subjects if any(w in half.lower() for w in session.words_of[name])} for half in halves]
    total = subjects.total()
    covered = sum(subjects[name] for name in set().union(*named))
    is_said_by_all = len(halves) == 1 and title_share(halves[0], pages) >= 0.8
    is_named = covered >= (0.6 if len(set().union(*named)) == 1 else 0.8) * total
    return is_said_by_all or (
        is_named and all(n or title_share(h, pages) >= 0.5 for n, h in zip(named, halves, strict=True))
    )


def _is_site_name(text: str, pages: Sequence[CapturedPage], subjects: Counter[str], session: ExamSession) -> bool:
    """Whether the text is the last part of a title, behind a sign, and no word for what the pages are about."""
    if any(word in text.lower() for name in subjects for word in session.words_of[name]):
        return False
    return any(re.split(r"\s[|:–—-]\s", page.title)[1:][-1:] == [text] for page in pages)
