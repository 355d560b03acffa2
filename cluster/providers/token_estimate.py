"""How many tokens a text is, without any vendor's tokenizer, and cutting to a number of them."""

from __future__ import annotations

import json
import math
import re

from cluster.mindmap.text.language import split_sentences

# On the high side on purpose, a reservation must be a ceiling: English prose has more characters to a token than this,
# code and JSON about as many, and the tokenizers in use need about one token for a syllable of Hangul or a Han
# character. What a call really used is booked afterwards, and the operator absorbs the excess
# (see models.billing.ledger).
_CHARS_PER_TOKEN = 2.8
_TOKENS_PER_WIDE_CHAR = 1.5
_ASCII = re.compile(r"[\x00-\x7f]")
#: What a vendor adds around a message: roles, schema plumbing.
OVERHEAD_TOKENS = 60


def estimate_tokens(text: str) -> int:
    """An upper estimate of the tokens of `text`."""
    if text.isascii():
        return math.ceil(len(text) / _CHARS_PER_TOKEN)
    wide = len(_ASCII.sub("", text))
    return math.ceil((len(text) - wide) / _CHARS_PER_TOKEN + wide * _TOKENS_PER_WIDE_CHAR)


def truncate(text: str, max_tokens: int) -> str:
    """The beginning of `text` that has at most `max_tokens`, cut after a whole sentence.

    Only when the first sentence alone is too long is it cut inside, at a word.
    """
    if estimate_tokens(text) <= max_tokens:
        return text
    kept: list[str] = []
    left = float(max_tokens)
    for line in text.split("\n"):
        whole = True
        parts = []
        for sentence in split_sentences(line):
            cost = estimate_tokens(sentence) + 1
            if cost > left:
                whole = False
                break
            parts.append(sentence)
            left -= cost
        if parts:
            kept.append(" ".join(parts))
        if not whole:
            break
    return "\n".join(kept) or _cut_at_word(text, max_tokens)


def clip(text: str, max_tokens: int) -> str:
    """One line of `text` that, as a JSON string, has at most `max_tokens`; cut at a word."""
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
