"""The sentences we write ourselves: a session's title and its summary, from counted facts alone."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.mindmap.outline.types import OutlineTopic
from cluster.mindmap.pages.features import PageFeatures
from models.text import shorten


def session_title(labels: Sequence[str], language: str) -> str:
    """A title from the first topics' labels."""
    if not labels:
        return "빈 세션" if language == "ko" else "Empty session"
    heads = [label.split(" · ")[0] for label in labels[:3]]
    if language == "ko":
        return shorten(", ".join(heads), 60)
    if len(heads) == 1:
        return heads[0]
    return shorten(", ".join(heads[:-1]) + " and " + heads[-1], 60)


def session_summary(topics: Sequence[OutlineTopic], pages: Sequence[PageFeatures], language: str) -> str:
    """One sentence: how much was read, on what, and where most of the time went. `pages` are the placed pages."""
    korean = language == "ko"
    if not topics:
        return "지도에 올릴 만한 페이지가 없습니다." if korean else "There was no page worth placing on a map."
    time_of = {page.page_id: page.dwell_ms for page in pages}
    spent = {topic.id: sum(time_of.get(page, 0) for page in topic.all_page_ids()) for topic in topics}
    longest = max(topics, key=lambda topic: (spent[topic.id], topic.id))
    ranked = sorted(topics, key=lambda topic: (-spent[topic.id], topic.id))
    names = [topic.label for topic in ranked]
    minutes = round(sum(spent.values()) / 60_000)
    share = spent[longest.id] / max(1, sum(spent.values()))
    count = len(pages)
    if korean:
        shown = ", ".join(names[:4]) + (f" 외 {len(names) - 4}개 주제" if len(names) > 4 else "")
        text = (
            f"{minutes}분 동안 {shown}에 관한 {count}개 페이지를 읽었습니다"
            if minutes
            else f"{shown}에 관한 {count}개 페이지를 읽었습니다"
        )
        if len(names) > 1 and minutes:
            text += f"(가장 오래 본 주제: {longest.label}, {share:.0%})"
        return text + "."
    more = len(names) - 4
    listed = names[:4] + ([f"{more} more topics" if more > 1 else "one more topic"] if more > 0 else [])
    shown = listed[0] if len(listed) == 1 else ", ".join(listed[:-1]) + " and " + listed[-1]
    text = f"{count} page{'s' if count != 1 else ''} on {shown}"
    if minutes:
        text += f", read in {minutes} minute{'s' if minutes != 1 else ''}"
        if len(names) > 1:
            text += f", most of it ({share:.0%}) on {longest.label}"
    return text + "."
