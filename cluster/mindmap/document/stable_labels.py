"""Topic labels that stay from one version of a map to the next, unless the new one is clearly better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cluster.mindmap.outline.definitions import relabelled
from cluster.mindmap.outline.label_checks import MIN_PAGES_OF_WIDE_LABEL, PageWording, label_problems, title_share
from cluster.mindmap.outline.types import Outline, OutlineTopic
from cluster.mindmap.pages.evidence import label_evidence_from_text, label_halves, supports_label
from models.mindmap.document import MindmapDocument, Node
from models.mindmap.validation import quote_is_in_page
from models.recording.pages import CapturedPage

#: A label is clearly better, too, if the titles of so many more pages say it: as a share, and in number, because one
#: title of three pages is a third.
BETTER_TITLE_SHARE, BETTER_TITLES = 0.25, 2


def keep_labels(outline: Outline, previous: MindmapDocument | None, captured: Mapping[str, CapturedPage]) -> Outline:
    """`outline` with the labels that `previous` gave to the same topics, where the new ones are not clearly better.

    Topics are the same if their ids are (`stable_ids.reuse_ids`). A label stays if it fails no more checks than the new
    one for the pages that the topic has now, and no other topic has it.
    """
    if previous is None:
        return outline
    before = {node.id: node for node in previous.nodes if node.data.origin == "generated"}
    used = {topic.label.casefold() for topic, _ in outline.walk()}
    wordings = {page_id: PageWording(page) for page_id, page in captured.items()}

    def kept(topic: OutlineTopic, above: str = "") -> OutlineTopic:
        """`topic` with its sub-topics; `above` is the labels of the topics that it is part of."""
        named = with_label(topic, above)
        parts_above = f"{above} · {named.label}" if above else named.label
        return replace(named, subtopics=tuple(kept(subtopic, parts_above) for subtopic in named.subtopics))

    def with_label(topic: OutlineTopic, above: str) -> OutlineTopic:
        label = before[topic.id].generated_label if topic.id in before else topic.label
        pages = [wordings[page_id] for page_id in topic.all_page_ids()]
        # The labels of sub-topics depend on the topic's.
        has_free_label = label.casefold() not in used and not topic.subtopics
        if has_free_label and pages and not _is_clearly_better(topic.label, label, pages, above):
            used.add(label.casefold())
            return _with_label(topic, label, before.get(topic.id), captured)
        return topic

    return replace(outline, topics=tuple(kept(topic) for topic in outline.topics))


def _with_label(
    topic: OutlineTopic, label: str, before: Node | None, captured: Mapping[str, CapturedPage]
) -> OutlineTopic:
    """`topic` with the label of the node `before`, and with its quotes for it that pages of the topic have."""
    if before is None or label == topic.label:
        return topic
    topic = relabelled(topic, label)
    page_ids = set(topic.all_page_ids())
    own = [
        quote
        for quote in before.data.evidence
        if quote.supports == "label"
        and quote.page_id in page_ids
        and quote_is_in_page(captured[quote.page_id], quote.field, quote.quote)
    ]
    others = [quote for quote in topic.evidence if quote.supports != "label"]
    return replace(topic, evidence=tuple(dict.fromkeys((*own, *others))))


def _is_clearly_better(label: str, old: str, pages: Sequence[PageWording], parent: str) -> bool:
    if not _is_quoted(old, [page.page for page in pages]):
        return True
    num_problems, num_old_problems = (
        sum(name != "not_in_titles" or len(pages) >= MIN_PAGES_OF_WIDE_LABEL for name in problems)
        for problems in (label_problems(label, pages, parent), label_problems(old, pages, parent))
    )
    if num_old_problems > num_problems:
        return True
    gained = round(title_share(label, pages) - title_share(old, pages), 9)
    return gained >= BETTER_TITLE_SHARE and round(gained * len(pages)) >= BETTER_TITLES


def _is_quoted(label: str, pages: Sequence[CapturedPage]) -> bool:
    """Whether a title or a sentence of the pages supports every half of the label."""
    return all(
        any(supports_label(half, page.title) for page in pages) or label_evidence_from_text(half, pages)
        for half in label_halves(label)
    )
