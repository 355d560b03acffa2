"""Labels for topics: the phrase that is common inside a topic, rare outside, and used in titles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from cluster.mindmap.clustering.corpus import IntArray
from cluster.mindmap.clustering.similarity import MIN_VECTOR_SHARE
from cluster.mindmap.outline.label_checks import EMPTY_WORDS, PageWording, label_problems, title_share
from cluster.mindmap.outline.phrases import PhraseCandidate, PhraseIndex, WordSequence, phrase_key
from cluster.mindmap.pages.evidence import content_words, label_evidence, supports_words
from cluster.mindmap.pages.places import board_of, community_of
from cluster.mindmap.text.language import hangul_share
from cluster.mindmap.text.meaning import SentenceEncoder, lower_quartile_cosine, mean_cosine, mean_vector
from cluster.mindmap.text.stop_words import is_function_word
from cluster.mindmap.text.words import (
    FILLER_WORDS,
    GENERIC_WORDS,
    KOREAN_STOP_WORDS,
    PLATFORM_NAMES,
    SITE_NAME_STOP_WORDS,
    STOP_WORDS,
    VERSION_WORDS,
    stem,
)
from models.text import shorten, strip_markup
from models.words import find_words, iter_words, unspaced_length

MAX_TOPIC_WORDS, MAX_TOPIC_CHARS = 4, 36
#: The same for scripts without blanks: about four words of Chinese, and as many Thai words as fit.
MAX_UNSPACED_CHARS, MAX_UNSPACED_WORDS = 12, 6
MAX_KEYWORDS = 6
MIN_NAME_COVERAGE = 0.4  # A proper name is a label of its own from this share of the pages on.
MAIN_NAME_COVERAGE, MIN_NAMED_PAGES = 0.5, 8  # From here on a name belongs to the label of a whole manual.
MIN_SINGLE_COVERAGE = 0.55  # A phrase on a smaller share of the pages is combined with a second one.
CONFIDENT_SCORE = 0.9  # A single common word with a lower score is combined with a second phrase, too.
HOST_NAME_SCORE = 0.45  # High enough to win when the pages have little else in common.
MIN_SITE_NAME_USE = 0.25
MAX_SITE_SHARE_OUTSIDE = 0.15  # A site name that more of the other pages have does not distinguish the topic.
_MAX_OPTIONS = 12
#: Half of a label's words must stand in the titles of this share of the pages; for a sub-topic it is a condition.
MIN_TITLE_SHARE = 0.5
MIN_SUBTOPIC_PAGES = 3
#: The cosine to the mean of the pages of a label that says nothing about them, and of one that names their subject.
UNRELATED_LABEL, SUBJECT_LABEL = 0.12, 0.42
#: The factor of a label that says nothing about the pages.
MEANING_FLOOR = 0.05
#: From this cosine on a label is related to its pages.
RELATED_LABEL, NEAR_LABEL = 0.2, 0.3
#: Options that are compared with what the pages are about, which takes milliseconds for each.
_MAX_COMPARED, _MIN_COMPARED_SCORE = 8, 0.1
#: What no title says is rarely what a reader would call the pages.
NO_TITLE_FACTOR, LEAST_TITLE_FACTOR = 0.7, 0.7
#: Where the meaning of a label is known, how often its pages use it counts less.
FREQUENCY_POWER = 0.5
#: The same for fewer pages than `MIN_NAMED_PAGES`, on which a phrase is frequent by chance: meaning, and on how many of
#: the pages the phrase is, count more. The name of a subject ("Sleep apnea") need not be on all of them.
FEW_PAGES_FREQUENCY_POWER, COVERAGE_POWER = 0.1, 0.6
FEW_PAGES_UNRELATED_LABEL, FEW_PAGES_SUBJECT_LABEL, FEW_PAGES_TITLE_FACTOR = 0.05, 0.35, 0.9
#: Of two or three pages the lower quartile of the cosines counts: the mean is high for what one of them is about.
MAX_PAGES_BY_QUARTILE, QUARTILE_UNRELATED_LABEL, QUARTILE_SUBJECT_LABEL = 3, -0.05, 0.3
#: Of few pages, the best candidates by frequency, and the next that are on several pages: what texts call the subject
#: ("knife" of pages about edges and whetstones) is far behind what single titles say.
_MAX_FEW_PAGES, _MAX_ON_SEVERAL_PAGES, _MAX_EXAMINED = 16, 12, 60
#: The score of the name of a community, which its members chose for its subject.
COMMUNITY_SCORE, MIN_COMMUNITY_CHARS, MIN_BOARD_CHARS = 1.0, 3, 2
#: Words of the beginning of a page that are compared with the compounds of others, and how many are candidates.
_COMPOUND_WORDS, _MAX_COMPOUND_PARTS = 80, 8
#: The score of a noun that several pages have, if only inside compounds.
COMPOUND_PART_SCORE = 0.5
#: The same for words that say nothing alone.
EMPTY_WORDS_FACTOR = 0.3
#: More than a label can have.
_MAX_PROBLEMS = 100
_EMPTY_WORDS = EMPTY_WORDS | FILLER_WORDS
#: A word beside which so many titles always have the same other word is part of their phrase.
MIN_TITLES_OF_PHRASE = 3

#: Words that extend no name, even if all titles have them beside it.
_NO_PART_OF_NAMES = STOP_WORDS | KOREAN_STOP_WORDS | VERSION_WORDS
#: Pages of a large topic with which its possible labels are checked.
_MAX_PAGES_CHECKED = 40

_WORDS = re.compile(r"\w+")
_VERSION_END = re.compile(rf"(?<=\w)\s+(?:{'|'.join(sorted(VERSION_WORDS))})$", re.IGNORECASE)
_VERSION = re.compile(r"\bv?\d+(\.\d+)*(\.x)?\b")
_TRAILING_FUNCTION_WORDS = frozenset(("of", "and", "the", "a", "to", "in", "for", "with", "on", "및", "와"))


@dataclass(frozen=True, slots=True)
class _LabelOption:
    """A possible label. `coverage` is the share of the group's pages that contain it.

    `is_standalone`: good enough to be the second half of a label. `is_proper_name`: the name of a product, place or
    work.
    """

    score: float
    text: str
    coverage: float
    is_standalone: bool
    is_proper_name: bool
    #: How near the label is to what the pages are about (`_by_meaning`); None where that is not known.
    meaning: float | None = None
    #: What a site or its host is called: most titles of a manual leave it out.
    is_site_name: bool = False


class TopicLabeler:
    """Gives every group of a session's pages a label that no other group has. Groups labelled first choose first."""

    def __init__(self, index: PhraseIndex, encoder: SentenceEncoder | None = None) -> None:
        """`encoder` compares labels with what the pages are about; without it, labels are chosen by words alone."""
        self._index = index
        self._encoder = encoder
        self._corpus = index.corpus
        self._title_words = [content_words(page.title) for page in self._corpus.pages]
        self._used_labels: set[str] = set()
        self._wordings: dict[int, PageWording] = {}

    def label(self, pages: IntArray, *, rivals: IntArray, parent: str = "") -> tuple[str, tuple[str, ...]]:
        """A label for the group `pages` that distinguishes it from `rivals`, and up to six keywords.

        `pages` and `rivals` are rows of the corpus; `parent` is the label of the topic whose sub-topic is labelled. A
        sub-topic whose pages have nothing in common that their titles say has the empty label.
        """
        sequences = self._index.word_sequences(pages)
        candidates = self._index.candidates(
            pages, rivals=rivals, korean=self._is_korean(pages), avoid=self.words_to_avoid(parent)
        )
        keywords = self._keywords(candidates, sequences)
        vectors = [] if parent else self._meanings(pages)
        if vectors and len(pages) < MIN_NAMED_PAGES:
            options = self._by_meaning_and_coverage(self._few_pages_options(pages, rivals, sequences), vectors, pages)
        else:
            options = [self._option(candidate, sequences) for candidate in self._with_longer_phrases(candidates)]
            if not parent:
                options += self._site_name_options(pages, rivals)
                options += self._host_name_options(pages, rivals, sequences)
            options = self._by_titles(options, pages, parent)
            if vectors:
                options = self._by_meaning(options, mean_vector(vectors))
        label = self._choose_label(options, pages, is_subtopic=bool(parent))
        if parent and not label:
            return "", keywords
        if not label or not self._is_unused(label) or len(pages) == 1:
            label = self._fallback_label(label, options, pages)
        self._used_labels.add(_normalize(label))
        return label, keywords

    def release(self, label: str) -> None:
        """Let a label that was given to a group, but is not used, be given to another one."""
        self._used_labels.discard(_normalize(label))

    def _by_titles(self, options: Sequence[_LabelOption], pages: IntArray, parent: str) -> list[_LabelOption]:
        """The options, best first; those that few titles say count less, and do not name a sub-topic.

        A reader checks a label against the titles below it. Words of the parent's label say nothing new.
        """
        parent_words = content_words(parent)
        kept = []
        for option in options:
            share = self._title_share(option.text, pages)
            if self._belongs_to_numbers(option.text, pages):
                continue
            if parent and (
                share < MIN_TITLE_SHARE
                or all(word.lower() in _EMPTY_WORDS for word in find_words(option.text))
                or content_words(option.text) & parent_words
                or _letters(option.text) in _letters(parent)
            ):
                continue
            factor = 1.0
            if not parent:
                least = LEAST_TITLE_FACTOR if share else NO_TITLE_FACTOR
                factor = least + (1 - LEAST_TITLE_FACTOR) * min(1.0, share / MIN_TITLE_SHARE)
            kept.append(replace(option, score=round(option.score * factor, 9)))
        return sorted(kept, key=lambda option: (-option.score, option.text))

    def _by_meaning(self, options: Sequence[_LabelOption], mean: IntArray) -> list[_LabelOption]:
        """The options of a topic of many pages, best first; those that are far from `mean` count less.

        `mean` is what the pages are about. What a subject is called ("sourdough", "캠핑") is nearer to it than what the
        pages have in common by chance ("week", the name of a shop, a word of an interface).
        """
        best = max((option.score for option in options), default=0.0)
        compared = []
        for number, option in enumerate(options):
            is_compared = number < _MAX_COMPARED and option.score >= _MIN_COMPARED_SCORE * best
            nearness = mean_cosine(self._vector(option), mean) if is_compared or _names_platform(option.text) else None
            # The model has not learnt every name of a product: one that most pages use is near to them.
            known = max(nearness or 0.0, NEAR_LABEL) if _is_main_name(option) else nearness or 0.0
            score = round(max(0.0, option.score) ** FREQUENCY_POWER * _meaning_factor(known), 9)
            compared.append(replace(option, score=score, meaning=nearness))
        return sorted(compared, key=lambda option: (-option.score, option.text))

    def _by_meaning_and_coverage(
        self, options: Sequence[_LabelOption], vectors: Sequence[bytes], pages: IntArray
    ) -> list[_LabelOption]:
        """The options of a topic of few pages, whose meanings are `vectors`, best first.

        A phrase of one title is as near to the pages as the name of their subject when it is long. The name is on more
        of them, if only in their texts.
        """
        compared = []
        is_by_quartile, mean = len(vectors) <= MAX_PAGES_BY_QUARTILE, mean_vector(vectors)
        for option in options:
            # A tag or a section before a title, and a part of a Korean compound, are no words of the page.
            coverage = max(option.coverage, len(self._titles_with(option.text, pages)) / len(pages))
            # The model has not learnt every name: one that all pages use is related to them.
            is_on_all = len(pages) > 1 and coverage == 1.0 and not _names_platform(option.text)
            least = RELATED_LABEL if is_on_all else -1.0
            if is_by_quartile:
                nearness = lower_quartile_cosine(self._vector(option), vectors)
                factor = _meaning_factor(max(nearness, least), QUARTILE_UNRELATED_LABEL, QUARTILE_SUBJECT_LABEL)
            else:
                nearness = mean_cosine(self._vector(option), mean)
                factor = _meaning_factor(max(nearness, least), FEW_PAGES_UNRELATED_LABEL, FEW_PAGES_SUBJECT_LABEL)
            share = min(1.0, self._title_share(option.text, pages) / MIN_TITLE_SHARE)
            score = max(0.0, option.score) ** FEW_PAGES_FREQUENCY_POWER * coverage**COVERAGE_POWER
            score *= factor
            score *= FEW_PAGES_TITLE_FACTOR + (1 - FEW_PAGES_TITLE_FACTOR) * share
            if all(word.lower() in _EMPTY_WORDS for word in find_words(option.text)):
                score *= EMPTY_WORDS_FACTOR
            compared.append(replace(option, score=round(score, 9), meaning=nearness))
        # Of options that are as good, the nearer one: the factor is the same for all that are near enough.
        return sorted(compared, key=lambda option: (-option.score, -(option.meaning or 0.0), option.text))

    def _vector(self, option: _LabelOption) -> bytes:
        """What a label means; empty for a platform, which would be near to everything in it."""
        assert self._encoder is not None
        return b"" if _names_platform(option.text) else self._encoder.encode(option.text)

    def _few_pages_options(
        self, pages: IntArray, rivals: IntArray, sequences: Sequence[WordSequence]
    ) -> list[_LabelOption]:
        """Phrases of the pages, also of single ones: few pages often have no word in common that names the subject."""
        candidates = self._index.candidates(
            pages, rivals=rivals, korean=self._is_korean(pages), avoid=frozenset(), limit=_MAX_EXAMINED, min_pages=1
        )
        on_several = [c for c in candidates[_MAX_FEW_PAGES:] if c.coverage * len(pages) >= 2]
        candidates = [*candidates[:_MAX_FEW_PAGES], *on_several[:_MAX_ON_SEVERAL_PAGES]]
        options: dict[str, _LabelOption] = {}
        for option in (
            *(
                self._option(candidate, sequences)
                for candidate in candidates
                if candidate.coverage * len(pages) < 2 or not self._is_part_of_phrase(candidate, candidates)
            ),
            *self._site_name_options(pages, rivals),
            *self._host_name_options(pages, rivals, sequences),
            *self._community_options(pages),
            *self._compound_part_options(pages),
        ):
            # One page does not tell whether the last syllable is a particle or an ending.
            is_of_one_page = option.coverage * len(pages) < 2
            is_cut = is_of_one_page and _KOREAN_ENDING.search(option.text)
            if not is_cut and not self._belongs_to_numbers(option.text, pages):
                options.setdefault(_normalize(option.text), option)
        return list(options.values())

    def _meanings(self, pages: IntArray) -> list[bytes]:
        """The vectors of the pages; empty when most of them have none by the model of the encoder."""
        if self._encoder is None:
            return []
        found = [self._corpus.pages[int(i)].meaning for i in pages]
        vectors = [page.vector for page in found if page.vector and page.model == self._encoder.model]
        return vectors if len(vectors) >= MIN_VECTOR_SHARE * len(pages) else []

    def _title_share(self, text: str, pages: IntArray) -> float:
        """The share of `pages` whose titles contain at least half of the words of `text`."""
        words = content_words(text)
        return sum(1 for i in pages if supports_words(words, self._title_words[int(i)])) / len(pages)

    def _belongs_to_numbers(self, text: str, pages: IntArray) -> bool:
        """Whether pages have the text only directly behind digits, as their unit: "개월 아기" of "6개월 아기"."""
        members = [self._corpus.pages[int(i)] for i in pages]
        passages = [part.text for page in members[:MIN_NAMED_PAGES] for part in page.passages]
        for parts in ([page.title for page in members], passages):
            places = [(part, at) for part in parts if (at := part.find(text)) >= 0]
            if places:
                return all(part[at - 1 : at].isdigit() for part, at in places)
        return False

    def _whole_phrase(self, text: str, pages: IntArray) -> str:
        """`text` with the words that titles always have beside it: "Home Brewing Handbook" instead of "Brewing".

        "정원" is no name of a drama that all titles call "푸른 정원".
        """
        while True:
            longer = _with_constant_neighbour(text, [self._corpus.pages[int(i)].title for i in pages])
            if not longer or not _is_short_enough(longer):
                return text
            text = longer

    def _titles_with(self, text: str, pages: IntArray) -> set[int]:
        """The pages whose titles contain all words of `text`, Korean ones also inside compounds (고정금리)."""
        words = [stem(word.lower()) for word in find_words(text)]
        found = set()
        for i in pages.tolist():
            title = self._corpus.pages[i].title.lower()
            title_words = {stem(word) for word in find_words(title)}
            if all(word in title_words or (not word.isascii() and word in title) for word in words):
                found.add(i)
        return found

    def _is_korean(self, pages: IntArray) -> bool:
        """Whether most pages are in Korean, or their titles are mostly in Hangul."""
        num_korean = sum(1 for i in pages if self._corpus.pages[i].language == "ko")
        titles = " ".join(self._corpus.core_titles[i] for i in pages)
        return num_korean * 2 > len(pages) or hangul_share(titles) > 0.5

    def words_to_avoid(self, parent: str) -> frozenset[str]:
        """The words of the parent's label, as written and as label terms."""
        lexicon = self._corpus.lexicon
        words = parent.split()
        term_ids = [lexicon.label_term_ids[lexicon.spelling_index[w]] for w in words if w in lexicon.spelling_index]
        terms = {lexicon.label_terms[term] for term in term_ids if term >= 0}
        return frozenset(word.lower() for word in words) | terms

    def _option(self, candidate: PhraseCandidate, sequences: Sequence[WordSequence]) -> _LabelOption:
        return _LabelOption(
            score=candidate.score,
            text=self._index.most_common_spelling(candidate.key, sequences),
            coverage=candidate.coverage,
            is_standalone=self._index.is_standalone_noun(candidate.key),
            is_proper_name=self._index.is_proper_name(candidate.key),
        )

    def _with_longer_phrases(self, candidates: Sequence[PhraseCandidate]) -> list[PhraseCandidate]:
        """The best candidates, each replaced by a longer phrase that contains it and scores nearly as high.

        Similar to the C-value (Frantzi, Ananiadou and Mima 2000): a term that mostly occurs inside a longer one is
        represented by the longer one.
        """
        chosen: dict[int, PhraseCandidate] = {}
        for candidate in candidates[:_MAX_OPTIONS]:
            longer = next(
                (o for o in self._longer_phrases(candidate, candidates) if o.score >= 0.62 * candidate.score), None
            )
            best = PhraseCandidate(longer.key, candidate.score, longer.coverage) if longer is not None else candidate
            chosen.setdefault(best.key, best)
        return list(chosen.values())

    def _longer_phrases(
        self, candidate: PhraseCandidate, candidates: Sequence[PhraseCandidate]
    ) -> Iterator[PhraseCandidate]:
        """The candidates that contain the words of `candidate`, in order."""
        terms = self._index.terms(candidate.key)
        for other in candidates:
            other_terms = self._index.terms(other.key)
            if len(other_terms) > len(terms) and _contains_sequence(other_terms, terms):
                yield other

    def _is_part_of_phrase(self, candidate: PhraseCandidate, candidates: Sequence[PhraseCandidate]) -> bool:
        """Whether all pages with a phrase have it inside the same longer one."""
        return any(longer.coverage == candidate.coverage for longer in self._longer_phrases(candidate, candidates))

    def _choose_label(self, options: Sequence[_LabelOption], pages: IntArray, *, is_subtopic: bool) -> str:
        """The best option, or for a topic a combination of it with a second one; empty when no option is usable."""
        formatted = [
            replace(option, text=_format_label(self._whole_phrase(option.text, pages)))
            if number < _MAX_COMPARED
            else replace(option, text=_format_label(option.text))
            for number, option in enumerate(options)
        ]
        usable = [option for option in formatted if option.text and self._is_unused(option.text)]
        if not usable:
            return ""
        # Only where pages have vectors: without them, the order of the options says too little.
        is_checked = usable[0].meaning is not None and not is_subtopic and self._is_checked(pages)
        best = self._first_without_problems(usable, pages) if is_checked else usable[0]
        has_name = len(pages) >= MIN_NAMED_PAGES and any(_is_main_name(option) for option in usable[:8])
        if (
            is_subtopic
            or (not has_name and self._names_the_subject(best, pages))
            or (best.is_proper_name and best.coverage >= MIN_NAME_COVERAGE)
        ):
            return best.text
        combined = "" if best.is_proper_name else self._combined_with_name(best, usable[1:8])
        is_weak = best.coverage < MIN_SINGLE_COVERAGE or (best.score < CONFIDENT_SCORE and " " not in best.text)
        if not combined and is_weak:
            covered = self._titles_with(best.text, pages)
            # A second half is worth its place where it names pages that the first does not, and the other way round.
            dividing = [
                other
                for other in usable[1:6]
                if (other.meaning is None or other.meaning >= RELATED_LABEL)
                and (also := self._titles_with(other.text, pages)) - covered
                and covered - also
            ]
            # Two halves of few pages are rarely a better name than what is nearest to all of them.
            is_chosen_by_meaning = best.meaning is not None and len(pages) < MIN_NAMED_PAGES
            combined = "" if is_chosen_by_meaning else self._combined_with_phrase(best, dividing)
        return combined if combined and not (is_checked and self._is_worse(combined, best.text, pages)) else best.text

    def _is_worse(self, label: str, other: str, pages: IntArray) -> bool:
        """Whether a label of two halves fails more checks than the first of them: one half may be on few pages."""
        wordings = [self._wording(int(i)) for i in self._checked_pages(pages)]
        return len(label_problems(label, wordings)) > len(label_problems(other, wordings))

    def _is_checked(self, pages: IntArray) -> bool:
        """Whether the labels of a topic are checked as a reader would: of few pages, and of most of a session.

        A large topic beside many others may mix several subjects, which the checks do not see. There frequency decides.
        """
        return len(pages) < MIN_NAMED_PAGES or 2 * len(pages) >= len(self._corpus.pages)

    @staticmethod
    def _checked_pages(pages: IntArray) -> IntArray:
        """The pages with which the possible labels of a topic are compared: of a large topic, some of them."""
        return pages[:: -(-len(pages) // _MAX_PAGES_CHECKED)]

    def _first_without_problems(self, options: Sequence[_LabelOption], pages: IntArray) -> _LabelOption:
        """The first option that a reader would not reject for its wording; if there is none, that with least problems.

        The checks are those of the map exam and of the labels of a model. One of them is that a quote supports it: the
        words of an interface are on many pages, but in no sentence. A label of many pages is one that half of their
        titles say, where there is one, or the name of their site if that comes first.
        """
        if len(pages) >= MIN_NAMED_PAGES and options[0].is_site_name:
            return options[0]
        checked = self._checked_pages(pages)
        wordings = [self._wording(int(i)) for i in checked]
        members = [self._corpus.pages[int(i)] for i in checked]
        best, least = options[0], _MAX_PROBLEMS
        for option in options:
            is_of_few_titles = len(pages) >= MIN_NAMED_PAGES and title_share(option.text, wordings) < MIN_TITLE_SHARE
            # Twice, so that the titles decide only among labels with as many problems.
            num_problems = 2 * len(label_problems(option.text, wordings)) + is_of_few_titles
            if num_problems < least and label_evidence(option.text, members, 1):
                best, least = option, num_problems
            if not least:
                break
        return best

    def _wording(self, page: int) -> PageWording:
        if page not in self._wordings:
            self._wordings[page] = PageWording.of_features(self._corpus.pages[page])
        return self._wordings[page]

    def _names_the_subject(self, option: _LabelOption, pages: IntArray) -> bool:
        """Whether nothing needs to be added to a label: it is what the pages are about, and their titles say so."""
        is_near = option.meaning is not None and option.meaning >= NEAR_LABEL
        return is_near and title_share(option.text, [self._wording(int(i)) for i in pages]) >= MIN_TITLE_SHARE

    def _combined_with_name(self, best: _LabelOption, others: Sequence[_LabelOption]) -> str:
        """A common noun made specific by a name that many pages use: "GIMP · Image"."""
        for name in others:
            is_common_name = name.is_proper_name and name.coverage >= MIN_NAME_COVERAGE
            is_common_name &= _is_main_name(name) or name.meaning is None or name.meaning >= RELATED_LABEL
            if is_common_name and name.score >= 0.2 * best.score:
                is_name_first = name.score >= 0.5 * best.score
                joined = self._join_options(name, best) if is_name_first else self._join_options(best, name)
                if joined:
                    return joined
        return ""

    def _combined_with_phrase(self, best: _LabelOption, others: Sequence[_LabelOption]) -> str:
        for other in others:
            if other.is_standalone and other.score >= 0.45 * best.score:
                joined = self._join_options(best, other)
                if joined:
                    return joined
        return ""

    def _join_options(self, first: _LabelOption, second: _LabelOption) -> str:
        """Both options in one label; empty if they share a word, mix languages, or make the label too long."""
        first_words, second_words = (set(_WORDS.findall(option.text.casefold())) for option in (first, second))
        languages = {hangul_share(option.text) > 0.5 for option in (first, second) if not option.is_proper_name}
        joined = f"{first.text} · {second.text}"
        letters = [_letters(option.text) for option in (first, second)]
        is_repeated = letters[0] in letters[1] or letters[1] in letters[0]
        if first_words & second_words or is_repeated or len(languages) > 1:
            return ""
        return joined if _is_short_enough(joined) and self._is_unused(joined) else ""

    def _fallback_label(self, label: str, options: Sequence[_LabelOption], pages: IntArray) -> str:
        """An unused label when the best one is missing or taken.

        For a single page its short title; otherwise the next unused option, title or host; finally a numbered label.
        """
        titles = sorted(
            (title_label(self._corpus.core_titles[int(i)]) for i in pages),
            key=lambda title: (len(title) > 30, len(title) < 3),
        )
        phrases = [_format_label(option.text) for option in options]
        hosts = [self._corpus.pages[int(i)].host for i in pages]
        # A title without blanks is rarely short enough to be a label as a whole.
        is_whole = titles[0] == strip_markup(self._corpus.core_titles[int(pages[0])])
        if len(pages) == 1 and unspaced_length(titles[0]) and not is_whole:
            phrases = [phrase for phrase in phrases if phrase in titles[0]] + [titles[0]]
            titles = phrases[:1]
        choices = [titles[0], *phrases, *hosts] if len(pages) == 1 else [*phrases, *titles, *hosts]
        if len(pages) == 1 and options and not is_whole and options[0].meaning is not None:
            # A title that is too long ends in the middle of a phrase: what it is about says more.
            clause = _first_clause(self._corpus.core_titles[int(pages[0])])
            near = [_format_label(option.text) for option in options if (option.meaning or 0.0) >= NEAR_LABEL]
            choices = [*([clause] if clause else []), *near, *choices]
            wordings = [self._wording(int(pages[0]))]
            choices.sort(key=lambda choice: len(label_problems(choice, wordings)))
        for choice in choices:
            if choice and self._is_unused(choice):
                return choice
        base: str = label or (titles[0] if titles else "") or "Pages"
        number = 2
        while not self._is_unused(f"{base} ({number})"):
            number += 1
        return f"{base} ({number})"

    def _site_name_options(self, pages: IntArray, rivals: IntArray) -> list[_LabelOption]:
        """Site names (without versions and words such as "documentation") that many of `pages` and few others have.

        In other scripts the pages must use the name themselves: one that only titles carry is a source, not a subject.
        """
        num_inside: Counter[str] = Counter()
        spellings: dict[str, Counter[str]] = {}
        for i in pages:
            for name in {clean_site_name(n) for n in self._corpus.site_names[i]} - {""}:
                num_inside[_normalize(name)] += 1
                spellings.setdefault(_normalize(name), Counter())[name] += 1
        num_outside: Counter[str] = Counter()
        others = set(rivals.tolist()) - set(pages.tolist())
        for i in others:
            num_outside.update({_normalize(clean_site_name(n)) for n in self._corpus.site_names[i]})
        options = []
        for name, count in sorted(num_inside.items()):
            share, share_outside = count / len(pages), num_outside[name] / max(1, len(others))
            # The site of one page says nothing about the others.
            is_common = count >= 2 and share >= 0.3 and share_outside <= MAX_SITE_SHARE_OUTSIDE
            # English and Korean names that are no subject are known: `PLATFORM_NAMES`.
            is_known = name.isascii() or hangul_share(name) > 0
            if is_common and (is_known or self._share_that_uses(name, pages) >= MIN_SITE_NAME_USE):
                text = min(spellings[name].items(), key=lambda item: (-item[1], item[0]))[0]
                score = round(2.1 * (share - share_outside), 9)
                options.append(_LabelOption(score, text, share, True, True, is_site_name=True))
        return options

    def _share_that_uses(self, name: str, pages: IntArray) -> float:
        """The share of `pages` that have all words of `name` in their text or in their own part of the title."""
        lexicon = self._corpus.lexicon
        spellings = [lexicon.spelling_index[word] for word in find_words(name) if word in lexicon.spelling_index]
        folded = {lexicon.spellings[i].lower(): i for i in spellings}
        terms = {int(lexicon.label_term_ids[i]) for i in folded.values()} - {-1}
        if not terms:
            terms = {lexicon.label_term_index[w] for w in find_words(name.lower()) if w in lexicon.label_term_index}
        if not terms:
            return 0.0
        return sum(1 for i in pages if terms <= self._index.label_terms_on_page(int(i))) / len(pages)

    def _host_name_options(
        self, pages: IntArray, rivals: IntArray, sequences: Sequence[WordSequence]
    ) -> list[_LabelOption]:
        """Words of the host name of most of `pages` that the pages themselves use ("postgresql.org")."""
        lexicon = self._corpus.lexicon
        others = np.setdiff1d(rivals, pages)
        options = []
        for word in sorted(self._index.host_words(pages)):
            term = lexicon.label_term_index.get(word)
            if term is None or word in GENERIC_WORDS or word in SITE_NAME_STOP_WORDS or word in PLATFORM_NAMES:
                continue
            coverage = sum(1 for i in pages if term in self._index.label_terms_on_page(int(i))) / len(pages)
            share = self._share_of_hosts(word, pages)
            share_outside = self._share_of_hosts(word, others)
            if coverage >= 0.25 and share_outside <= MAX_SITE_SHARE_OUTSIDE:
                text = self._index.most_common_spelling(phrase_key(term), sequences)
                score = round(HOST_NAME_SCORE * (share - share_outside), 9)
                options.append(_LabelOption(score, text, coverage, True, True, is_site_name=True))
        return options

    def _community_options(self, pages: IntArray) -> list[_LabelOption]:
        """The names of the communities on whose boards the pages are, as the pages spell them.

        A subreddit or a site of questions is named after its subject, which its own pages rarely repeat: "r/sleepapnea"
        stands for "sleep apnea" where a page writes that.
        """
        members = [self._corpus.pages[int(i)] for i in pages]
        names = {name for page in members if len(name := community_of(page.url)) >= MIN_COMMUNITY_CHARS}
        boards = {name for page in members if len(name := board_of(page.url, page.title)) >= MIN_BOARD_CHARS}
        texts = ["\n".join((page.title, *(passage.text for passage in page.passages))) for page in members]
        options = []
        for name in sorted(boards):
            coverage = sum(name in text for text in texts) / len(pages)
            options.append(_LabelOption(COMMUNITY_SCORE, name, coverage, True, False))
        for name in sorted(names):
            pattern = _spelled_apart(name)
            # "MechanicalKeyboards" is an address. A text has blanks between its words.
            matches = [match.group() for text in texts if (match := pattern.search(text))]
            found = [text for text in matches if not _INNER_CAPITAL.search(text)]
            if found:
                spellings = Counter(found)
                text = min(spellings, key=lambda spelling: (-spellings[spelling], spelling))
                options.append(_LabelOption(COMMUNITY_SCORE, text, len(found) / len(pages), True, False))
        return options

    def _compound_part_options(self, pages: IntArray) -> list[_LabelOption]:
        """Korean nouns that several pages have inside compounds, as subjects often are: "공제" in 소득공제."""
        lexicon = self._corpus.lexicon
        words_of_page = []
        for i in pages.tolist():
            words = np.concatenate([self._corpus.titles[i], self._corpus.bodies[i][:_COMPOUND_WORDS]])
            terms = np.unique(lexicon.label_term_ids[words[words >= 0]])
            words_of_page.append({lexicon.label_terms[t]: bool(lexicon.is_noun[t]) for t in terms.tolist() if t >= 0})
        nouns = {
            word
            for words in words_of_page
            for word, is_noun in words.items()
            if is_noun and len(word) >= 2 and hangul_share(word) == 1.0 and word not in GENERIC_WORDS
        }
        texts = ["\n".join(words) for words in words_of_page]
        found = []
        for word in sorted(nouns):
            num_pages = sum(word in text for text in texts)
            if num_pages >= 2:
                found.append((-num_pages, -len(word), word))
        return [
            _LabelOption(COMPOUND_PART_SCORE, word, -negative / len(pages), True, False)
            for negative, _, word in sorted(found)[:_MAX_COMPOUND_PARTS]
        ]

    def _share_of_hosts(self, word: str, pages: IntArray) -> float:
        return sum(1 for i in pages if word in self._corpus.pages[i].host) / max(1, len(pages))

    def _keywords(self, candidates: Sequence[PhraseCandidate], sequences: Sequence[WordSequence]) -> tuple[str, ...]:
        """The best phrases, without those that contain one another; weak ones only if there are not yet two."""
        keywords: list[str] = []
        used: list[tuple[str, ...]] = []
        for candidate in candidates:
            terms = self._index.terms(candidate.key)
            if any(_contains_sequence(terms, other) or _contains_sequence(other, terms) for other in used):
                continue
            if self._index.quality_factor(candidate.key) < 0.5 and len(keywords) >= 2:
                continue
            text = strip_markup(self._index.most_common_spelling(candidate.key, sequences))
            if text and len(text) <= MAX_TOPIC_CHARS:
                keywords.append(text)
                used.append(terms)
            if len(keywords) == MAX_KEYWORDS:
                break
        return tuple(keywords)

    def _is_unused(self, label: str) -> bool:
        return _normalize(label) not in self._used_labels


@lru_cache(maxsize=1024)
def _spelled_apart(name: str) -> re.Pattern[str]:
    """Finds a name whose words may be apart, in the singular or the plural: "heatpumps" as "heat pump"."""
    letters = [re.escape(letter) for letter in name.removesuffix("s")]
    return re.compile(r"\b" + r"[\s-]?".join(letters) + r"s?\b", re.IGNORECASE)


def _is_main_name(option: _LabelOption) -> bool:
    return option.is_proper_name and option.coverage >= MAIN_NAME_COVERAGE and not _names_platform(option.text)


def _names_platform(text: str) -> bool:
    return any(word.lower() in PLATFORM_NAMES for word in find_words(text))


def _meaning_factor(nearness: float, unrelated: float = UNRELATED_LABEL, subject: float = SUBJECT_LABEL) -> float:
    share = min(1.0, max(0.0, nearness - unrelated) / (subject - unrelated))
    return MEANING_FLOOR + (1 - MEANING_FLOOR) * share


def _with_constant_neighbour(text: str, titles: Sequence[str]) -> str:
    """`text` and the word that is directly before or behind it in all titles that have it; empty if there is none."""
    expected = [word.casefold() for word in find_words(text)]
    size = len(expected)
    before: list[str] = []
    behind: list[str] = []
    for title in titles:
        # Only the few titles that have the text are divided into words.
        words = list(iter_words(title)) if text.casefold() in title.casefold() else []
        folded = [word.group().casefold() for word in words]
        for i in range(len(words) - size + 1):
            if folded[i : i + size] != expected:
                continue
            start, end = words[i].start(), words[i + size - 1].end()
            is_joined_before = i > 0 and title[words[i - 1].end() : start].isspace()
            is_joined_behind = i + size < len(words) and title[end : words[i + size].start()].isspace()
            before.append(f"{words[i - 1].group()} {title[start:end]}" if is_joined_before else "")
            behind.append(f"{title[start:end]} {words[i + size].group()}" if is_joined_behind else "")
    if len(before) < MIN_TITLES_OF_PHRASE:
        return ""
    for phrases, position in ((before, 0), (behind, -1)):
        neighbour = phrases[0].split(" ")[position].casefold()
        is_constant = len({phrase.casefold() for phrase in phrases}) == 1 and neighbour
        if is_constant and neighbour not in _NO_PART_OF_NAMES:
            return phrases[0]
    return ""


def clean_site_name(name: str) -> str:
    """A site's name without version numbers and words such as "documentation"; empty when no name is left.

    Empty also for platforms (`PLATFORM_NAMES`), which host pages about anything.
    """
    words = _VERSION.sub(" ", strip_markup(name)).split()
    if any(word.lower() in PLATFORM_NAMES for word in words):
        return ""
    kept = [word for word in words if word.lower().strip("()[],.") not in SITE_NAME_STOP_WORDS]
    cleaned = " ".join(kept[:MAX_TOPIC_WORDS]).strip(" -·|,.:")
    return cleaned if any(c.isalpha() for c in cleaned) and len(cleaned) >= 2 else ""


def title_label(title: str) -> str:
    """The first words of a page title as a label: at most four, without trailing "of", "and", "-" …"""
    text = strip_markup(title)
    if unspaced_length(text):
        text = _first_words(text)
    words = text.split()[:MAX_TOPIC_WORDS]
    # "Virtual hosts - Apache" ends before the dash when only its first words fit.
    while words and (words[-1].lower() in _TRAILING_FUNCTION_WORDS or not any(map(str.isalnum, words[-1]))):
        words.pop()
    return shorten(" ".join(words).rstrip(" ,;:-–—·|/("), MAX_TOPIC_CHARS)


_INNER_CAPITAL = re.compile(r"[a-z][A-Z]")
_KOREAN_ENDING = re.compile(r"[가-힣]{2}[가을를은는에의도서면고냐까요다지]$")
_CLAUSE_END = re.compile(r",(?!\d)|[:?!;—–|…(]|\s-\s")


def _first_clause(title: str) -> str:
    """The words of a title before the first sign that ends a clause; empty when they are too long for a label.

    A clause may have more words than another label: the title of the only page of a topic says what that page is.
    """
    text = strip_markup(title)
    first = _CLAUSE_END.split(text, maxsplit=1)[0].strip(" .·")
    is_short = len(first) <= MAX_TOPIC_CHARS if not unspaced_length(first) else _is_short_enough(first)
    return first if is_short and len(first.split()) >= 2 else ""


def _first_words(text: str) -> str:
    """The first words of a text without blanks, up to `MAX_UNSPACED_CHARS` letters and `MAX_UNSPACED_WORDS` words."""
    end, last = 0, 0
    for number, word in enumerate(iter_words(text), 1):
        if number > MAX_UNSPACED_WORDS or unspaced_length(text[: word.end()]) > MAX_UNSPACED_CHARS:
            break
        last = word.end()
        if not is_function_word(word.group()):
            end = last
    return text[: end or last] if last else text[:MAX_UNSPACED_CHARS]


def _format_label(text: str) -> str:
    """`text` as a label; empty if it is too long. A lower-case word gets a capital, a name keeps its spelling."""
    text = _VERSION_END.sub("", strip_markup(text))
    if not text or not _is_short_enough(text):
        return ""
    is_lower_case = text.split()[0].islower() and _is_plain_word(text)
    return text[0].title() + text[1:] if is_lower_case else text


def _is_plain_word(text: str) -> bool:
    first = text.split(maxsplit=1)[0]
    return first.isalpha() and first not in STOP_WORDS


def _is_short_enough(text: str) -> bool:
    num_unspaced = unspaced_length(text)
    return (
        len(text) <= MAX_TOPIC_CHARS
        and len(text.split()) <= MAX_TOPIC_WORDS
        and (num_unspaced <= MAX_UNSPACED_CHARS or len(find_words(text)) <= MAX_TOPIC_WORDS)
        and num_unspaced <= 2 * MAX_UNSPACED_CHARS
    )


def _letters(text: str) -> str:
    """Letters and digits alone: "e-bike" and "Ebike" are one word."""
    return "".join(filter(str.isalnum, text.casefold()))


def _normalize(text: str) -> str:
    return " ".join(text.casefold().split())


def _contains_sequence(longer: Sequence[str], shorter: Sequence[str]) -> bool:
    size = len(shorter)
    return any(tuple(longer[i : i + size]) == tuple(shorter) for i in range(len(longer) - size + 1))
