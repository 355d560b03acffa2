"""Taking secrets out of text before it leaves: credentials, card numbers, addresses, resident numbers, URL tokens.

Rather too much than too little: a placeholder in a page's text costs a map nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

from models.urls import REDACTED, is_secret_parameter, redact_url

# What hides a secret's form from a pattern, but not from a reader: characters of no width, full-width ASCII.
_UNSEEN = dict.fromkeys([0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF])
_WIDE = {
    code: code - 0xFEE0 for code in (0xFF20, *range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
}
_PLAIN = {**_UNSEEN, **_WIDE}

_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s\"'<>)\]}]+")
# A parameter of an address without a scheme, or of a piece of one.
_PARAMETER = re.compile(r"(?P<mark>[?&#;])(?P<name>[\w.\-\[\]%]{1,60})=(?P<value>[^\s&#;\"'<>)\]}]+)")
_KEYS = re.compile(
    r"\b(?:"
    r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"  # JSON Web Tokens
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
# Words that are also plain words: only with a sign between, and a digit in what follows.
_NUMBERED = re.compile(
    r"(?P<name>(?:token|\b(?:otp|pin|cvc|cvv2?|sid|cookie|(?:verification|security|login) code))\b"
    r"|인증\s?번호|인증\s?코드|보안\s?코드)"
    r"(?P<between>[\"']?\s*(?::|=|=>|：|＝|\bis\b|은|는)\s*\[?)"
    r"(?P<value>(?=[^\s,;\"'<>]*\d)[^\s,;\"'<>\[\]]{3,400})",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.!#$%&*+/=?^`{|}~-]{1,64}(?:@|%40)[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
_DASH = r"[-\u2010-\u2015\u2212]"
# A Korean resident (or foreigner) registration number: birth date, a digit 1-8, six more; also partly masked.
_BIRTH = r"(?<!\d)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_RESIDENT = re.compile(_BIRTH + r"(?:\s?" + _DASH + r"\s?|\s)[1-8][\d*]{6}(?!\d)")
_RESIDENT_PLAIN = re.compile(_BIRTH + r"[1-8]\d{6}(?!\d)")
_RESIDENT_NAMED = re.compile(r"((?:주민|외국인)\s?(?:등록)?\s?번호\D{0,12})\d{6}\s?\D?\s?[\d*]{7}(?!\d)")
_SSN = re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}" + _DASH + r"(?!00)\d{2}" + _DASH + r"(?!0000)\d{4}(?![\d-])")
# Digits in a row, with the separators people write between them; cards are looked for inside.
_DIGITS = re.compile(r"(?<!\d\.)(?<!\d)\d(?:(?:\s|\s?" + _DASH + r"\s?)?\d){12,80}")
_DOTTED = re.compile(r"(?<![\d.])\d{4}(?:\.\d{4}){2,3}(?:\.\d{1,3})?(?![\d.]*\d)")
_CARD_BEGINS = re.compile(r"[34569]|2[2-7]")
_OPAQUE = re.compile(r"(?<![\w+/=-])[A-Za-z0-9_+/=-]{20,}(?![\w+/=-])")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_TURN = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")


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


def _card_in(digits: str, starts: set[int], ends: set[int]) -> tuple[int, int] | None:
    """Where in a row of digits a card number stands, as whole groups of it, or as a row without groups."""
    for begin in sorted(starts):
        for length in (16, 15, 14, 13, 17, 18, 19):
            part = digits[begin : begin + length]
            fits = len(part) == length and begin + length in ends and len(set(part)) > 1
            if fits and _CARD_BEGINS.match(part) and _luhn(part):
                return begin, begin + length
    return None


def _is_opaque(word: str) -> bool:
    """Whether a word is a key rather than a name: letters and digits in turns, as nobody writes them."""
    return any(len(part) >= 16 and len(_TURN.findall(part)) >= 4 for part in re.split(r"[-_/=+.:]", word))


def redact(text: str, found: set[str] | None = None) -> tuple[str, int]:
    """`text` with every secret replaced by a placeholder in brackets, and how many were.

    The secrets themselves are added to `found`.
    """
    count = 0
    secrets = found if found is not None else set()

    def put(placeholder: str) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            nonlocal count
            count += 1
            secrets.add(match.group())
            return placeholder

        return replace

    def url(match: re.Match[str]) -> str:
        nonlocal count
        given = match.group()
        head, mark, query = given.partition("?")
        path = "/".join(
            "[...]" if number > 2 and (_is_opaque(part) or _UUID.search(part)) else part
            for number, part in enumerate(head.split("/"))
        )
        # An address inside an address carries its own secrets.
        pairs = [
            f"{name}={REDACTED}" if "%" in value and redact(unquote(value))[1] else pair
            for pair in query.split("&")
            for name, _, value in [pair.partition("=")]
        ]
        clean = redact_url(f"{path}{mark}{'&'.join(pairs)}")
        if clean != given:
            count += 1
            secrets.update(set(re.split(r"[/?&=#:@]", given)) - set(re.split(r"[/?&=#:@]", clean)))
        return clean

    def parameter(match: re.Match[str]) -> str:
        nonlocal count
        if match["value"].startswith(REDACTED) or not is_secret_parameter(match["name"], match["value"]):
            return match.group()
        count += 1
        secrets.add(match["value"])
        return f"{match['mark']}{match['name']}={REDACTED}"

    def assigned(match: re.Match[str]) -> str:
        nonlocal count
        if "REDACTED" in match["value"] or match["value"].startswith("["):
            return match.group()
        count += 1
        secrets.add(match["value"].strip("\"'"))
        return f"{match['name']}{match['between']}[secret]"

    def cards(match: re.Match[str]) -> str:
        nonlocal count
        row, places = match.group(), []
        for place, char in enumerate(row):
            if char.isdigit():
                places.append(place)
        digits = "".join(str(int(row[place])) for place in places)
        last = len(places)
        gaps = {n for n in range(1, last) if places[n] - places[n - 1] > 1}
        starts, ends, begin, out = {0} | gaps, gaps | {last}, 0, []
        while (card := _card_in(digits, {n for n in starts if n >= begin}, ends)) is not None:
            out += [row[places[begin] if begin else 0 : places[card[0]]], "[card number]"]
            secrets.add(row[places[card[0]] : places[card[1] - 1] + 1])
            count += 1
            begin = card[1]
            if begin == last:
                return "".join(out)
            out.append(row[places[begin - 1] + 1 : places[begin]])
        return "".join([*out, row[places[begin] if begin else 0 :]])

    def resident(match: re.Match[str]) -> str:
        nonlocal count
        if not _resident_check(match.group()):
            return match.group()
        count += 1
        secrets.add(match.group())
        return "[resident number]"

    def named(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        secrets.add(match.group()[len(match[1]) :])
        return f"{match[1]}[resident number]"

    def opaque(match: re.Match[str]) -> str:
        nonlocal count
        if not _is_opaque(match.group()):
            return match.group()
        count += 1
        secrets.add(match.group())
        return "[key]"

    text = text.translate(_PLAIN)
    if "PRIVATE KEY" in text:
        text = _PEM.sub(put("[private key]"), text)
    if "://" in text:
        text = _URL.sub(url, text)
    if "=" in text:
        text = _PARAMETER.sub(parameter, text)
    text = _KEYS.sub(put("[key]"), text)
    text = _BEARER.sub(put("[credential]"), text)
    text = _ASSIGNED.sub(assigned, text)
    text = _NUMBERED.sub(assigned, text)
    if "@" in text or "%40" in text:
        text = _EMAIL.sub(put("[e-mail]"), text)
    text = _RESIDENT_NAMED.sub(named, text)
    text = _RESIDENT.sub(put("[resident number]"), text)
    text = _RESIDENT_PLAIN.sub(resident, text)
    text = _SSN.sub(put("[resident number]"), text)
    text = _DOTTED.sub(cards, text)
    text = _DIGITS.sub(cards, text)
    return _OPAQUE.sub(opaque, text), count
