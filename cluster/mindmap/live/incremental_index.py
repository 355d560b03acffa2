"""The words of a session that is still growing, read page by page instead of anew for every page.

A `GrowingIndex` begins with the corpus of a grouping. A page that comes later is read with what that corpus has learnt
(its Korean stems, its site names), gets one row of similarities, and leaves the others' as they are: they are off by as
much as the document frequencies have moved since, and the next grouping puts them right.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from cluster.mindmap.clustering.corpus import (
    BODY_WEIGHT,
    HIGHLIGHT_WEIGHT,
    PATH_WEIGHT,
    SITE_WEIGHT,
    TITLE_WEIGHT,
    Corpus,
    Floats,
    Ints,
    parts_of,
    site_segments,
    split_title,
)
from cluster.mindmap.clustering.similarity import order_similarity, page_similarity, place_similarity
from cluster.mindmap.outline.types import PageNote
from cluster.mindmap.pages import evidence as quoting
from cluster.mindmap.pages.features import BREAK, PageFeatures, short_title
from cluster.mindmap.pages.importance import page_importances
from cluster.mindmap.text.display import hangul_share, shorten, strip_markup
from cluster.mindmap.text.korean import PARTICLES
from models.mindmap.validation import MAX_LABEL_CHARS, Importance

NUM_NEIGHBOURS = 8
_PARTICLES = frozenset(PARTICLES)


class GrowingIndex:
    """Similarities and notes of the placed pages of one session, in the order in which they came."""

    def __init__(self, corpus: Corpus, text: Floats, notes: Sequence[PageNote]) -> None:
        self.pages = list(corpus.pages)
        self.row = {page.page_id: i for i, page in enumerate(self.pages)}
        self._notes = {note.page_id: note for note in notes}
        self._part_number = dict(corpus.lexicon.part_number)
        self._sites = site_segments(self.pages)
        bounds = np.searchsorted(corpus.rows, np.arange(len(self.pages) + 1))
        self._cols = [corpus.cols[a:b] for a, b in pairwise(bounds)]
        self._tf = [corpus.tf[a:b] for a, b in pairwise(bounds)]
        self._text = text.copy()

    @property
    def text(self) -> Floats:
        """Cosines of the pages' words, by row."""
        num = len(self.pages)
        return self._text[:num, :num]

    def put(self, page: PageFeatures) -> None:
        """Take in a page, or what has changed about one."""
        row = self.row.get(page.page_id)
        if row is not None and _words_of(self.pages[row]) == _words_of(page):
            self.pages[row] = page
            return
        cols, tf = self._counted(page)
        if row is None:
            row = self.row[page.page_id] = len(self.pages)
            self.pages.append(page)
            self._cols.append(cols)
            self._tf.append(tf)
            if row >= len(self._text):
                wider = np.zeros((row * 5 // 4 + 16,) * 2)
                wider[: len(self._text), : len(self._text)] = self._text
                self._text = wider
        else:
            self.pages[row], self._cols[row], self._tf[row] = page, cols, tf
            self._notes.pop(page.page_id, None)
        closeness = self._cosines(row)
        self._text[row, : len(closeness)] = closeness
        self._text[: len(closeness), row] = closeness

    def closeness(self) -> Floats:
        """What topics are found in, for all pages."""
        return page_similarity(self.text, place_similarity(self.pages), order_similarity(self.pages))

    def notes(self, groups: Ints) -> tuple[PageNote, ...]:
        """A note on every page, in reading order of their coming; `groups` are the topic numbers by row."""
        text, num = self.text, len(self.pages)
        member = np.zeros((int(groups.max()) + 1 if num else 0, num))
        member[groups, np.arange(num)] = 1.0
        peers = member.sum(axis=1)[groups] - 1
        inside = (text @ member.T)[np.arange(num), groups]
        central = np.round(np.where(peers > 0, inside / np.maximum(peers, 1), 0.0), 9).tolist()
        importances = page_importances(self.pages, central)
        found = []
        for i, page in enumerate(self.pages):
            known = self._notes.get(page.page_id)
            if known is None:
                known = self._notes[page.page_id] = self._note(i)
            found.append(replace(known, importance=importances[i]))
        return tuple(found)

    def _counted(self, page: PageFeatures) -> tuple[Ints, Floats]:
        """The page's clustering terms and their weighted counts."""
        core, names = split_title(page, self._sites)
        sources = (
            (b"".join(page.title_words[i] for i in core), TITLE_WEIGHT),
            (b"".join(page.title_words[i] for i in names), SITE_WEIGHT),
            (page.path_words, PATH_WEIGHT),
            (page.highlight_words, HIGHLIGHT_WEIGHT),
            (b"".join(page.body), BODY_WEIGHT),
        )
        per_word: Counter[int] = Counter()
        for encoded, weight in sources:
            for word, times in Counter(array("H", encoded)).items():
                per_word[word] += times * weight  # type: ignore[assignment]  # A counter holds any number.
        counts: Counter[int] = Counter()
        for word, weight in per_word.items():
            if word != BREAK:
                for part in self._parts(page.vocabulary[word - 1]):
                    counts[self._part_number.setdefault(part, len(self._part_number))] += weight
        cols = np.array(sorted(counts), dtype=np.int64)
        return cols, np.array([counts[int(col)] for col in cols], dtype=np.float64)

    def _parts(self, word: str) -> list[str]:
        if not "가" <= word[0] <= "힣":
            return parts_of(word)[0]
        if word in self._part_number:
            return [word]
        for size in range(1, min(4, len(word) - 1) + 1):
            if word[-size:] in _PARTICLES and word[:-size] in self._part_number:
                return [word[:-size]]
        return [word]

    def _cosines(self, row: int) -> Floats:
        """Cosines of one page with all of them, 0 with itself."""
        num = len(self.pages)
        sizes = [len(cols) for cols in self._cols]
        rows = np.repeat(np.arange(num), sizes)
        cols, tf = np.concatenate(self._cols), np.concatenate(self._tf)
        df = np.bincount(cols, minlength=len(self._part_number))
        kept = (df[cols] >= 2) & (df[cols] <= max(2.0, 0.8 * num))
        rows, cols, tf = rows[kept], cols[kept], tf[kept]
        weights = (1 + np.log(np.maximum(tf, 1.0))) * (np.log((1 + num) / (1 + df)) + 1.0)[cols]
        norms = np.sqrt(np.bincount(rows, weights=weights * weights, minlength=num))
        mine = np.zeros(len(self._part_number))
        mine[cols[rows == row]] = weights[rows == row]
        dots = np.bincount(rows, weights=weights * mine[cols], minlength=num)
        found: Floats = dots / np.maximum(norms * norms[row], 1e-12)
        found[row] = 0.0
        return found

    def _note(self, row: int) -> PageNote:
        page = self.pages[row]
        core, _ = split_title(page, self._sites)
        label = strip_markup(" ".join(page.title_segments[i] for i in core)) or short_title(page)
        description, evidence = quoting.page_evidence(page)
        closeness = self.text[row]
        nearest = np.argsort(-np.round(closeness, 9), kind="stable")[:NUM_NEIGHBOURS]
        return PageNote(
            page_id=page.page_id,
            label=shorten(label, MAX_LABEL_CHARS - 12),
            description=description,
            keywords=self._keywords(page),
            evidence=evidence,
            importance=Importance(),
            language=page.language,
            neighbours=tuple(
                (self.pages[int(j)].page_id, round(float(closeness[j]), 6)) for j in nearest if closeness[j] > 0.02
            ),
        )

    def _keywords(self, page: PageFeatures, limit: int = 4) -> tuple[str, ...]:
        """Words of the page that stand in its title or often in its text, and on few other pages."""
        row = self.row[page.page_id]
        names = list(self._part_number)  # In order of their numbers: that is how they were given.
        df = np.bincount(np.concatenate(self._cols), minlength=len(names)).tolist()
        num = len(self.pages)
        scored = sorted(
            (-round((1 + math.log(max(1.0, tf))) * math.log((1 + num) / (df[col] + 0.5)), 9), names[col])
            for col, tf in zip(self._cols[row].tolist(), self._tf[row].tolist(), strict=True)
            if tf >= 3 and (len(names[col]) > 2 or hangul_share(names[col]) > 0.5)
        )
        return tuple(strip_markup(name) for _, name in scored[:limit])


def _words_of(page: PageFeatures) -> tuple[object, ...]:
    return page.title_words, page.path_words, page.highlight_words, page.body, page.vocabulary
