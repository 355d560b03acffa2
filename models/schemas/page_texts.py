"""The response body of a captured page: its text with the passages that the user highlighted."""

from __future__ import annotations

from pydantic import Field

from models.schemas.base import Reply, Time


class MarkedPassage(Reply):
    """A highlighted passage. White space in `text` is collapsed; in the page's text it may contain line breaks."""

    id: str
    text: str
    prefix: str = Field(description="The text directly before the passage, as the browser recorded it")
    suffix: str = Field(description="The text directly after the passage")
    color: str
    note: str | None = None


class PageTextReply(Reply):
    """A page as it was captured. Every line of `text` is a block of the page, such as a paragraph or a list item."""

    page_id: str
    url: str
    title: str
    language: str | None = Field(default=None, description="The language that the page declares, such as `ko`")
    first_visited_at: Time | None = None
    text: str = Field(description="Empty when no text was captured or when it was erased")
    is_truncated: bool = Field(description="Whether the page was longer than what is stored")
    highlights: list[MarkedPassage]
