"""From text to search words, the same way for pages and for questions.

Latin and other spaced scripts give their words, lower-cased. Korean, Chinese and Japanese runs give every two
neighbouring characters, so that 학습 is found inside 강화학습은 whatever particle follows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

_CJK = r"\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_RUNS = re.compile(rf"([{_CJK}]+)|([^\W_]+)")
# "GPU를" is a word of two scripts: a border between them is the end of a word.
_BORDER = re.compile(rf"(?<=[{_CJK}])(?=[^{_CJK}\W])|(?<=[^{_CJK}\W])(?=[{_CJK}])")
MAX_WORD_CHARS = 40
#: Weights of a tsvector: what was marked or stands in the title counts most.
TITLE, TOPICS, ADDRESS = "A", "B", "C"


def fold_text(text: str) -> str:
    """One form for what looks the same (NFKC, case folded)."""
    return unicodedata.normalize("NFKC", text).casefold()


def _runs(text: str) -> Iterator[tuple[bool, str]]:
    """(whether it is CJK, the run)"""
    for found in _RUNS.finditer(_BORDER.sub(" ", fold_text(text))):
        yield (True, found[1]) if found[1] else (False, found[2][:MAX_WORD_CHARS])


def _bigrams(run: str) -> Iterable[str]:
    return [run] if len(run) == 1 else (run[i : i + 2] for i in range(len(run) - 1))


def search_words(text: str) -> set[str]:
    """Every search word of `text`."""
    found: set[str] = set()
    for is_cjk, run in _runs(text):
        found.update(_bigrams(run) if is_cjk else (run,))
    return found


def _quoted_lexeme(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def tsvector_text(parts: Iterable[tuple[str, str]]) -> str:
    """A tsvector, as text, of (weight, text) parts; a word in several parts has the weight of the first."""
    weights: dict[str, str] = {}
    for weight, text in parts:
        for word in search_words(text):
            weights.setdefault(word, weight)
    return " ".join(f"{_quoted_lexeme(word)}:1{weight}" for word, weight in weights.items())


def unweighted_tsvector_text(text: str) -> str:
    """A tsvector, as text, without weights: half the size."""
    return " ".join(map(_quoted_lexeme, search_words(text)))


def tsquery_text(text: str) -> str | None:
    """A tsquery, as text: every word, spaced ones also as beginnings of longer ones. None when no word is left."""
    asked: dict[str, None] = {}
    for is_cjk, run in _runs(text):
        if not is_cjk or len(run) == 1:
            asked[f"{_quoted_lexeme(run)}:*"] = None
        else:
            asked.update(dict.fromkeys(map(_quoted_lexeme, _bigrams(run))))
    return " & ".join(asked) or None


def query_terms(text: str) -> list[str]:
    """The runs of a question as they were typed, for finding them in a text."""
    return list(dict.fromkeys(run for _, run in _runs(text)))
