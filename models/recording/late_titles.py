"""Gives visits their own title where an application set it late.

Such an application changes its address first and its title a moment later: each visit was recorded with the title of
the page before. That is assumed of a tab whose first route has the title of the page it was loaded with, and only where
the texts show it: a title's words stand in the text of the page before, and not in the page's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from models.recording.page_titles import share_of_words
from models.recording.timeline import Timeline, VisitRecord

ROUTED = frozenset({"route", "history_state", "spa", "replace", "push"})
_SITE_NAME = re.compile(r"\s[|\-–—·:]\s.*", re.DOTALL)
_MAX_HEADING_CHARS = 80
_BORNE_OUT, _MARGIN = 0.6, 0.4


def correct_late_titles(
    timeline: Timeline, chains: Sequence[Sequence[VisitRecord]], contents: Mapping[str, str]
) -> Timeline:
    """`timeline` with the titles of late applications moved to the visits they belong to.

    `chains` are those of its visits, `contents` has the texts by content key. A visit whose own title never came has
    the first line of its text as title, if that is short, else none.
    """
    corrected: dict[str, str | None] = {}
    for chain in chains:
        corrected |= _corrected(chain, [contents.get(visit.content_key or "", "") for visit in chain])
    if not corrected:
        return timeline
    visits = (replace(v, title=corrected[v.key]) if v.key in corrected else v for v in timeline.visits)
    return replace(timeline, visits=tuple(visits))


def late_chains(visits: Sequence[VisitRecord]) -> list[list[VisitRecord]]:
    """The visits of one loaded application each, in order, where the first route has the title of the loaded page."""
    chains: list[list[VisitRecord]] = []
    open_chains: dict[int | float | str | None, list[VisitRecord]] = {}
    for visit in visits:
        chain = open_chains.get(visit.tab_id)
        if visit.via in ROUTED and chain is not None:
            chain.append(visit)
        else:
            open_chains[visit.tab_id] = chain = [visit]
            chains.append(chain)
    return [
        chain
        for chain in chains
        if len(chain) > 1 and chain[0].title == chain[1].title and chain[0].page_id != chain[1].page_id
    ]


def _corrected(chain: Sequence[VisitRecord], texts: Sequence[str]) -> dict[str, str | None]:
    corrected: dict[str, str | None] = {}
    for i, visit in enumerate(chain[1:], start=1):
        if not visit.title or not texts[i] or visit.page_id == chain[i - 1].page_id:
            continue
        own, before = _share(visit.title, texts[i]), _share(visit.title, texts[i - 1])
        if before < _BORNE_OUT or before - own < _MARGIN:
            continue
        next_title = chain[i + 1].title if i + 1 < len(chain) else None
        if next_title and _share(next_title, texts[i]) >= _BORNE_OUT:
            corrected[visit.key] = next_title
        else:
            heading = texts[i].lstrip().split("\n", 1)[0].strip()
            corrected[visit.key] = heading if 0 < len(heading) <= _MAX_HEADING_CHARS else None
    return corrected


def _share(title: str, text: str) -> float:
    return share_of_words(_SITE_NAME.sub("", title), text)
