"""Share links and exports."""

from __future__ import annotations

import csv
import io
import itertools
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree

import httpx2
import psycopg
import pytest
from pydantic import SecretStr

from cluster.settings import Settings, with_changes
from models.mindmap.notes import map_note
from models.mindmap.sharing import share_link_id, share_token
from serve.identity.signed_links import sign_link
from serve.routes.exports import escape_formula
from tests.support.client import PASSWORD, ApiUser, sign_up, visit
from tests.support.completed_session import completed_session
from tests.support.server import SIGNING_KEY, running_api

#: Of the settings.
KEYS = {"openai_api_key": SecretStr("a key for tests"), "gemini_api_key": SecretStr("a key for tests")}


async def _share(person: ApiUser, session_id: str, **body: Any) -> dict[str, Any]:
    return dict((await person.ok("POST", f"/v1/sessions/{session_id}/shares", json=body))["share"])


def _path(share: dict[str, Any]) -> str:
    url: str = share["api_url"]
    return "/v1/" + url.partition("/v1/")[2]


async def test_a_link_shows_the_selected_part(
    api: httpx2.AsyncClient, ann: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    session_id = await completed_session(ann, db, title="Bread and chess")
    for shows, pages, passages in (("map", False, False), ("pages", True, False), ("highlights", True, True)):
        share = await _share(ann, session_id, shows=shows)
        answer = await api.get(_path(share))
        assert answer.status_code == 200
        assert answer.headers["x-robots-tag"] == "noindex, nofollow, noarchive"
        assert answer.headers["cache-control"] == "private, no-store"
        assert "set-cookie" not in answer.headers
        shown = answer.json()
        assert shown["title"] == "Bread and chess"
        assert any(n["type"] == "topic" for n in shown["mindmap"]["nodes"])
        assert any(n["type"] == "page" for n in shown["mindmap"]["nodes"]) == pages
        assert ("bread.example" in answer.text) == pages
        ids = {n["id"] for n in shown["mindmap"]["nodes"]}
        assert all({e["source"], e["target"]} <= ids for e in shown["mindmap"]["edges"])
        assert all(points.keys() <= ids for points in shown["mindmap"]["layouts"].values())
        for private in (ann.id, ann.email, session_id, '"quote"', "left_out"):
            assert private not in answer.text
        picture = await api.get(_path(share) + "/image", params={"layout": "tree"})
        assert picture.status_code == 200
        assert picture.headers["content-type"] == "image/svg+xml"
        assert picture.headers["x-robots-tag"].startswith("noindex")
        assert picture.headers["content-security-policy"].startswith("default-src 'none';")
        marked = [text for n in shown["mindmap"]["nodes"] for text in n["data"].get("highlights", [])]
        assert marked == (["the crust browns in a hot oven"] if passages else [])
        if not pages:
            assert "browns in a hot oven" not in answer.text


async def test_a_link_can_be_revoked_and_expires(
    api: httpx2.AsyncClient, ann: ApiUser, bob: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    session_id = await completed_session(ann, db)
    first, second, third = [await _share(ann, session_id) for _ in range(3)]
    listed = (await ann.ok("GET", f"/v1/sessions/{session_id}/shares"))["shares"]
    assert {s["url"] for s in listed} == {first["url"], second["url"], third["url"]}
    path = f"/v1/sessions/{session_id}/shares/{first['id']}"
    assert (await bob.call("DELETE", path)).status_code == 404
    assert (await ann.call("DELETE", path)).status_code == 204
    assert (await ann.call("DELETE", path)).status_code == 404
    await db.execute("UPDATE share_links SET expires_at = now() - interval '1 s' WHERE id = %s", [second["id"]])
    assert [(await api.get(_path(s))).status_code for s in (first, second, third)] == [404, 404, 200]
    await ann.call("DELETE", f"/v1/sessions/{session_id}")
    assert (await api.get(_path(third))).status_code == 404
    assert (await api.get(_path(third) + "/image")).status_code == 404


async def test_a_link_does_not_name_a_hidden_topic(
    api: httpx2.AsyncClient, ann: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    session_id = await completed_session(ann, db)
    document = (await ann.ok("GET", f"/v1/sessions/{session_id}/mindmap"))["mindmap"]["data"]
    hidden = next(n for n in document["nodes"] if n["type"] == "topic" and "bread" in str(n["data"]["urls"]))
    body = {"operations": [{"op": "hide", "op_id": "1", "node_id": hidden["id"]}]}
    await ann.ok("PATCH", f"/v1/sessions/{session_id}/mindmap", json=body)
    picture = (await ann.ok("POST", f"/v1/sessions/{session_id}/mindmap/picture"))["url"].partition("/pictures/")[2]
    answers = [await api.get(f"/pictures/{picture}")]
    for shows in ("map", "pages", "highlights"):
        share = await _share(ann, session_id, shows=shows)
        answers += [await api.get(_path(share)), await api.get(_path(share) + "/image")]
        assert answers[-2].json()["dwell_ms"] == 150_000
    for answer in answers:
        assert answer.status_code == 200
        assert "chess" in answer.text.casefold() or "sicilian" in answer.text.casefold()
        for word in ("bread", "crust", "sourdough", hidden["label"].casefold()):
            assert word not in answer.text.casefold(), answer.text


async def test_a_picture_link_is_private_and_can_be_revoked(
    api: httpx2.AsyncClient, ann: ApiUser, bob: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    session_id, other_id = await completed_session(ann, db), await completed_session(ann, db)

    async def link(session: str) -> str:
        url: str = (await ann.ok("POST", f"/v1/sessions/{session}/mindmap/picture"))["url"]
        return "/pictures/" + url.partition("/pictures/")[2]

    first, second, other = await link(session_id), await link(session_id), await link(other_id)
    for path in (first, second, other):
        answer = await api.get(path)
        assert answer.status_code == 200
        assert answer.headers["x-robots-tag"] == "noindex, nofollow, noarchive"
        assert answer.headers["cache-control"] == "private, no-store"
    path = f"/v1/sessions/{session_id}/mindmap/picture"
    assert (await bob.call("DELETE", path)).status_code == 404
    assert (await api.get(first)).status_code == 200
    assert (await ann.call("DELETE", path)).status_code == 204
    assert [(await api.get(p)).status_code for p in (first, second, other)] == [404, 404, 200]
    assert (await api.get(await link(session_id))).status_code == 200
    # A link of the previous version, which has no number, ended with the others.
    old = sign_link(SIGNING_KEY, "picture", session_id, ttl_s=60)
    assert (await api.get(f"/pictures/{old}")).status_code == 404
    old = sign_link(SIGNING_KEY, "picture", other_id, ttl_s=60)
    assert (await api.get(f"/pictures/{old}")).status_code == 200
    # The pictures of a closed account are gone with it.
    await ann.ok("POST", "/v1/users/me/deletion", json={"password": PASSWORD})
    assert (await api.get(other)).status_code == 404


async def test_calls_of_links_are_counted(settings: Settings) -> None:
    async with running_api(with_changes(settings, rate_limits=True)) as (_, client):
        for path in ("/pictures/guess", "/v1/shared/guess", "/v1/shared/guess/image"):
            answer = await client.get(path)
            assert answer.status_code == 404
            assert "ratelimit" in answer.headers, path


async def test_links_cannot_be_guessed(api: httpx2.AsyncClient, ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    share = await _share(ann, await completed_session(ann, db))
    token = share["url"].rpartition("/")[2]
    assert share_link_id([SIGNING_KEY], token) == uuid.UUID(share["id"])
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    for guess in ("x", "ä", "=" * 5, flipped, share_token("another key", uuid.UUID(share["id"])), share["id"], "%00"):
        answer = await api.get(f"/v1/shared/{guess}")
        assert answer.status_code == 404, guess
    # Base64 decoders accept sixteen last characters: only the canonical one is valid.
    spellings = [token[:-1] + last for last in "AQgwBRhxCSiy" if share_link_id([SIGNING_KEY], token[:-1] + last)]
    assert spellings in ([], [token])
    # Links stay valid after a key rotation.
    assert share_link_id(["a new key", SIGNING_KEY], token) is not None


async def test_the_number_of_links_is_limited(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    session_id = await ann.start()
    for _ in range(50):
        await _share(ann, session_id)
    assert (await ann.call("POST", f"/v1/sessions/{session_id}/shares")).status_code == 409
    for body in ({"shows": "everything"}, {"expires_in_days": 0}, {"expires_in_days": 366}):
        assert (await ann.call("POST", f"/v1/sessions/{session_id}/shares", json=body)).status_code == 400


# --- exports ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def owner(settings: Settings) -> AsyncIterator[ApiUser]:
    """A user on a server whose default plan has every export format."""
    async with running_api(with_changes(settings, default_plan="enterprise")) as (_, client):
        yield await sign_up(client)


async def _export(person: ApiUser, session_id: str, kind: str, **params: Any) -> httpx2.Response:
    answer = await person.call("GET", f"/v1/sessions/{session_id}/export", params={"format": kind, **params})
    assert answer.status_code == 200, answer.text
    return answer


async def test_every_export_format_is_valid(owner: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    session_id = await completed_session(owner, db, title='빵과 "체스"/2026')
    exported = json.loads((await _export(owner, session_id, "json")).text)
    assert len(exported["visits"]) == 5
    assert exported["highlights"][0]["text"] == "the crust browns in a hot oven"
    assert exported["mindmap"]["nodes"][0]["type"] == "core"
    markdown = (await _export(owner, session_id, "markdown")).text
    assert markdown.startswith("# ")
    assert "https://bread.example/starter" in markdown
    opml = ElementTree.fromstring((await _export(owner, session_id, "opml")).content)
    assert opml.tag == "opml"
    assert len(opml.findall(".//outline[@url]")) == 5
    freemind = ElementTree.fromstring((await _export(owner, session_id, "freemind")).content)
    assert freemind.tag == "map"
    assert len(freemind.findall(".//node[@LINK]")) == 5
    svg = ElementTree.fromstring((await _export(owner, session_id, "svg", layout="tree", theme="dark")).content)
    assert svg.tag.endswith("svg")
    png = await _export(owner, session_id, "png", width=600)
    assert png.content.startswith(b"\x89PNG")
    assert int.from_bytes(png.content[16:20]) == 600
    table = list(csv.DictReader(io.StringIO((await _export(owner, session_id, "csv")).content.decode("utf-8-sig"))))
    assert [row["kind"] for row in table] == ["visit", "highlight", "visit", "visit", "visit", "visit"]
    assert table[0]["active_seconds"] == "50.0"
    disposition = png.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="')
    assert "/2026" not in disposition
    assert "filename*=UTF-8''%EB%B9%B5" in disposition


async def test_pictures_show_what_is_on_the_screen(owner: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    session_id = await completed_session(owner, db)
    document = json.loads((await _export(owner, session_id, "json")).text)["mindmap"]
    topic = next(node for node in document["nodes"] if node["type"] == "topic")
    look = {"layout": "tree", "theme": "dark", "palette": "dashboard"}
    whole = (await _export(owner, session_id, "svg", **look)).text
    folded = (await _export(owner, session_id, "svg", folded=[topic["id"], "unknown"], **look)).text
    assert len(folded) < len(whole)
    assert topic["label"] in folded
    assert topic["color"] not in whole
    width = int(ElementTree.fromstring(folded).get("width", ""))
    png = await _export(owner, session_id, "png", folded=[topic["id"]], scale=2, **look)
    assert int.from_bytes(png.content[16:20]) == 2 * width
    thumbnail = await owner.call("GET", f"/v1/sessions/{session_id}/mindmap/image?size=thumbnail&theme=dark")
    assert ElementTree.fromstring(thumbnail.text).get("viewBox") == "0 0 168 128"
    for params in ({"palette": "neon"}, {"scale": 9}, {"folded": ["x"] * 201}):
        answer = await owner.call("GET", f"/v1/sessions/{session_id}/export", params={"format": "svg", **params})
        assert answer.status_code == 400


async def test_csv_cells_are_never_formulas(owner: ApiUser) -> None:
    session_id = await owner.start()
    await owner.send(session_id, [visit("https://example.com/", title='=HYPERLINK("http://evil.test")')])
    table = list(csv.DictReader(io.StringIO((await _export(owner, session_id, "csv")).content.decode("utf-8-sig"))))
    assert table[0]["title"].startswith("'=")
    # Spreadsheets skip blanks, line feeds and invisible characters before a formula.
    blanks = ("", " ", "  \n", "\n", "\r\n", "\t", "\v", "\u00a0", "\u2003", "\u3000", "\u200b", "\ufeff", "\u2060 ")
    for sign, before in itertools.product("=+-@＝＋－＠", blanks):
        assert escape_formula(f"{before}{sign}1+1") == f"'{before}{sign}1+1", (before, sign)
    for cell in ("\n1", "\t1", "\r1"):
        assert escape_formula(cell) == f"'{cell}"
    for cell in ("", "1", " 1", "a = b", "Bread", "빵", "  ", "'=1"):
        assert escape_formula(cell) == cell


@pytest.mark.parametrize(
    ("language", "configured", "sentences"),
    [
        ("en", KEYS, ("Google could not be used; OpenAI made this map.",)),
        ("ko", KEYS, ("Google 모델 대신 OpenAI 모델로 만들었어요.", "Google could not be used; OpenAI made this map.")),
        (
            "ko",
            KEYS | {"openai_base_url": "http://ollama:11434/v1"},
            ("Google 모델 대신 이 서버의 자체 모델로 만들었어요.", "this server's model made this map."),
        ),
        # Their settings are gone since.
        (
            "ko",
            {},
            (
                "Google 또는 호환 서버의 모델 대신 OpenAI 또는 호환 서버의 모델로 만들었어요.",
                "Google or a compatible server could not be used; OpenAI or a compatible server made this map.",
            ),
        ),
    ],
)
async def test_exports_call_providers_by_their_companies(
    settings: Settings,
    db: psycopg.AsyncConnection[Any],
    language: str,
    configured: dict[str, Any],
    sentences: tuple[str, ...],
) -> None:
    note = map_note("provider_replaced", expected="gemini", provider="openai")
    own = ["openai could not be reached"]  # of a version that had no codes
    added = {"language": language, "notes": [*own, note.sentence], "note_details": [note.model_dump()]}
    async with running_api(with_changes(settings, default_plan="enterprise", **configured)) as (_, client):
        owner = await sign_up(client)
        session_id = await completed_session(owner, db)
        await db.execute(
            "UPDATE mindmap_versions SET data = data || %s::jsonb"
            " FROM mindmaps m WHERE m.id = mindmap_id AND session_id = %s",
            [json.dumps(added), session_id],
        )
        markdown = (await _export(owner, session_id, "markdown")).text
        exported = (await _export(owner, session_id, "json")).json()["mindmap"]
    assert f"> {sentences[0]}" in markdown
    assert exported["notes"][0] == own[0]
    assert sentences[-1] in exported["notes"][1]
    assert "openai" not in markdown + str(exported["notes"][1:]) + str(exported["note_details"])


async def test_export_formats_depend_on_the_plan(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    session_id = await completed_session(ann, db)
    assert (await _export(ann, session_id, "png")).content.startswith(b"\x89PNG")
    for kind in ("json", "markdown", "opml", "freemind", "svg", "csv"):
        answer = await ann.call("GET", f"/v1/sessions/{session_id}/export", params={"format": kind})
        assert answer.status_code == 402
        assert answer.json()["error"]["code"] == "PLAN_UPGRADE_REQUIRED"
        assert "Pro" in answer.json()["error"]["message"]
    await db.execute(
        "INSERT INTO subscriptions (id, user_id, plan, status, current_period_start, current_period_end)"
        " VALUES (%s, %s, 'pro', 'active', now(), now() + interval '30 days')",
        [uuid.uuid4(), ann.id],
    )
    for kind in ("json", "markdown", "opml", "freemind", "svg", "csv"):
        await _export(ann, session_id, kind)


async def test_image_exports_need_a_map(owner: ApiUser) -> None:
    session_id = await owner.start()
    answer = await owner.call("GET", f"/v1/sessions/{session_id}/export", params={"format": "svg"})
    assert answer.status_code == 404
    for params in ({"format": "exe"}, {"layout": "cube"}, {"width": 100_000}, {"width": "x"}):
        answer = await owner.call("GET", f"/v1/sessions/{session_id}/export", params=params)
        assert answer.status_code == 400
