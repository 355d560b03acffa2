"""Parses and validates model responses: JSON, schema, ids, and whether code can repair the rest.

A problem is a sentence for the repair prompt. It contains our aliases and counts, never page text.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cluster.providers.prompting.prompts import DESCRIBE_INSTRUCTIONS, OUTLINE_INSTRUCTIONS, PromptAliases
from cluster.providers.types import PageDescription, PagePayload
from models.text import collapse_whitespace, shorten, strip_emphasis, strip_markup

MAX_RESPONSE_CHARS = 400_000
_PROMPT_WORD = re.compile(r"[^\W_]+")
#: Fewer words of the prompt in a row can be a page's subject.
_MIN_ECHO_WORDS = 4
_INSTRUCTION_WORDS = f" {' '.join(_PROMPT_WORD.findall((DESCRIBE_INSTRUCTIONS + OUTLINE_INSTRUCTIONS).casefold()))} "


class _ResponseModel(BaseModel):
    # Strict about types; unknown fields are ignored.
    model_config = ConfigDict(extra="ignore", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        """A field that is null is a field that is missing."""
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value

    @field_validator("keywords", mode="before", check_fields=False)
    @classmethod
    def _split_keywords(cls, value: Any) -> Any:
        """Small models write a list of words as one text."""
        return re.split(r"\s*[,;、，]\s*", value.strip()) if isinstance(value, str) else value


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
    """The problems of a response. `repairable` ones can be repaired by code when a second attempt fails too."""

    fatal: tuple[str, ...] = ()
    repairable: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """All problems, fatal ones first."""
        return self.fatal + self.repairable


ResponseT = TypeVar("ResponseT", bound=_ResponseModel)


# Reasoning models on servers that do not strip the reasoning; some strip the opening tag only.
_THINK_BLOCK = re.compile(r"\A(?:<think(?:ing)?>)?(?:(?!<think).){0,200000}?</think(?:ing)?>", re.DOTALL)
_FENCE = re.compile(r"```[\w-]*[ \t]*\n?(.*?)```", re.DOTALL)
#: Small models break lines inside strings.
_DECODER = json.JSONDecoder(strict=False)
_TRAILING_COMMA = re.compile(r",(?=\s*[\]}])")
#: Places where a JSON value may begin in an answer with prose around it.
_MAX_STARTS = 40
_MAX_FIELDS = 8


def parse_response(text: str, shape: type[ResponseT], *, is_truncated: bool) -> tuple[ResponseT | None, Validation]:
    """The response as `shape`, or None with the reason.

    Right JSON is accepted in odd wrapping: after a `<think>` block, in a code fence between prose, between prose alone,
    as a JSON string, in a field of another object, as the bare list, as its entries alone, or with commas at the ends.
    """
    if is_truncated:
        return None, Validation(("The answer was cut off: be shorter.",))
    if len(text) > MAX_RESPONSE_CHARS:
        return None, Validation(("The answer is far too long.",))
    body = _THINK_BLOCK.sub("", text.strip().lstrip("\ufeff")).strip()
    try:
        return shape.model_validate_json(body), Validation()
    except ValidationError as error:
        for value in _wrapped_values(body):
            if (found := _as_shape(value, shape)) is not None:
                return found, Validation()
        first = error.errors(include_input=False, include_url=False)[0]
        if first["type"] == "json_invalid":
            return None, Validation(("The answer is not valid JSON.",))
        # Only field names of our schema: a name invented by the model must not be repeated.
        path = ".".join(str(part) for part in first["loc"] if isinstance(part, int) or part in _FIELDS)
        return None, Validation((f"The answer does not follow the schema at {path or 'the top'}: {first['type']}.",))


def _wrapped_values(body: str) -> Iterator[Any]:
    """The JSON values in `body`, the most likely answer first: later ones correct earlier ones."""
    for block in reversed(_FENCE.findall(body)):
        with contextlib.suppress(ValueError, RecursionError):
            yield _DECODER.decode(block.strip())
    values = _values_in(body)
    yield from reversed(values)
    # One entry a line, without the list around them.
    yield [value for value in values if isinstance(value, dict)]
    if _TRAILING_COMMA.search(body):
        yield from reversed(_values_in(_TRAILING_COMMA.sub("", body)))


def _values_in(body: str) -> list[Any]:
    """The JSON values in `body`, in order."""
    values: list[Any] = []
    position, num_starts = 0, 0
    while num_starts < _MAX_STARTS and (match := re.compile(r'[{\["]').search(body, position)):
        num_starts += 1
        try:
            value, position = _DECODER.raw_decode(body, match.start())
        except (ValueError, RecursionError):
            position = match.start() + 1
            continue
        values.append(value)
    return values


def _as_shape(value: Any, shape: type[ResponseT], depth: int = 0) -> ResponseT | None:
    """`value`, or what it wraps, as `shape`."""
    with contextlib.suppress(ValidationError):
        return shape.model_validate(value)
    if depth == 3:
        return None
    if isinstance(value, str):
        with contextlib.suppress(ValueError, RecursionError):
            return _as_shape(json.loads(value), shape, depth + 1)
    elif isinstance(value, list):
        required = [name for name, field_ in shape.model_fields.items() if field_.is_required()]
        if value and len(required) == 1 and all(isinstance(item, dict) for item in value):
            return _as_shape({required[0]: value}, shape, 3)
    elif isinstance(value, dict):
        for inner in list(value.values())[:_MAX_FIELDS]:
            if (found := _as_shape(inner, shape, depth + 1)) is not None:
                return found
    return None


_FIELDS = {name for shape in (DescribedPage, DescribeResponse, DraftTopic, OutlineDraft) for name in shape.model_fields}


def validate_descriptions(
    response: DescribeResponse, payloads: Sequence[PagePayload]
) -> tuple[list[PageDescription], Validation]:
    """The usable descriptions, at most one per page, and the problems of the response."""
    payload_by_alias = {f"p{number}": payload for number, payload in enumerate(payloads, 1)}
    descriptions: dict[str, PageDescription] = {}
    num_unknown = num_repeated = num_echoes = 0
    for page in response.pages:
        payload = payload_by_alias.get(page.id)
        if payload is None:
            num_unknown += 1
        elif payload.page_id in descriptions:
            num_repeated += 1
        elif repeats_instructions(page.label):
            num_echoes += 1
        elif label := shorten(strip_emphasis(strip_markup(page.label)), 68):
            descriptions[payload.page_id] = PageDescription(
                page_id=payload.page_id,
                label=label,
                description=shorten(strip_markup(page.summary), 240),
                keywords=clean_keywords(page.keywords),
                quote=page.quote[:400],
            )
    problems = []
    missing = [alias for alias, payload in payload_by_alias.items() if payload.page_id not in descriptions]
    if missing:
        problems.append(f"There is no entry with a label for: {', '.join(missing)}.")
    if num_unknown:
        problems.append(f"{num_unknown} entries have ids that are not in the document.")
    if num_repeated:
        problems.append(f"{num_repeated} entries repeat an id.")
    if num_echoes:
        problems.append(f"{num_echoes} labels repeat the instructions.")
    if not descriptions:
        return [], Validation(tuple(problems) or ("There are no pages in the answer.",))
    return list(descriptions.values()), Validation(repairable=tuple(problems))


def repeats_instructions(label: str) -> bool:
    """Whether a label is a piece of our own prompt, as small models give that copy what they do not understand."""
    words = _PROMPT_WORD.findall(label.casefold())
    return len(words) >= _MIN_ECHO_WORDS and f" {' '.join(words)} " in _INSTRUCTION_WORDS


@dataclass(slots=True)
class _Usage:
    """How a draft uses pages and labels."""

    num_unknown: int = 0
    num_repeated: int = 0
    pages: set[str] = field(default_factory=set)
    labels: Counter[str] = field(default_factory=Counter)

    def add(self, topics: Sequence[DraftTopic], known_aliases: Container[str], depth: int = 0) -> None:
        for topic in topics:
            self.labels[collapse_whitespace(topic.label).casefold()] += 1
            for alias in topic.pages:
                if alias not in known_aliases:
                    self.num_unknown += 1
                elif alias in self.pages:
                    self.num_repeated += 1
                else:
                    self.pages.add(alias)
            if depth < 4:
                self.add(topic.subtopics, known_aliases, depth + 1)


def validate_outline(draft: OutlineDraft, aliases: PromptAliases) -> Validation:
    """The problems of an outline: fatal when more than a fifth of the pages are missing or unknown."""
    usage = _Usage()
    usage.add(draft.topics, aliases.page_by_alias)
    num_pages = len(aliases.page_by_alias)
    missing = [alias for alias in aliases.page_by_alias if alias not in usage.pages]
    problems = _outline_problems(usage, missing)
    if not draft.topics:
        return Validation(("There are no topics.",))
    if len(draft.topics) > max(12, num_pages // 3):
        return Validation(("There are far too many topics.", *problems))
    if (len(missing) + usage.num_unknown) * 5 > num_pages:
        return Validation(tuple(problems))
    return Validation(repairable=tuple(problems))


def _outline_problems(usage: _Usage, missing: Sequence[str]) -> list[str]:
    problems = []
    if missing:
        problems.append(f"These pages stand nowhere: {', '.join(missing[:40])}.")
    if usage.num_unknown:
        problems.append(f"{usage.num_unknown} page ids are not in the document.")
    if usage.num_repeated:
        problems.append(f"{usage.num_repeated} page ids stand in more than one place.")
    if any(not label for label in usage.labels):
        problems.append("A topic has no label.")
    if any(count > 1 for label, count in usage.labels.items() if label):
        problems.append("Two topics have the same label.")
    return problems


def validate_merge(draft: MergedDraft, known: Sequence[str]) -> Validation:
    """The problems of a merged outline, of which `known` are the topic aliases; fatal when half of them is missing."""
    used = [alias for topic in draft.topics for alias in topic.ids]
    missing = [alias for alias in known if alias not in used]
    problems = []
    if missing:
        problems.append(f"These ids stand nowhere: {', '.join(missing[:40])}.")
    if len(set(used)) < len(used):
        problems.append("An id stands in more than one topic.")
    if set(used) - set(known):
        problems.append("There are ids that are not in the document.")
    if not draft.topics or len(missing) * 2 > len(known):
        return Validation(tuple(problems) or ("There are no topics.",))
    return Validation(repairable=tuple(problems))


def clean_keywords(keywords: Sequence[str], limit: int = 5) -> tuple[str, ...]:
    """At most `limit` distinct keywords without markup."""
    clean = (shorten(strip_markup(keyword[:200]), 40) for keyword in keywords[:20])
    return tuple(dict.fromkeys(keyword for keyword in clean if keyword))[:limit]
