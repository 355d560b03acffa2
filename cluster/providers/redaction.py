"""Taking secrets out of text before it leaves: credentials, card numbers, addresses, resident numbers, URL tokens.

Rather too much than too little: a placeholder in a page's text costs a map nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from models.urls import redact_url

_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s\"'<>)\]}]+")
_KEYS = re.compile(
    r"\b(?:"
    r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"  # JSON Web Tokens
    r"|sk-[A-Za-z0-9_-]{16,}"  # OpenAI, Anthropic
    r"|(?:sk|pk|rk)_(?:live|test)_\w{8,}|whsec_\w{8,}"  # Stripe
    r"|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abeprs]-[\w-]{8,}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|AIza[\w-]{30,}|ya29\.[\w-]{20,}"
    r"|npm_\w{30,}|pypi-[\w-]{30,}|hf_\w{30,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r")"
)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{12,}", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"(?P<name>\b[\w.-]*(?:password|passwd|passphrase|pwd|secret|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|auth[_-]?token|access[_-]?token|refresh[_-]?token|session[_-]?id|client[_-]?secret)\b|비밀번호|패스워드|암호)"
    r"(?P<between>[\"']?\s*(?::|=|=>|\bis\b|은|는)\s*)"
    r"(?P<value>\"[^\"\n]{1,200}\"|'[^'\n]{1,200}'|[^\s,;\"'<>]{4,200})",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.!#$%&*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+")
# A Korean resident (or foreigner) registration number: birth date, a digit 1-8, six more; also partly masked.
_RESIDENT = re.compile(r"(?<!\d)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[ ]?[-–][ ]?[1-8][\d*]{6}(?!\d)")
_RESIDENT_PLAIN = re.compile(r"(?<!\d)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[1-8]\d{6}(?!\d)")
_SSN = re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
_CARD = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d])")


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit)
        if place % 2:
            number = number * 2 - 9 if number > 4 else number * 2
        total += number
    return total % 10 == 0


def _resident_check(digits: str) -> bool:
    """The check digit of numbers given before October 2020; written without a dash, a number needs more proof."""
    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
    total = sum(int(d) * w for d, w in zip(digits, weights, strict=False))
    return (11 - total % 11) % 10 == int(digits[12])


def redact(text: str) -> tuple[str, int]:
    """`text` with every secret replaced by a placeholder in brackets, and how many were."""
    count = 0

    def put(placeholder: str) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            nonlocal count
            count += 1
            return placeholder

        return replace

    def url(match: re.Match[str]) -> str:
        nonlocal count
        clean = redact_url(match.group())
        count += clean != match.group()
        return clean

    def assigned(match: re.Match[str]) -> str:
        nonlocal count
        if "REDACTED" in match["value"] or match["value"].startswith("["):
            return match.group()
        count += 1
        return f"{match['name']}{match['between']}[secret]"

    def card(match: re.Match[str]) -> str:
        nonlocal count
        digits = re.sub(r"\D", "", match.group())
        if not _luhn(digits) or len(set(digits)) == 1:
            return match.group()
        count += 1
        return "[card number]"

    def resident(match: re.Match[str]) -> str:
        nonlocal count
        if not _resident_check(match.group()):
            return match.group()
        count += 1
        return "[resident number]"

    if "PRIVATE KEY" in text:
        text = _PEM.sub(put("[private key]"), text)
    if "://" in text:
        text = _URL.sub(url, text)
    text = _KEYS.sub(put("[key]"), text)
    text = _BEARER.sub(put("[credential]"), text)
    text = _ASSIGNED.sub(assigned, text)
    if "@" in text:
        text = _EMAIL.sub(put("[e-mail]"), text)
    text = _RESIDENT.sub(put("[resident number]"), text)
    text = _RESIDENT_PLAIN.sub(resident, text)
    text = _SSN.sub(put("[resident number]"), text)
    text = _CARD.sub(card, text)
    return text, count
