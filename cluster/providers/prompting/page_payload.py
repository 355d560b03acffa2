"""From a captured page to what may be told of it: redacted first, then cut, so that no cut can hide a secret's form."""

from __future__ import annotations

import json
from hashlib import blake2b

from cluster.mindmap.text.language import detect_language
from cluster.providers.privacy.outline_redaction import mask_secrets, secret_fragments
from cluster.providers.privacy.redaction import redact
from cluster.providers.token_estimate import truncate
from cluster.providers.types import PagePayload
from models.recording.pages import CapturedPage
from models.text import collapse_whitespace, shorten, strip_invisible
from models.urls import host_of

MAX_TEXT_TOKENS = 450
MAX_TITLE_CHARS = 200
MAX_HIGHLIGHTS = 6
MAX_HIGHLIGHT_CHARS = 300
# A page of any size is looked at only so far; the cut may fall into a secret, but far behind what is sent.
_MAX_REDACTED_CHARS = 16_000


def page_payload(page: CapturedPage, secrets: set[str] | None = None) -> PagePayload:
    """The payload of `page`. Pure: the same page gives the same payload and digest anywhere.

    What was taken out, of the page's address too, is added to `secrets`.
    """
    own: set[str] = set()
    text, in_text = redact(strip_invisible(page.text[:_MAX_REDACTED_CHARS]), own)
    title, in_title = redact(collapse_whitespace(page.title[:2000]), own)
    marked = [
        redact(collapse_whitespace(passage[:2000]), own)
        for passage in page.highlights[:MAX_HIGHLIGHTS]
        if passage.strip()
    ]
    redact(page.url, own)
    said_again = secret_fragments(own)
    highlights = tuple(shorten(mask_secrets(passage, said_again), MAX_HIGHLIGHT_CHARS) for passage, _ in marked)
    text = truncate(mask_secrets(text, said_again), MAX_TEXT_TOKENS)
    title = shorten(mask_secrets(title, said_again), MAX_TITLE_CHARS)
    if secrets is not None:
        secrets |= own
    content = json.dumps([page.page_id, title, host_of(page.url), text, highlights], ensure_ascii=False)
    return PagePayload(
        page_id=page.page_id,
        title=title,
        host=host_of(page.url),
        text=text,
        highlights=highlights,
        language=detect_language(f"{title}\n{title}\n{text}"),
        digest=blake2b(content.encode("utf-8", "replace"), digest_size=16).hexdigest(),
        num_redactions=in_text + in_title + sum(count for _, count in marked),
    )
