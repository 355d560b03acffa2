"""Applies model responses to the local outline: the model decides the grouping and the wording, not the facts.

Page ids, evidence and coverage come from the local outline; a response can only select among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cluster.mindmap.outline.types import CrossLink, Outline, OutlineTopic, PageAnnotation
from cluster.mindmap.pages.evidence import supports_label
from cluster.mindmap.pages.features import NoticesOfSession
from cluster.providers.prompting.grounding import grounded_description
from cluster.providers.prompting.prompts import PromptAliases
from cluster.providers.prompting.responses import DraftLink, DraftTopic, OutlineDraft, clean_keywords
from cluster.providers.types import PageDescription
from models.mindmap.document import MAX_TOPIC_LABEL_CHARS, Evidence
from models.mindmap.validation import quote_is_in_page
from models.recording.pages import CapturedPage
from models.text import collapse_whitespace, shorten, strip_emphasis, strip_markup

MAX_TITLE_CHARS, MAX_SUMMARY_CHARS, MAX_TOPIC_SUMMARY_CHARS = 120, 400, 240
#: A shorter quote would be found on a page by chance.
_MIN_QUOTE_CHARS = 12


def apply_descriptions(
    skeleton: Outline, descriptions: Mapping[str, PageDescription], pages: Mapping[str, CapturedPage]
) -> Outline:
    """`skeleton` with the descriptions by page id, as far as the pages support them (`grounding`).

    A quote becomes evidence only if the page contains it, and not if it is a notice that stands on several pages.
    """
    notices = NoticesOfSession(pages.values() if descriptions else ())
    return replace(
        skeleton,
        annotations=tuple(
            _with_description(annotation, descriptions.get(annotation.page_id), pages.get(annotation.page_id), notices)
            for annotation in skeleton.annotations
        ),
    )


def _with_description(
    annotation: PageAnnotation,
    description: PageDescription | None,
    page: CapturedPage | None,
    notices: NoticesOfSession,
) -> PageAnnotation:
    if description is None or page is None:
        return annotation
    description = grounded_description(description, page)
    evidence = annotation.evidence
    if (quoted := _quoted_evidence(description.quote, page, notices)) is not None:
        evidence = (*(each for each in evidence if each.supports != "description"), quoted)
    return replace(
        annotation,
        label=description.label or annotation.label,
        description=description.description or annotation.description,
        keywords=description.keywords or annotation.keywords,
        evidence=evidence,
    )


def _quoted_evidence(quote: str, page: CapturedPage, notices: NoticesOfSession) -> Evidence | None:
    quote = collapse_whitespace(quote)[:240]
    if len(quote) < _MIN_QUOTE_CHARS:
        return None
    # What the user marked is evidence, also where it stands on several pages.
    fields = ("highlight",) if notices.contain(quote, page) else ("text", "highlight")
    field = next((field for field in fields if quote_is_in_page(page, field, quote)), None)
    if field is None:
        return None
    return Evidence.model_validate(
        {
            "page_id": page.page_id,
            "field": field,
            "quote": quote,
            "supports": "description",
            "visited_at_ms": page.visited_at_ms,
        }
    )


def apply_outline_draft(skeleton: Outline, draft: OutlineDraft, aliases: PromptAliases) -> Outline:
    """`skeleton` regrouped and renamed by `draft`. A page missing from the draft stays with its old topic's pages."""
    regrouping = _Regrouping(skeleton, aliases)
    topics = [topic for each in draft.topics if (topic := regrouping.build_topic(each)) is not None]
    topics = regrouping.restore_missing_pages(topics)
    linkable_ids = {topic.id for topic in topics} | {part.id for topic in topics for part in topic.subtopics}
    return replace(
        skeleton,
        title=shorten(strip_markup(draft.title), MAX_TITLE_CHARS) or skeleton.title,
        summary=shorten(strip_markup(draft.summary), MAX_SUMMARY_CHARS) or skeleton.summary,
        topics=tuple(topics),
        cross_links=combine_links(
            draft.links,
            regrouping.topic_ids_by_name(topics),
            skeleton.cross_links,
            linkable_ids | set(aliases.alias_by_page),
        ),
        evidence=leading_evidence(topics),
        # The stability was measured for the local topics.
        stability=None,
    )


class _Regrouping:
    """The state while topics are built from a draft: the pages that are placed and the ids that are used."""

    def __init__(self, skeleton: Outline, aliases: PromptAliases) -> None:
        self._skeleton, self._aliases = skeleton, aliases
        self._annotations = {annotation.page_id: annotation for annotation in skeleton.annotations}
        self._position = {page: number for number, page in enumerate(skeleton.placed_page_ids())}
        self._old_topics = {topic.id: topic for topic, _ in skeleton.walk()}
        self._old_topic_of_page = {page: topic.id for topic in skeleton.topics for page in topic.all_page_ids()}
        self._placed: set[str] = set()
        self._used_ids: set[str] = set()
        self._id_by_name: dict[str, str] = {}

    def build_topic(self, draft: DraftTopic) -> OutlineTopic | None:
        """The topic of a draft with the pages that no earlier topic has; None without any page."""
        subtopics = [part for each in draft.subtopics if (part := self._build_subtopic(each)) is not None]
        own_pages = self._claim_pages(draft.pages)
        if len(subtopics) == 1 and not own_pages:
            own_pages, subtopics = subtopics[0].page_ids, []
        all_pages = own_pages + tuple(page for part in subtopics for page in part.page_ids)
        return self._new_topic(draft, "t_", own_pages, tuple(subtopics), all_pages) if all_pages else None

    def _build_subtopic(self, draft: DraftTopic) -> OutlineTopic | None:
        aliases = list(draft.pages)
        below = list(draft.subtopics)
        while below:  # Deeper levels are flattened.
            deeper = below.pop()
            aliases += deeper.pages
            below += deeper.subtopics
        pages = self._claim_pages(aliases)
        return self._new_topic(draft, "s_", pages, (), pages) if pages else None

    def _claim_pages(self, aliases: Sequence[str]) -> tuple[str, ...]:
        page_by_alias = self._aliases.page_by_alias
        pages = {page_by_alias[alias] for alias in aliases if alias in page_by_alias} - self._placed
        self._placed |= pages
        return tuple(sorted(pages, key=lambda page: self._position[page]))

    def _new_topic(
        self,
        draft: DraftTopic,
        prefix: str,
        own_pages: tuple[str, ...],
        subtopics: tuple[OutlineTopic, ...],
        all_pages: tuple[str, ...],
    ) -> OutlineTopic:
        """A topic (`prefix` "t_") or subtopic ("s_") of `own_pages`; `all_pages` include those of `subtopics`."""
        old_id = self._aliases.topic_by_alias.get(draft.id, "")
        old = self._old_topics.get(old_id)
        topic_id = self._unique_id(draft, prefix, old_id, all_pages)
        label = shorten(strip_emphasis(strip_markup(draft.label)), MAX_TOPIC_LABEL_CHARS) or (
            old.label if old else "Topic"
        )
        old_topic_counts = Counter(self._old_topic_of_page[page] for page in all_pages)
        main = self._old_topics[old_topic_counts.most_common(1)[0][0]] if old_topic_counts else None
        description = shorten(strip_markup(draft.summary), MAX_TOPIC_SUMMARY_CHARS)
        return OutlineTopic(
            id=topic_id,
            label=label,
            description=description or (old.description if old else ""),
            keywords=clean_keywords(draft.keywords) or (old.keywords if old else ()),
            page_ids=own_pages,
            subtopics=subtopics,
            evidence=self._evidence(draft, label, all_pages),
            searches=main.searches if main and prefix == "t_" else (),
        )

    def _unique_id(self, draft: DraftTopic, prefix: str, old_id: str, all_pages: Sequence[str]) -> str:
        """The old topic's id if it is of the same level, else one from the first page; registers the draft's names."""
        first_page = min(all_pages, key=lambda page: self._position[page])
        base_id = old_id if old_id.startswith(prefix) else prefix + first_page.removeprefix("p_")
        topic_id = unused_id(base_id, self._used_ids)
        self._used_ids.add(topic_id)
        if draft.id:
            self._id_by_name.setdefault(draft.id, topic_id)
        self._id_by_name.setdefault(collapse_whitespace(draft.label).casefold(), topic_id)
        return topic_id

    def _evidence(self, draft: DraftTopic, label: str, all_pages: Sequence[str]) -> tuple[Evidence, ...]:
        """At most three verified quotes for the label; the model only influences which."""
        chosen_by_model = {collapse_whitespace(claim.text) for claim in draft.quotes}
        verified = [
            evidence for page in all_pages if page in self._annotations for evidence in self._annotations[page].evidence
        ]
        ranked = sorted(
            verified,
            key=lambda evidence: (
                not supports_label(label, evidence.quote),
                collapse_whitespace(evidence.quote) not in chosen_by_model,
            ),
        )
        chosen: list[Evidence] = []
        for evidence in ranked:
            if len(chosen) == 3 or (chosen and not supports_label(label, evidence.quote)):
                break
            chosen.append(evidence.model_copy(update={"supports": "label"}))
        return tuple(chosen)

    def restore_missing_pages(self, topics: list[OutlineTopic]) -> list[OutlineTopic]:
        """`topics` with the pages that the draft omits: each joins most pages of its old topic, or keeps that topic."""
        destinations: dict[str, Counter[int]] = {}
        for number, topic in enumerate(topics):
            for page in topic.all_page_ids():
                destinations.setdefault(self._old_topic_of_page[page], Counter())[number] += 1
        for old in self._skeleton.topics:
            missing = [page for page in old.all_page_ids() if page not in self._placed]
            if not missing:
                continue
            self._placed.update(missing)
            if old.id in destinations:
                number = destinations[old.id].most_common(1)[0][0]
                own_pages = sorted((*topics[number].page_ids, *missing), key=lambda page: self._position[page])
                topics[number] = replace(topics[number], page_ids=tuple(own_pages))
            else:
                topics.append(_restricted_topic(old, set(missing)))
        return topics

    def topic_ids_by_name(self, topics: Sequence[OutlineTopic]) -> dict[str, str]:
        """The topic ids by the names that a link may use: aliases and folded labels."""
        return {**{collapse_whitespace(t.label).casefold(): t.id for t in topics}, **self._id_by_name}


def _restricted_topic(topic: OutlineTopic, kept: set[str]) -> OutlineTopic:
    subtopics = tuple(_restricted_topic(part, kept) for part in topic.subtopics if kept & set(part.all_page_ids()))
    return replace(topic, page_ids=tuple(page for page in topic.page_ids if page in kept), subtopics=subtopics)


def unused_id(base_id: str, used_ids: set[str]) -> str:
    """`base_id`, with a number appended if it is used."""
    topic_id, number = base_id, 2
    while topic_id in used_ids:
        topic_id, number = f"{base_id}_{number}", number + 1
    return topic_id


def leading_evidence(topics: Sequence[OutlineTopic]) -> tuple[Evidence, ...]:
    """The first evidence of each topic, for at most four topics: the evidence of the whole outline."""
    return tuple(evidence for topic in topics for evidence in topic.evidence[:1])[:4]


def combine_links(
    drafted: Sequence[DraftLink], ids_by_name: Mapping[str, str], old: Sequence[CrossLink], known_ids: set[str]
) -> tuple[CrossLink, ...]:
    """At most eight links of the model, then the old links between known ids; one link for each pair."""
    links: dict[frozenset[str], CrossLink] = {}

    def find(name: str) -> str | None:
        return ids_by_name.get(name) or ids_by_name.get(collapse_whitespace(name).casefold())

    for link in drafted[:8]:
        source, target = find(link.source), find(link.target)
        if source and target and source != target:
            label = shorten(strip_markup(link.reason), 60)
            links.setdefault(frozenset((source, target)), CrossLink(source, target, 0.5, (), label))
    for old_link in old:
        if old_link.source in known_ids and old_link.target in known_ids:
            links.setdefault(frozenset((old_link.source, old_link.target)), old_link)
    return tuple(links.values())
