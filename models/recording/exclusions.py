"""Which sites are never recorded: a default list of sensitive sites, and the domains that a user excludes.

The extension checks the rules before it reads a page, the server again before it stores an event. Of an excluded event
only the name of the rule is stored.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache

from models.urls import host_of

# A host matches when it equals an entry or ends in "." + entry.
_BANKING = frozenset(
    """
    kbstar.com shinhan.com wooribank.com kebhana.com hanabank.com ibk.co.kr nonghyup.com kakaobank.com kbanknow.com
    tossbank.com citibank.co.kr standardchartered.co.kr suhyup-bank.com epostbank.go.kr kfcc.co.kr cu.co.kr
    kakaopay.com pay.naver.com toss.im samsungcard.com shinhancard.com hyundaicard.com lottecard.co.kr bccard.com
    chase.com bankofamerica.com wellsfargo.com citi.com usbank.com capitalone.com americanexpress.com paypal.com
    hsbc.com hsbc.co.uk barclays.co.uk lloydsbank.com natwest.com santander.co.uk monzo.com revolut.com wise.com
    ing.com deutsche-bank.de commerzbank.de bnpparibas.net fidelity.com schwab.com vanguard.com coinbase.com
    binance.com upbit.com bithumb.com
    """.split()  # noqa: SIM905 - a list of hosts reads better as words
)
_HEALTH = frozenset(
    """
    nhis.or.kr hira.or.kr mychart.com mychart.org patient.info healthvault.com teladoc.com zocdoc.com
    myhealthrecord.gov.au nhs.uk betterhelp.com talkspace.com 23andme.com
    """.split()  # noqa: SIM905
)
_MAIL = frozenset(
    """
    mail.google.com inbox.google.com outlook.live.com outlook.office.com outlook.office365.com mail.yahoo.com
    mail.naver.com mail.daum.net mail.kakao.com mail.proton.me mail.zoho.com fastmail.com icloud.com webmail.nate.com
    messages.google.com web.whatsapp.com web.telegram.org discord.com messenger.com
    """.split()  # noqa: SIM905
)
_PASSWORDS = frozenset(
    """
    1password.com my.1password.com bitwarden.com vault.bitwarden.com lastpass.com dashlane.com keepersecurity.com
    passwords.google.com accounts.google.com login.microsoftonline.com login.live.com appleid.apple.com
    nid.naver.com accounts.kakao.com okta.com auth0.com duosecurity.com
    """.split()  # noqa: SIM905
)
_GROUPS = {"banking": _BANKING, "health": _HEALTH, "mail": _MAIL, "sign-in": _PASSWORDS}
_BY_HOST = {host: group for group, hosts in _GROUPS.items() for host in hosts}

PRIVATE_NETWORK = "private network"
_PRIVATE_SUFFIXES = (".local", ".localhost", ".internal", ".intranet", ".lan", ".home", ".home.arpa", ".corp")
_BROWSER_SCHEMES = re.compile(
    r"^(about|blob|brave|chrome|chrome-extension|data|devtools|edge|file|javascript|moz-extension|view-source):",
    re.IGNORECASE,
)
#: The length of a domain name (RFC 1035). Of a longer host only the end can be one.
_MAX_HOST_CHARS = 253
_DOMAIN = re.compile(r"^(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$")


def _is_private_address(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not address.is_global


def matching_domain(host: str, domains: Iterable[str] | frozenset[str]) -> str | None:
    """The entry of `domains` that covers `host` (itself or a parent of it), or None."""
    known = domains if isinstance(domains, frozenset) else frozenset(domains)
    rest = host[-_MAX_HOST_CHARS:]
    while rest:
        if rest in known:
            return rest
        rest = rest.partition(".")[2]
    return None


@lru_cache(maxsize=8192)
def _sensitive_host(host: str) -> str | None:
    if host in {"localhost", ""} or host.endswith(_PRIVATE_SUFFIXES) or _is_private_address(host):
        return PRIVATE_NETWORK if host else None
    domain = matching_domain(host, frozenset(_BY_HOST))
    return _BY_HOST[domain] if domain else None


def default_exclusion_rule(url: str, *, allow_private_networks: bool = False) -> str | None:
    """The name of the default rule that excludes `url`, or None when the page may be recorded.

    The rules are banking, health, mail, sign-in, private network and browser page. `allow_private_networks` disables
    the rule for private networks, for research on an intranet.
    """
    if _BROWSER_SCHEMES.match(url):
        return "browser page"
    rule = _sensitive_host(host_of(url))
    return None if rule == PRIVATE_NETWORK and allow_private_networks else rule


def normalize_domain(entry: str) -> str:
    """The host of an entry in a user's list, without scheme, path, port and leading `*.`; IDNA for other scripts.

    Raises ValueError with a sentence for the user when the entry has no valid host.
    """
    text = entry.strip().lower().removeprefix("*.")
    host = host_of(text if "://" in text else f"https://{text}").rstrip(".")
    if len(host) > _MAX_HOST_CHARS:
        host = ""
    try:
        host = host.encode("idna").decode("ascii") if not host.isascii() else host
    except UnicodeError:
        host = ""
    if not host or len(host) > 253 or not _DOMAIN.match(host):
        raise ValueError(f"{entry[:80]!r} is not a domain")
    return host
