"""The content of a page that may be sent: redacted first, then truncated, so that no cut hides a secret's pattern."""

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
# Bounds the redaction of long pages. This cut may divide a secret, but far behind the text that is sent.
_MAX_REDACTED_CHARS = 16_000


def page_payload(page: CapturedPage, secrets: set[str] | None = None) -> PagePayload:
    """The payload of `page`. Pure: the same page has the same payload and digest on every machine.

    The redacted secrets, including those of the page's URL, are added to `secrets`.
    """
    page_secrets: set[str] = set()
    text, num_in_text = redact(strip_invisible(page.text[:_MAX_REDACTED_CHARS]), page_secrets)
    title, num_in_title = redact(collapse_whitespace(page.title[:2000]), page_secrets)
    redacted_highlights = [
        redact(collapse_whitespace(highlight[:2000]), page_secrets)
        for highlight in page.highlights[:MAX_HIGHLIGHTS]
        if highlight.strip()
    ]
    redact(page.url, page_secrets)
    # A page may repeat a secret where no pattern detects it.
    fragments = secret_fragments(page_secrets)
    highlights = tuple(
        shorten(mask_secrets(highlight, fragments), MAX_HIGHLIGHT_CHARS) for highlight, _ in redacted_highlights
    )
    text = truncate(mask_secrets(text, fragments), MAX_TEXT_TOKENS)
    title = shorten(mask_secrets(title, fragments), MAX_TITLE_CHARS)
    if secrets is not None:
        secrets |= page_secrets
    content = json.dumps([page.page_id, title, host_of(page.url), text, highlights], ensure_ascii=False)
    return PagePayload(
        page_id=page.page_id,
        title=title,
        host=host_of(page.url),
        text=text,
        highlights=highlights,
        language=detect_language(f"{title}\n{title}\n{text}"),
        digest=blake2b(content.encode("utf-8", "replace"), digest_size=16).hexdigest(),
        num_redactions=num_in_text + num_in_title + sum(count for _, count in redacted_highlights),
    )
