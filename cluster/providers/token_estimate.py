"""Estimates token counts without a vendor's tokenizer, and truncates text to a number of tokens."""

from __future__ import annotations

import json
import math

from cluster.mindmap.text.language import split_sentences

# High on purpose, because a reservation is a ceiling: English prose has more characters per token than this, code and
# JSON about as many, and current tokenizers need about one token for a Hangul syllable or a Han character. The real
# usage is booked afterwards, and the operator absorbs any excess (see models.billing.ledger).
_CHARS_PER_TOKEN = 2.8
_TOKENS_PER_WIDE_CHAR = 1.5
#: Tokens that a vendor adds to a request for roles and the schema.
OVERHEAD_TOKENS = 60


def estimate_tokens(text: str) -> int:
    """An upper bound of the number of tokens in `text`."""
    if text.isascii():
        return math.ceil(len(text) / _CHARS_PER_TOKEN)
    wide = len(text) - len(text.encode("ascii", "ignore"))
    return math.ceil((len(text) - wide) / _CHARS_PER_TOKEN + wide * _TOKENS_PER_WIDE_CHAR)


def truncate(text: str, max_tokens: int) -> str:
    """The start of `text` with at most `max_tokens`, cut after a sentence.

    A first sentence that is too long is cut after a word.
    """
    if estimate_tokens(text) <= max_tokens:
        return text
    kept: list[str] = []
    tokens_left = float(max_tokens)
    for line in text.split("\n"):
        is_whole_line = True
        end = 0  # Of the sentences that are kept: the text between them stays as it is.
        for sentence in split_sentences(line):
            cost = estimate_tokens(sentence) + 1
            if cost > tokens_left:
                is_whole_line = False
                break
            end = line.index(sentence, end) + len(sentence)
            tokens_left -= cost
        if end:
            kept.append(line[:end].strip())
        if not is_whole_line:
            break
    return "\n".join(kept) or _cut_at_word(text, max_tokens)


def clip(text: str, max_tokens: int) -> str:
    """The start of `text` that has at most `max_tokens` as a JSON string, cut after a word and ended by an ellipsis."""
    if estimate_tokens(json.dumps(text, ensure_ascii=False)) <= max_tokens:
        return text
    return _cut_at_word(text, max_tokens - 1) + "…"


def _cut_at_word(text: str, max_tokens: int) -> str:
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if estimate_tokens(json.dumps(text[:middle], ensure_ascii=False)) <= max_tokens:
            low = middle
        else:
            high = middle - 1
    cut = text[:low]
    space = cut.rfind(" ")
    return cut[:space].rstrip() if space > low * 0.6 else cut
