"""Bringing a model's answer and our own outline together: the model says what belongs where, we keep what we know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cluster.mindmap.outline.types import CrossLink, Outline, OutlineTopic, PageAnnotation
from cluster.mindmap.pages.evidence import supports_label
from cluster.providers.prompting.prompts import PromptAliases
from cluster.providers.prompting.responses import DraftLink, DraftTopic, MergedDraft, OutlineDraft, clean_keywords
from cluster.providers.types import PageDescription
from models.mindmap.document import MAX_TOPIC_LABEL_CHARS, Evidence
from models.mindmap.validation import quote_is_in_page
from models.recording.pages import CapturedPage
from models.text import collapse_whitespace, shorten, strip_markup


def apply_descriptions(
    skeleton: Outline, told: Mapping[str, PageDescription], pages: Mapping[str, CapturedPage]
) -> Outline:
    """`skeleton` with the pages' notes as a provider describes them; a quote counts only if the page has it."""
    return replace(skeleton, annotations=tuple(_with_description(note, told, pages) for note in skeleton.annotations))


def _with_description(
    note: PageAnnotation, told: Mapping[str, PageDescription], pages: Mapping[str, CapturedPage]
) -> PageAnnotation:
    found = told.get(note.page_id)
    page = pages.get(note.page_id)
    if found is None or page is None:
        return note
    evidence = note.evidence
    quote = collapse_whitespace(found.quote)[:240]
    field = next((f for f in ("text", "highlight") if len(quote) >= 12 and quote_is_in_page(page, f, quote)), None)
    if field is not None:
        own = Evidence.model_validate(
            {
                "page_id": note.page_id,
                "field": field,
                "quote": quote,
                "supports": "description",
                "visited_at_ms": page.visited_at_ms,
            }
        )
        evidence = (*(e for e in evidence if e.supports != "description"), own)
    return replace(
        note,
        label=found.label,
        description=found.description or note.description,
        keywords=found.keywords or note.keywords,
        evidence=evidence,
    )


def apply_outline_draft(skeleton: Outline, draft: OutlineDraft, names: PromptAliases) -> Outline:
    """`skeleton` regrouped and renamed as `draft` says. Whatever the draft forgot stays where most of its kin went."""
    maker = _Regrouping(skeleton, names)
    topics = [topic for one in draft.topics if (topic := maker.build_topic(one)) is not None]
    topics = maker.restore_missing_pages(topics)
    ids = {topic.id for topic in topics} | {part.id for topic in topics for part in topic.subtopics}
    ends = maker.topic_ids_by_name(topics)
    return replace(
        skeleton,
        title=shorten(strip_markup(draft.title), 120) or skeleton.title,
        summary=shorten(strip_markup(draft.summary), 400) or skeleton.summary,
        topics=tuple(topics),
        cross_links=_links(draft.links, ends, skeleton.cross_links, ids | set(names.alias_by_page)),
        evidence=tuple(quote for topic in topics for quote in topic.evidence[:1])[:4],
        # How well the topics hold was measured for the local ones.
        stability=None,
    )


class _Regrouping:
    def __init__(self, skeleton: Outline, names: PromptAliases) -> None:
        self.skeleton, self.names = skeleton, names
        self.notes = {note.page_id: note for note in skeleton.annotations}
        self.place = {page: n for n, page in enumerate(skeleton.placed_page_ids())}
        self.old = {topic.id: topic for topic, _ in skeleton.walk()}
        self.old_of_page = {page: topic.id for topic in skeleton.topics for page in topic.all_page_ids()}
        self.placed: set[str] = set()
        self.ids: set[str] = set()
        self.by_name: dict[str, str] = {}

    def build_topic(self, draft: DraftTopic) -> OutlineTopic | None:
        parts = [part for one in draft.subtopics if (part := self._build_subtopic(one)) is not None]
        direct = self._claim_pages(draft.pages)
        if len(parts) == 1 and not direct:
            direct, parts = parts[0].page_ids, []
        inside = direct + tuple(page for part in parts for page in part.page_ids)
        return self._new_topic(draft, "t_", direct, tuple(parts), inside) if inside else None

    def _build_subtopic(self, draft: DraftTopic) -> OutlineTopic | None:
        inside = list(draft.pages)
        below = list(draft.subtopics)
        while below:  # Deeper levels are flattened.
            deeper = below.pop()
            inside += deeper.pages
            below += deeper.subtopics
        pages = self._claim_pages(inside)
        return self._new_topic(draft, "s_", pages, (), pages) if pages else None

    def _claim_pages(self, given: Sequence[str]) -> tuple[str, ...]:
        pages = {self.names.page_by_alias[name] for name in given if name in self.names.page_by_alias} - self.placed
        self.placed |= pages
        return tuple(sorted(pages, key=lambda page: self.place[page]))

    def _new_topic(
        self,
        draft: DraftTopic,
        prefix: str,
        direct: tuple[str, ...],
        parts: tuple[OutlineTopic, ...],
        inside: tuple[str, ...],
    ) -> OutlineTopic:
        known = self.names.topic_by_alias.get(draft.id, "")
        first = min(inside, key=lambda page: self.place[page])
        topic_id = known if known.startswith(prefix) else prefix + first.removeprefix("p_")
        number, wanted = 2, topic_id
        while topic_id in self.ids:
            topic_id, number = f"{wanted}_{number}", number + 1
        self.ids.add(topic_id)
        if draft.id:
            self.by_name.setdefault(draft.id, topic_id)
        self.by_name.setdefault(collapse_whitespace(draft.label).casefold(), topic_id)
        old = self.old.get(known)
        label = shorten(strip_markup(draft.label), MAX_TOPIC_LABEL_CHARS) or (old.label if old else "Topic")
        kin = Counter(self.old_of_page[page] for page in inside)
        main = self.old[kin.most_common(1)[0][0]] if kin else None
        return OutlineTopic(
            id=topic_id,
            label=label,
            description=shorten(strip_markup(draft.summary), 240) or (old.description if old else ""),
            keywords=clean_keywords(draft.keywords) or (old.keywords if old else ()),
            page_ids=direct,
            subtopics=parts,
            evidence=self._evidence(draft, label, inside),
            searches=main.searches if main and prefix == "t_" else (),
        )

    def _evidence(self, draft: DraftTopic, label: str, inside: Sequence[str]) -> tuple[Evidence, ...]:
        """Quotes for the label that are known to stand in the pages; the model only chooses among them."""
        wanted = {collapse_whitespace(claim.text) for claim in draft.quotes}
        known = [quote for page in inside if page in self.notes for quote in self.notes[page].evidence]
        ranked = sorted(
            range(len(known)),
            key=lambda n: (
                not supports_label(label, known[n].quote),
                collapse_whitespace(known[n].quote) not in wanted,
                n,
            ),
        )
        chosen: list[Evidence] = []
        for n in ranked:
            if len(chosen) == 3 or (chosen and not supports_label(label, known[n].quote)):
                break
            chosen.append(known[n].model_copy(update={"supports": "label"}))
        return tuple(chosen)

    def restore_missing_pages(self, topics: list[OutlineTopic]) -> list[OutlineTopic]:
        """Pages the draft names nowhere go where most of their old topic went, or keep that topic."""
        went: dict[str, Counter[int]] = {}
        for number, topic in enumerate(topics):
            for page in topic.all_page_ids():
                went.setdefault(self.old_of_page[page], Counter())[number] += 1
        for old in self.skeleton.topics:
            lost = [page for page in old.all_page_ids() if page not in self.placed]
            if not lost:
                continue
            self.placed.update(lost)
            if old.id in went:
                number = went[old.id].most_common(1)[0][0]
                direct = sorted((*topics[number].page_ids, *lost), key=lambda page: self.place[page])
                topics[number] = replace(topics[number], page_ids=tuple(direct))
            else:
                kept = set(lost)
                parts = tuple(
                    replace(part, page_ids=tuple(p for p in part.page_ids if p in kept))
                    for part in old.subtopics
                    if kept & set(part.page_ids)
                )
                topics.append(replace(old, page_ids=tuple(p for p in old.page_ids if p in kept), subtopics=parts))
        return topics

    def topic_ids_by_name(self, topics: Sequence[OutlineTopic]) -> dict[str, str]:
        """What a link may name a topic by: its short name, its label."""
        return {**{collapse_whitespace(t.label).casefold(): t.id for t in topics}, **self.by_name}


def _links(
    drafted: Sequence[DraftLink], ends: Mapping[str, str], old: Sequence[CrossLink], known: set[str]
) -> tuple[CrossLink, ...]:
    links: dict[frozenset[str], CrossLink] = {}

    def find(end: str) -> str | None:
        return ends.get(end) or ends.get(collapse_whitespace(end).casefold())

    for link in drafted[:8]:
        source, target = find(link.source), find(link.target)
        if source and target and source != target:
            label = shorten(strip_markup(link.reason), 60)
            links.setdefault(frozenset((source, target)), CrossLink(source, target, 0.5, (), label))
    for known_link in old:
        if known_link.source in known and known_link.target in known:
            links.setdefault(frozenset((known_link.source, known_link.target)), known_link)
    return tuple(links.values())


def split_outline(skeleton: Outline, max_pages: int) -> list[Outline]:
    """`skeleton` in parts of at most `max_pages`, topics kept whole where they fit."""
    groups: list[list[OutlineTopic]] = [[]]
    size = 0
    for topic in skeleton.topics:
        for piece in _split_topic(topic, max_pages):
            num_pages = len(piece.all_page_ids())
            if size + num_pages > max_pages and groups[-1]:
                groups.append([])
                size = 0
            groups[-1].append(piece)
            size += num_pages
    return [_restricted_to(skeleton, group) for group in groups if group]


def _split_topic(topic: OutlineTopic, max_pages: int) -> list[OutlineTopic]:
    if len(topic.all_page_ids()) <= max_pages:
        return [topic]
    pieces = [replace(part, id="t_" + part.id.removeprefix("s_")) for part in topic.subtopics]
    if topic.page_ids:
        pieces.insert(0, replace(topic, subtopics=()))
    cut = []
    for piece in pieces:
        for start in range(0, len(piece.page_ids), max_pages):
            pages = piece.page_ids[start : start + max_pages]
            name = piece.id if start == 0 else "t_" + pages[0].removeprefix("p_")
            cut.append(replace(piece, id=name, page_ids=pages))
    return cut


def _restricted_to(skeleton: Outline, topics: Sequence[OutlineTopic]) -> Outline:
    inside = {page for topic in topics for page in topic.all_page_ids()}
    return replace(
        skeleton,
        topics=tuple(topics),
        annotations=tuple(note for note in skeleton.annotations if note.page_id in inside),
        excluded_pages=(),
        cross_links=(),
    )


def join_outlines(skeleton: Outline, parts: Sequence[Outline]) -> Outline:
    """The parts of a `split` outline as one, before topics that are the same subject are brought together."""
    ids: set[str] = set()
    topics = []
    for topic in (topic for part in parts for topic in part.topics):
        name, number = topic.id, 2
        while name in ids:
            name, number = f"{topic.id}_{number}", number + 1
        ids.add(name)
        topics.append(replace(topic, id=name))
    known = {topic.id for topic in topics} | set(skeleton.placed_page_ids())
    links = [link for part in parts for link in part.cross_links] + list(skeleton.cross_links)
    return replace(
        skeleton,
        topics=tuple(topics),
        cross_links=_links((), {}, links, known),
        stability=None,
    )


def apply_merge_draft(outline: Outline, draft: MergedDraft, names: Mapping[str, OutlineTopic]) -> Outline:
    """`outline` with the topics joined that `draft` says are one subject; forgotten ones stay as they are."""
    used: set[str] = set()
    topics: list[OutlineTopic] = []
    ends: dict[str, str] = {}
    for one in draft.topics:
        members = [names[name] for name in dict.fromkeys(one.ids) if name in names and name not in used]
        used.update(one.ids)
        if not members:
            continue
        first = members[0]
        topic = replace(
            first,
            label=shorten(strip_markup(one.label), MAX_TOPIC_LABEL_CHARS) or first.label,
            description=shorten(strip_markup(one.summary), 240) or first.description,
            keywords=clean_keywords(one.keywords) or first.keywords,
            page_ids=tuple(page for member in members for page in member.page_ids),
            subtopics=tuple(part for member in members for part in member.subtopics),
            evidence=tuple(quote for member in members for quote in member.evidence)[:3],
            searches=tuple(dict.fromkeys(query for member in members for query in member.searches)),
        )
        topics.append(topic)
        ends[collapse_whitespace(one.label).casefold()] = topic.id
    topics += [topic for name, topic in names.items() if name not in used]
    known = {topic.id for topic in topics} | {p.id for t in topics for p in t.subtopics}
    return replace(
        outline,
        title=shorten(strip_markup(draft.title), 120) or outline.title,
        summary=shorten(strip_markup(draft.summary), 400) or outline.summary,
        topics=tuple(topics),
        cross_links=_links(draft.links, ends, outline.cross_links, known | set(outline.placed_page_ids())),
        evidence=tuple(quote for topic in topics for quote in topic.evidence[:1])[:4],
    )
