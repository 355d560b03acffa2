"""Replaces secrets in text before it is sent: credentials, card and resident numbers, e-mail addresses, URL tokens.

Tuned for recall over precision: a needless placeholder in a page's text does not harm a map.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from stdnum import luhn
from stdnum.kr import rrn
from stdnum.us import ssn

from models.url_parameters import is_secret_by_name
from models.url_secrets import REDACTED, redact_url

# Characters that hide a secret from a pattern, but not from a reader: zero-width characters and full-width ASCII.
_ZERO_WIDTH = dict.fromkeys([0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF])
_FULL_WIDTH = {
    code: code - 0xFEE0 for code in (0xFF20, *range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
}
_NORMALIZATION = {**_ZERO_WIDTH, **_FULL_WIDTH}

_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s\"'<>)\]}]+")
# A parameter of a URL without a scheme, or of a part of a URL.
_PARAMETER = re.compile(r"(?P<mark>[?&#;])(?P<name>[\w.\-\[\]%]{1,60})=(?P<value>[^\s&#;\"'<>)\]}]+)")
_KEYS = re.compile(
    r"\b(?:"
    r"eyJ[\w-]{8,400}\.[\w-]{8,}(?:\.[\w-]*)?"  # JSON Web Tokens
    r"|sk-[A-Za-z0-9_-]{16,}"  # OpenAI, Anthropic
    r"|(?:sk|pk|rk)_(?:live|test)_\w{8,}|whsec_\w{8,}"  # Stripe
    r"|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abeprs]-[\w-]{8,}|xapp-[\w-]{8,}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|AIza[\w-]{30,}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{10,}"
    r"|npm_\w{30,}|pypi-[\w-]{30,}|hf_\w{30,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|AGE-SECRET-KEY-1[0-9A-Z]{20,}|\d{8,10}:[\w-]{35}"  # age, Telegram
    r")"
)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{12,}", re.IGNORECASE)
_VALUE = r"(?P<value>\"[^\"\n]{1,200}\"|'[^'\n]{1,200}'|[^\s,;\"'<>]{4,200})"
_ASSIGNED = re.compile(
    r"(?P<name>(?:password|passwd|passphrase|passcode|pwd|secret|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|auth[_-]?token|access[_-]?token|refresh[_-]?token|session[_-]?id|client[_-]?secret)\b"
    r"|passwort|contraseña|mot de passe|パスワード|密码|密碼|비밀번호|패스워드|암호)"
    r"(?P<between>[\"']?\s*(?::|=|=>|：|＝|\bis\b|은|는|は)\s*)" + _VALUE,
    re.IGNORECASE,
)
# Names that are also common words: only with a separator, and a digit in the value.
_NUMBERED = re.compile(
    r"(?P<name>(?:token|\b(?:otp|pin|cvc|cvv2?|sid|cookie|(?:verification|security|login) code))\b"
    r"|인증\s?번호|인증\s?코드|보안\s?코드)"
    r"(?P<between>[\"']?\s*(?::|=|=>|：|＝|\bis\b|은|는)\s*\[?)"
    r"(?P<value>(?=[^\s,;\"'<>]{0,399}\d)[^\s,;\"'<>\[\]]{3,400})",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.!#$%&*+/=?^`{|}~-]{1,64}(?:@|%40)[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
_DASH = r"[-\u2010-\u2015\u2212]"
# A Korean resident or foreigner registration number: birth date, a digit from 1 to 8, six more; may be partly masked.
_BIRTH = r"(?<!\d)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_RESIDENT = re.compile(_BIRTH + r"(?:\s?" + _DASH + r"\s?|\s)[1-8][\d*]{6}(?!\d)")
_RESIDENT_PLAIN = re.compile(_BIRTH + r"[1-8]\d{6}(?!\d)")
_RESIDENT_NAMED = re.compile(r"((?:주민|외국인)\s?(?:등록)?\s?번호\D{0,12})\d{6}\s?\D?\s?[\d*]{7}(?!\d)")
_SSN = re.compile(r"(?<![\d-])\d{3}" + _DASH + r"\d{2}" + _DASH + r"\d{4}(?![\d-])")
# A row of digits with common separators, which may contain card numbers.
_DIGITS = re.compile(r"(?<!\d\.)(?<!\d)\d(?:(?:\s|\s?" + _DASH + r"\s?)?\d){12,80}")
_DOTTED = re.compile(r"(?<![\d.])\d{4}(?:\.\d{4}){2,3}(?:\.\d{1,3})?(?![\d.]*\d)")
_CARD_BEGINS = re.compile(r"[34569]|2[2-7]")
_OPAQUE = re.compile(r"(?<![\w+/=-])[A-Za-z0-9_+/=-]{20,}(?![\w+/=-])")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_URL_DELIMITER = re.compile(r"[/?&=#:@]")
_TURN = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")


@dataclass(frozen=True, slots=True)
class _Finding:
    """A replacement text, the secrets it removes, and how many it counts for."""

    text: str
    secrets: frozenset[str]
    count: int = 1


@dataclass(frozen=True, slots=True)
class _Rule:
    """A pattern and the function that decides whether a match is a secret. `markers`: one of them is in each match."""

    pattern: re.Pattern[str]
    find: Callable[[re.Match[str]], _Finding | None]
    markers: tuple[str, ...] = ()

    def may_match(self, text: str) -> bool:
        return not self.markers or any(marker in text for marker in self.markers)


def redact(text: str, secrets: set[str] | None = None) -> tuple[str, int]:
    """`text` with a placeholder in brackets for every secret, and the number of secrets. Idempotent.

    The secrets themselves are added to `secrets`.
    """
    text = text.translate(_NORMALIZATION)
    count = 0
    for rule in _RULES:
        if rule.may_match(text):
            redaction = _Redaction(rule)
            text = rule.pattern.sub(redaction.replace, text)
            count += redaction.count
            if secrets is not None:
                secrets |= redaction.secrets
    return text, count


class _Redaction:
    """One pass of a rule over a text."""

    def __init__(self, rule: _Rule) -> None:
        self._rule, self.count, self.secrets = rule, 0, set[str]()

    def replace(self, match: re.Match[str]) -> str:
        finding = self._rule.find(match)
        if finding is None:
            return match.group()
        self.count += finding.count
        self.secrets |= finding.secrets
        return finding.text


def _placeholder(text: str) -> Callable[[re.Match[str]], _Finding]:
    return lambda match: _Finding(text, frozenset((match.group(),)))


def _find_in_url(match: re.Match[str]) -> _Finding | None:
    url = match.group()
    head, mark, query = url.partition("?")
    path = "/".join(
        "[...]" if number > 2 and (_is_opaque(part) or _UUID.search(part)) else part
        for number, part in enumerate(head.split("/"))
    )
    # A URL in a parameter has secrets of its own.
    pairs = [
        f"{name}={REDACTED}" if "%" in value and redact(unquote(value))[1] else pair
        for pair in query.split("&")
        for name, _, value in [pair.partition("=")]
    ]
    clean = redact_url(f"{path}{mark}{'&'.join(pairs)}", by_name=True)
    if clean == url:
        return None
    return _Finding(clean, frozenset(_URL_DELIMITER.split(url)) - frozenset(_URL_DELIMITER.split(clean)))


def _find_parameter(match: re.Match[str]) -> _Finding | None:
    value = match["value"]
    if value.startswith(REDACTED) or not is_secret_by_name(match["name"], value):
        return None
    return _Finding(f"{match['mark']}{match['name']}={REDACTED}", frozenset((value,)))


def _find_assigned(match: re.Match[str]) -> _Finding | None:
    value = match["value"]
    if "REDACTED" in value or value.startswith("["):
        return None
    return _Finding(f"{match['name']}{match['between']}[secret]", frozenset((value.strip("\"'"),)))


def _find_named_resident(match: re.Match[str]) -> _Finding:
    return _Finding(f"{match[1]}[resident number]", frozenset((match.group()[len(match[1]) :],)))


def _find_undashed_resident(match: re.Match[str]) -> _Finding | None:
    # Numbers issued since October 2020 have no check digit; without a dash the check digit is required as evidence.
    if not rrn.is_valid(_ascii_digits(match.group())):
        return None
    return _Finding("[resident number]", frozenset((match.group(),)))


def _find_social_security(match: re.Match[str]) -> _Finding | None:
    if not ssn.is_valid(_ascii_digits(match.group())):
        return None
    return _Finding("[resident number]", frozenset((match.group(),)))


def _find_opaque(match: re.Match[str]) -> _Finding | None:
    return _Finding("[key]", frozenset((match.group(),))) if _is_opaque(match.group()) else None


def _is_opaque(word: str) -> bool:
    """Whether a word is a key and not a name: it alternates between letters and digits."""
    return any(len(part) >= 16 and len(_TURN.findall(part)) >= 4 for part in re.split(r"[-_/=+.:]", word))


def _ascii_digits(text: str) -> str:
    r"""The digits of `text` in ASCII: `\d` matches the decimal digits of every script."""
    return "".join(str(int(digit)) for digit in re.findall(r"\d", text))


def _find_cards(match: re.Match[str]) -> _Finding | None:
    row = match.group()
    spans = list(_card_spans(row))
    if not spans:
        return None
    pieces, position = [], 0
    for start, end in spans:
        pieces += [row[position:start], "[card number]"]
        position = end
    pieces.append(row[position:])
    return _Finding("".join(pieces), frozenset(row[start:end] for start, end in spans), len(spans))


def _card_spans(row: str) -> Iterator[tuple[int, int]]:
    """The spans of card numbers in a row of digits with separators: whole groups, or a row without groups."""
    places = [place for place, char in enumerate(row) if char.isdigit()]
    digits = _ascii_digits(row)
    group_starts = {n for n in range(1, len(places)) if places[n] - places[n - 1] > 1}
    ends = group_starts | {len(places)}
    starts = sorted({0} | group_starts)
    position = 0
    while (card := _next_card(digits, [start for start in starts if start >= position], ends)) is not None:
        start, position = card
        yield places[start], places[position - 1] + 1


def _next_card(digits: str, starts: list[int], ends: set[int]) -> tuple[int, int] | None:
    for start in starts:
        for length in (16, 15, 14, 13, 17, 18, 19):
            number = digits[start : start + length]
            # A number of one repeated digit, such as zeros, passes the check of Luhn too.
            is_candidate = len(number) == length and start + length in ends and len(set(number)) > 1
            if is_candidate and _CARD_BEGINS.match(number) and luhn.is_valid(number):
                return start, start + length
    return None


#: In this order: a longer context (a key file, a URL, an assignment) precedes the number or word within it.
_RULES = (
    _Rule(_PEM, _placeholder("[private key]"), ("PRIVATE KEY",)),
    _Rule(_URL, _find_in_url, ("://",)),
    _Rule(_PARAMETER, _find_parameter, ("=",)),
    _Rule(_KEYS, _placeholder("[key]")),
    _Rule(_BEARER, _placeholder("[credential]")),
    _Rule(_ASSIGNED, _find_assigned),
    _Rule(_NUMBERED, _find_assigned),
    _Rule(_EMAIL, _placeholder("[e-mail]"), ("@", "%40")),
    _Rule(_RESIDENT_NAMED, _find_named_resident),
    _Rule(_RESIDENT, _placeholder("[resident number]")),
    _Rule(_RESIDENT_PLAIN, _find_undashed_resident),
    _Rule(_SSN, _find_social_security),
    _Rule(_DOTTED, _find_cards),
    _Rule(_DIGITS, _find_cards),
    _Rule(_OPAQUE, _find_opaque),
)
