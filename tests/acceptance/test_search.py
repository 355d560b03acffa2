"""Search: words, parts of words, Korean; filters; ranking; isolation of users."""

from __future__ import annotations

import random
from typing import Any

import psycopg
import pytest

from tests.support.client import ApiUser, visit
from tests.support.completed_session import completed_session


async def _urls(person: ApiUser, q: str, **params: Any) -> list[str]:
    reply = await person.ok("GET", "/v1/search", params={"q": q, **params})
    return [hit["url"].partition("//")[2] for hit in reply["results"]]


async def test_words_parts_of_words_and_korean(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    await completed_session(ann, db)
    assert (await _urls(ann, "sicilian"))[0] == "www.chess.example/sicilian"
    assert await _urls(ann, "Philidor") == ["www.chess.example/endgames"]  # only in the text
    assert "www.chess.example/sicilian" in await _urls(ann, "sicil")  # the beginning of a word
    assert "bread.example/starter" in await _urls(ann, "ourdoug")  # the middle of one
    assert await _urls(ann, "강화학습") == ["ml.example.kr/rl"]
    assert await _urls(ann, "학습") == ["ml.example.kr/rl"]
    assert await _urls(ann, "정책 경사") == ["ml.example.kr/rl"]
    assert await _urls(ann, "sourdough sicilian") == []
    assert await _urls(ann, "nothing of the kind") == []
    assert await _urls(ann, "!!! ???") == []


async def test_one_word_in_the_title_and_one_in_the_text(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    await completed_session(ann, db)
    assert "endgames" in (await _urls(ann, "endgames"))[0]
    assert await _urls(ann, "endgames Philidor") == ["www.chess.example/endgames"]


_MAKE_OLD_ROWS = """
    UPDATE search_pages SET head = replace(head::text, '''' || left(user_id::text, 2) || '/', '''')::tsvector,
        body = replace(body::text, '''' || left(user_id::text, 2) || '/', '''')::tsvector
    WHERE user_id = %s
"""
_SET_OLD_VERSION = """
    UPDATE search_state SET index_version = 4
    WHERE session_id IN (SELECT id FROM browsing_sessions WHERE user_id = %s)
"""


async def test_rows_of_an_earlier_version_are_found_until_they_are_indexed_again(
    ann: ApiUser, db: psycopg.AsyncConnection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words had no prefix of their user before version 5, and a user of many sessions is not indexed in a moment."""
    await completed_session(ann, db)
    queries = ("sicilian", "sicil", "Philidor", "학습", "정책 경사", "sourdugh", "ourdoug", "sourdough sicilian")
    before = [await _urls(ann, q) for q in queries]
    assert sum(map(bool, before)) == len(queries) - 1
    changed = await db.execute(_MAKE_OLD_ROWS, [ann.id])
    assert changed.rowcount > 0
    await db.execute(_SET_OLD_VERSION, [ann.id])
    with monkeypatch.context() as patch:
        patch.setattr("serve.routes.search._MAX_INDEXED_BEFORE_REPLY", 0)
        patch.setattr("serve.routes.search._MAX_INDEXED_AFTER_REPLY", 0)
        reply = await ann.ok("GET", "/v1/search", params={"q": "sicilian"})
        assert reply["is_indexing"]
        assert [await _urls(ann, q) for q in queries] == before
    assert [await _urls(ann, q) for q in queries] == before
    assert not (await ann.ok("GET", "/v1/search", params={"q": "sicilian"}))["is_indexing"]


@pytest.mark.parametrize(("many", "common"), [(1, 10**9), (1, -1), (2_000, -1)])
async def test_common_and_rare_words_give_the_same_results(
    ann: ApiUser, db: psycopg.AsyncConnection[Any], monkeypatch: pytest.MonkeyPatch, many: int, common: int
) -> None:
    """Every query plan gives the same results."""
    await completed_session(ann, db)
    questions = ("bread", "sourdough", "ourdoug", "chess rook", "학습", "oven", "example", "nobody")
    plain = [await _urls(ann, q) for q in questions]
    filtered = [await _urls(ann, q, domain="bread.example") for q in questions]
    monkeypatch.setattr("models.search.queries.MAX_RANKED_HITS", many)
    monkeypatch.setattr("models.search.queries._COMMON", common)
    assert [await _urls(ann, q) for q in questions] == plain
    assert [await _urls(ann, q, domain="bread.example") for q in questions] == filtered
    assert any(plain)
    assert any(filtered)


async def test_snippets_mark_the_match(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    session_id = await completed_session(ann, db, title="An afternoon")
    hit = (await ann.ok("GET", "/v1/search", params={"q": "browns"}))["results"][0]
    assert hit["session_id"] == session_id
    assert hit["session_title"] == "An afternoon"
    assert hit["snippet_from"] == "highlight"
    assert [hit["snippet"][m["start"] : m["end"]] for m in hit["marks"]] == ["browns"]
    assert hit["dwell_ms"] == 50_000
    assert hit["topics"]
    hit = (await ann.ok("GET", "/v1/search", params={"q": "가치 함수"}))["results"][0]
    assert hit["snippet_from"] == "text"
    assert {hit["snippet"][m["start"] : m["end"]] for m in hit["marks"]} == {"가치", "함수"}


async def test_attention_ranks_equally_relevant_pages(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    await completed_session(ann, db)
    # A match in the title ranks above the text, a highlighted passage above other text.
    assert (await _urls(ann, "better"))[0] == "bread.example/crust"  # in the title
    assert (await _urls(ann, "oven"))[0] == "bread.example/starter"  # in a highlight


async def test_filters(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    first, second = await completed_session(ann, db), await completed_session(ann, db)
    assert len(await _urls(ann, "sourdough")) == 4
    assert len(await _urls(ann, "sourdough", session_id=first)) == 2
    assert len(await _urls(ann, "sourdough", session_id=second)) == 2
    assert len(await _urls(ann, "rook", domain="chess.example", session_id=first)) == 2
    assert await _urls(ann, "rook", domain="example.kr") == []
    assert await _urls(ann, "sourdough", session_id=first, has_highlight=True) == ["bread.example/starter"]
    assert await _urls(ann, "sourdough", session_id=first, has_highlight=False) == ["bread.example/crust"]
    hit = (await ann.ok("GET", "/v1/search", params={"q": "starter", "session_id": first}))["results"][0]
    when = hit["last_visited_at"]
    assert len(await _urls(ann, "starter", session_id=first, since=when)) >= 1
    assert await _urls(ann, "starter", until=hit["first_visited_at"]) == []
    assert len(await _urls(ann, "sourdough", limit=1, offset=1)) == 1


async def test_deleted_sessions_and_those_of_other_users_are_not_found(
    ann: ApiUser, bob: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    session_id = await completed_session(ann, db)
    assert await _urls(bob, "sourdough") == []
    assert len(await _urls(ann, "sourdough")) == 2
    assert await _urls(bob, "sourdough", session_id=session_id) == []
    await ann.call("DELETE", f"/v1/sessions/{session_id}")
    assert await _urls(ann, "sourdough") == []


async def test_an_open_session_is_found_after_stop(ann: ApiUser) -> None:
    session_id = await ann.start()
    await ann.send(session_id, [visit("https://quokka.example/", title="Quokka facts")])
    assert await _urls(ann, "quokka") == []
    await ann.ok("POST", f"/v1/sessions/{session_id}/stop")
    assert await _urls(ann, "quokka") == ["quokka.example/"]


@pytest.mark.parametrize(
    "params",
    [{}, {"q": ""}, {"q": "x" * 201}, {"q": "a\x00b"}, {"q": "a", "limit": 0}, {"q": "a", "limit": 101},
     {"q": "a", "offset": -1}, {"q": "a", "session_id": "x"}, {"q": "a", "since": "yesterday"},
     {"q": "a", "domain": "not a domain"}],
)  # fmt: skip
async def test_invalid_queries_are_rejected(ann: ApiUser, params: dict[str, Any]) -> None:
    answer = await ann.call("GET", "/v1/search", params=params)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("q", ["'", "\\", "a'b", "& | !", "<->", "'x':*", "%", "_", "\\'", "a:b", "𝕏", "‍‍", "ﬁ İ ß"])
async def test_queries_are_neither_sql_nor_tsquery_syntax(
    ann: ApiUser, db: psycopg.AsyncConnection[Any], q: str
) -> None:
    await completed_session(ann, db)
    assert (await ann.call("GET", "/v1/search", params={"q": q})).status_code == 200


async def test_pages_that_exceed_an_index_are_found(ann: ApiUser) -> None:
    """A host of thousands of letters, and more marked text than a tsvector holds."""
    session = await ann.start()
    words = random.Random(5)
    host = ".".join(f"{words.getrandbits(200):x}" for _ in range(60))
    events = [visit(f"https://{host}/zebra", 1_760_000_000_000, title="zebra", content="zebra crossing " * 20)]
    events += [
        {"type": "highlight", "timestamp": 1_760_000_000_001 + i, "url": f"https://{host}/zebra",
         "text": " ".join(f"{words.getrandbits(64):x}" for _ in range(500))}
        for i in range(200)
    ]  # fmt: skip
    await ann.send(session, events)
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    found = await ann.ok("GET", "/v1/search", params={"q": "zebra"})
    assert [hit["title"] for hit in found["results"]] == ["zebra"]


@pytest.mark.parametrize(
    "query", ["sicilan", "scilian", "sicillian", "sicilain", "sicolian", "sicilian defense", "endgames philidr knew"]
)
async def test_one_typing_error_in_a_word_is_forgiven(
    ann: ApiUser, db: psycopg.AsyncConnection[Any], query: str
) -> None:
    await completed_session(ann, db)
    found = await _urls(ann, query)
    if found:
        hit = (await ann.ok("GET", "/v1/search", params={"q": query}))["results"][0]
        marked = {hit["snippet"][m["start"] : m["end"]].lower() for m in hit["marks"]}
        assert "sicilian" in marked, "the word that was meant is marked"
    # A word of the text alone has no similar form in the index; words of title, passages and topics do.
    assert found[:1] == ([] if "philidr" in query else ["www.chess.example/sicilian"])
    assert await _urls(ann, "sicixxan") == []  # two errors


@pytest.mark.parametrize(
    ("written", "query"),
    [("셀 범위를 고르는 방법", "셀범위"), ("셀범위를 고르는 방법", "셀 범위"), ("자동 대기 화면", "자동대기")],
)
async def test_korean_is_found_with_and_without_spaces(ann: ApiUser, written: str, query: str) -> None:
    session_id = await ann.start()
    await ann.send(session_id, [visit("https://calc.example/", title=written, content="본문입니다. " * 30)])
    await ann.send(session_id, [visit("https://other.example/", title="다른 이야기", content="다른 글입니다. " * 30)])
    await ann.ok("POST", f"/v1/sessions/{session_id}/stop")
    assert await _urls(ann, query) == ["calc.example/"]
    hit = (await ann.ok("GET", "/v1/search", params={"q": query}))["results"][0]
    marked = "".join(hit["snippet"][m["start"] : m["end"]] for m in hit["marks"])
    assert marked.replace(" ", "") == query.replace(" ", "")


@pytest.mark.parametrize("query", ["rfat", "arft", "ratf", "raaft", "rfat consenssu"])
async def test_an_error_in_a_word_of_four_letters(ann: ApiUser, query: str) -> None:
    session_id = await ann.start()
    for name in ("Raft consensus", "Rafting in Norway", "Left shift", "The fat cat of Arles"):
        page = f"https://{name.split()[0].lower()}.example/"
        await ann.send(session_id, [visit(page, title=name, content=f"{name}, in some more words. " * 30)])
    await ann.ok("POST", f"/v1/sessions/{session_id}/stop")
    found = await _urls(ann, query)
    assert found[0] == "raft.example/"
    assert set(found) <= {"raft.example/", "rafting.example/"}


@pytest.mark.parametrize("query", ["rft", "rat", "rft consensus", "rft nothing"])
async def test_a_letter_that_is_missing_in_a_word_of_four(ann: ApiUser, query: str) -> None:
    session_id = await ann.start()
    for name in ("Raft consensus", "Rafting in Norway", "Root shift", "The fat cab of Arles"):
        page = f"https://{name.split()[0].lower()}.example/"
        await ann.send(session_id, [visit(page, title=name, content=f"{name}, in some more words. " * 30)])
    await ann.ok("POST", f"/v1/sessions/{session_id}/stop")
    assert await _urls(ann, query) == ([] if "nothing" in query else ["raft.example/"])
    # Another letter would make too many words: "cat" is none of "fat" and "cab".
    assert await _urls(ann, "cat") == []
    hits = (await ann.ok("GET", "/v1/search", params={"q": query}))["results"]
    for hit in hits:
        marked = {hit["snippet"][m["start"] : m["end"]].lower() for m in hit["marks"]}
        assert "raft" in marked


async def test_a_word_that_exists_is_not_taken_for_an_error(ann: ApiUser) -> None:
    session_id = await ann.start()
    for name in ("form", "from"):
        await ann.send(session_id, [visit(f"https://{name}.example/", title=f"The {name}", content="words " * 60)])
    await ann.ok("POST", f"/v1/sessions/{session_id}/stop")
    assert await _urls(ann, "form") == ["form.example/"]
