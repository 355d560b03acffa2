"""Reading what a model answered, believing none of it: JSON, schema, ids, and how far it may be mended.

A problem is a sentence for the model's second attempt; it names our ids and counts, never page text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cluster.providers.prompting.prompts import PromptAliases
from cluster.providers.types import PageDescription, PagePayload
from models.text import collapse_whitespace, shorten, strip_markup

MAX_RESPONSE_CHARS = 400_000


class _ResponseModel(BaseModel):
    # Strict about types, lenient about extras: what we do not know is not read.
    model_config = ConfigDict(extra="ignore", strict=True)


class DescribedPage(_ResponseModel):
    id: str
    label: str
    summary: str = ""
    keywords: list[str] = Field(default_factory=list)
    quote: str = ""


class DescribeResponse(_ResponseModel):
    pages: list[DescribedPage]


class QuoteClaim(_ResponseModel):
    page: str
    text: str


class DraftTopic(_ResponseModel):
    id: str = ""
    label: str
    summary: str = ""
    keywords: list[str] = Field(default_factory=list)
    pages: list[str] = Field(default_factory=list)
    quotes: list[QuoteClaim] = Field(default_factory=list)
    subtopics: list[DraftTopic] = Field(default_factory=list)


class DraftLink(_ResponseModel):
    source: str = Field(alias="from")
    target: str = Field(alias="to")
    reason: str = ""


class OutlineDraft(_ResponseModel):
    title: str = ""
    summary: str = ""
    topics: list[DraftTopic]
    links: list[DraftLink] = Field(default_factory=list)


class MergedTopic(_ResponseModel):
    ids: list[str]
    label: str
    summary: str = ""
    keywords: list[str] = Field(default_factory=list)


class MergedDraft(_ResponseModel):
    title: str = ""
    summary: str = ""
    topics: list[MergedTopic]
    links: list[DraftLink] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Validation:
    """What is wrong with an answer. What is `mendable` alone may be put right by code when a second try fails too."""

    fatal: tuple[str, ...] = ()
    repairable: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """All of it, worst first."""
        return self.fatal + self.repairable


@dataclass(slots=True)
class _Counts:
    unknown: int = 0
    repeated: int = 0
    seen: set[str] = field(default_factory=set)


ResponseT = TypeVar("ResponseT", bound=_ResponseModel)


# Reasoning models on servers that do not take the thoughts out themselves.
_THINK_BLOCK = re.compile(r"\A<think>.*?</think>", re.DOTALL)


def parse_response(text: str, shape: type[ResponseT], *, is_truncated: bool) -> tuple[ResponseT | None, Validation]:
    """The answer as `shape`, or None and why not. Thoughts before the JSON and a fence around it are forgiven."""
    if is_truncated:
        return None, Validation(("The answer was cut off: be shorter.",))
    if len(text) > MAX_RESPONSE_CHARS:
        return None, Validation(("The answer is far too long.",))
    body = _THINK_BLOCK.sub("", text.strip()).strip()
    if body.startswith("```"):
        body = body.strip("`").removeprefix("json").strip()
    try:
        return shape.model_validate_json(body), Validation()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        if first["type"] == "json_invalid":
            return None, Validation(("The answer is not valid JSON.",))
        # Field names of our own schema; a name the model made up is not repeated.
        known = set(_FIELDS)
        place = ".".join(str(part) for part in first["loc"] if isinstance(part, int) or part in known)
        return None, Validation((f"The answer does not follow the schema at {place or 'the top'}: {first['type']}.",))


_FIELDS = {name for shape in (DescribedPage, DescribeResponse, DraftTopic, OutlineDraft) for name in shape.model_fields}


def validate_descriptions(
    found: DescribeResponse, payloads: Sequence[PagePayload]
) -> tuple[list[PageDescription], Validation]:
    """The descriptions that can be used, one a page, and what is wrong with the answer."""
    by_name = {f"p{number}": payload for number, payload in enumerate(payloads, 1)}
    told: dict[str, PageDescription] = {}
    unknown = repeated = empty = 0
    for page in found.pages:
        payload = by_name.get(page.id)
        if payload is None:
            unknown += 1
        elif payload.page_id in told:
            repeated += 1
        else:
            label = shorten(strip_markup(page.label), 68)
            if not label:
                empty += 1
                continue
            told[payload.page_id] = PageDescription(
                page_id=payload.page_id,
                label=label,
                description=shorten(strip_markup(page.summary), 240),
                keywords=clean_keywords(page.keywords),
                quote=page.quote[:400],
            )
    problems = []
    missing = [name for name, payload in by_name.items() if payload.page_id not in told]
    if missing:
        problems.append(f"There is no entry with a label for: {', '.join(missing)}.")
    if unknown:
        problems.append(f"{unknown} entries have ids that are not in the document.")
    if repeated:
        problems.append(f"{repeated} entries repeat an id.")
    if not told:
        return [], Validation(tuple(problems) or ("There are no pages in the answer.",))
    return list(told.values()), Validation(repairable=tuple(problems))


def validate_outline(draft: OutlineDraft, names: PromptAliases) -> Validation:
    """What is wrong with an outline: fatal when it lost or made up more than a fifth of the pages."""
    counts = _Counts()
    labels: Counter[str] = Counter()

    def walk(topics: Sequence[DraftTopic], depth: int) -> None:
        for topic in topics:
            labels[collapse_whitespace(topic.label).casefold()] += 1
            for page in topic.pages:
                if page not in names.page_by_alias:
                    counts.unknown += 1
                elif page in counts.seen:
                    counts.repeated += 1
                else:
                    counts.seen.add(page)
            if depth < 4:
                walk(topic.subtopics, depth + 1)

    walk(draft.topics, 0)
    total = len(names.page_by_alias)
    missing = [name for name in names.page_by_alias if name not in counts.seen]
    problems = []
    if missing:
        problems.append(f"These pages stand nowhere: {', '.join(missing[:40])}.")
    if counts.unknown:
        problems.append(f"{counts.unknown} page ids are not in the document.")
    if counts.repeated:
        problems.append(f"{counts.repeated} page ids stand in more than one place.")
    if any(not label for label in labels):
        problems.append("A topic has no label.")
    if any(count > 1 for label, count in labels.items() if label):
        problems.append("Two topics have the same label.")
    if not draft.topics:
        return Validation(("There are no topics.",))
    if len(draft.topics) > max(12, total // 3):
        return Validation(("There are far too many topics.", *problems))
    if (len(missing) + counts.unknown) * 5 > total:
        return Validation(tuple(problems))
    return Validation(repairable=tuple(problems))


def validate_merge(draft: MergedDraft, known: Sequence[str]) -> Validation:
    """What is wrong with a merged outline; topics it forgot can be kept as they were."""
    given = [name for topic in draft.topics for name in topic.ids]
    missing = [name for name in known if name not in given]
    problems = []
    if missing:
        problems.append(f"These ids stand nowhere: {', '.join(missing[:40])}.")
    if len(set(given)) < len(given):
        problems.append("An id stands in more than one topic.")
    if set(given) - set(known):
        problems.append("There are ids that are not in the document.")
    if not draft.topics or len(missing) * 2 > len(known):
        return Validation(tuple(problems) or ("There are no topics.",))
    return Validation(repairable=tuple(problems))


def clean_keywords(words: Sequence[str], limit: int = 5) -> tuple[str, ...]:
    """Keywords fit to be shown."""
    clean = (shorten(strip_markup(word[:200]), 40) for word in words[:20])
    return tuple(dict.fromkeys(word for word in clean if word))[:limit]
