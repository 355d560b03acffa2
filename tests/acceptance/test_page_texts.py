"""The captured text of a page over HTTP: blocks as lines, highlights with their context, owners only."""

from __future__ import annotations

from tests.support.client import ApiUser, visit

T0 = 1_760_000_000_000
URL = "https://example.com/article"


async def test_a_page_is_read_with_its_highlights_in_place(ann: ApiUser, bob: ApiUser) -> None:
    session = await ann.start()
    text = "A first paragraph of the article.\nA second one.\nTea\nMilk"
    await ann.send(
        session,
        [
            visit(URL, T0, title="An article", content=text, metadata={"language": "en", "text_truncated": True}),
            {
                "type": "highlight",
                "timestamp": T0 + 1000,
                "url": URL,
                "text": "of the article. A second",
                "metadata": {
                    "anchor": [
                        {
                            "type": "TextQuoteSelector",
                            "exact": "of the article. A second",
                            "prefix": "A first paragraph ",
                            "suffix": " one.",
                        },
                        {"type": "TextPositionSelector", "start": 18, "end": 42},
                    ]
                },
            },
            visit("https://example.com/other", T0 + 5000),
        ],
    )
    visits = (await ann.ok("GET", f"/v1/sessions/{session}/events?type=page_visit"))["page_visits"]
    pages = {each["url"]: f"/v1/sessions/{session}/pages/{each['page_id']}" for each in visits}
    page = await ann.ok("GET", pages[URL])
    assert (page["url"], page["title"], page["text"], page["language"]) == (URL, "An article", text, "en")
    assert page["is_truncated"] is True
    (marked,) = page["highlights"]
    expected = ("of the article. A second", "A first paragraph ", " one.")
    assert (marked["text"], marked["prefix"], marked["suffix"]) == expected
    other = await ann.ok("GET", pages["https://example.com/other"])
    assert (other["text"], other["highlights"], other["is_truncated"]) == ("", [], False)

    # Another user gets nothing, and a page that is not in the session does not exist.
    assert (await bob.call("GET", pages[URL])).status_code == 404
    assert (await ann.call("GET", f"/v1/sessions/{session}/pages/0123456789abcdef")).status_code == 404
    assert (await ann.call("GET", f"/v1/sessions/{session}/pages/%00")).status_code in {404, 422}
