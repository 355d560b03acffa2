"""Tokenization of text into search words, the same for pages and queries.

Scripts with spaces yield their words, case-folded. Korean, Chinese and Japanese runs yield character bigrams, so that
학습 is found in 강화학습은 with any particle after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from models.text import normalize_unicode

_CJK = r"\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_RUNS = re.compile(rf"([{_CJK}]+)|([^\W_]+)")
# "GPU를" has two scripts: a word ends at the boundary between them.
_BORDER = re.compile(rf"(?<=[{_CJK}])(?=[^{_CJK}\W])|(?<=[^{_CJK}\W])(?=[{_CJK}])")
MAX_WORD_CHARS = 40
#: Weights of a tsvector: title and highlights count most.
TITLE, TOPICS, ADDRESS = "A", "B", "C"


def fold_text(text: str) -> str:
    """`text` normalized (NFKC) and case-folded."""
    return normalize_unicode(text, "NFKC").casefold()


def _runs(text: str) -> Iterator[tuple[bool, str]]:
    """(whether it is CJK, the run) for each run of letters and digits."""
    for match in _RUNS.finditer(_BORDER.sub(" ", fold_text(text))):
        yield (True, match[1]) if match[1] else (False, match[2][:MAX_WORD_CHARS])


def _bigrams(run: str) -> Iterable[str]:
    return [run] if len(run) == 1 else (run[i : i + 2] for i in range(len(run) - 1))


def search_words(text: str) -> set[str]:
    """All search words of `text`."""
    words: set[str] = set()
    for is_cjk, run in _runs(text):
        words.update(_bigrams(run) if is_cjk else (run,))
    return words


def _quoted_lexeme(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def tsvector_text(parts: Iterable[tuple[str, str]]) -> str:
    """A tsvector literal of (weight, text) parts; a word in several parts has the weight of the first."""
    weights: dict[str, str] = {}
    for weight, text in parts:
        for word in search_words(text):
            weights.setdefault(word, weight)
    return " ".join(f"{_quoted_lexeme(word)}:1{weight}" for word, weight in weights.items())


def unweighted_tsvector_text(text: str) -> str:
    """A tsvector literal without weights: half the size."""
    return " ".join(map(_quoted_lexeme, search_words(text)))


def tsquery_text(text: str) -> str | None:
    """A tsquery literal of all words, those of spaced scripts as prefixes. None if `text` has no word."""
    lexemes: dict[str, None] = {}
    for is_cjk, run in _runs(text):
        if not is_cjk or len(run) == 1:
            lexemes[f"{_quoted_lexeme(run)}:*"] = None
        else:
            lexemes.update(dict.fromkeys(map(_quoted_lexeme, _bigrams(run))))
    return " & ".join(lexemes) or None


def query_terms(text: str) -> list[str]:
    """The distinct runs of a query as typed, for marking them in a text."""
    return list(dict.fromkeys(run for _, run in _runs(text)))
