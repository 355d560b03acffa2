"""Serving of the built dashboard: routing beside the API, caching, compression and the security policy."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from serve.dashboard import BUILT_FILES, install_dashboard
from tests.dashboard.bundle_size import MAX_BYTES, route_bundle_sizes

SCRIPT = "document.title = 'x'"
PAGE = f"<!doctype html><title>T</title><script>{SCRIPT}</script><div id=root></div>"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A small dashboard build."""
    root = tmp_path / "dashboard"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text(PAGE)
    (root / "assets" / "main-abc123.js").write_text("plain")
    (root / "assets" / "main-abc123.js.br").write_bytes(b"brotli")
    (root / "assets" / "main-abc123.js.gz").write_bytes(b"gzip")
    (root / "icon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("secret")
    return root


def client_of(root: Path) -> httpx2.AsyncClient:
    app = FastAPI()

    @app.get("/v1/things")
    def things() -> dict[str, str]:
        return {"a": "thing"}

    install_dashboard(app, root)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://testserver")


async def test_dashboard_routes_return_the_page(built: Path) -> None:
    async with client_of(built) as client:
        for path in ("/", "/sessions", "/sessions/5?layout=tree", "/shared/a.b.c"):
            answer = await client.get(path, headers={"accept": "text/html"})
            assert (answer.status_code, answer.text) == (200, PAGE), path
            assert answer.headers["cache-control"] == "no-cache"


async def test_api_routes_never_return_the_page(built: Path) -> None:
    async with client_of(built) as client:
        assert (await client.get("/v1/things")).json() == {"a": "thing"}
        for path in ("/v1/nothing", "/v1", "/health/x", "/ready", "/metrics", "/pictures/t"):
            answer = await client.get(path, headers={"accept": "text/html"})
            assert answer.status_code == 404, path
            assert "html" not in answer.headers["content-type"], path
        assert (await client.post("/v1/things")).status_code == 405
        assert (await client.post("/sessions")).status_code == 404


async def test_the_security_policy_allows_the_inline_script_by_its_hash_only(built: Path) -> None:
    async with client_of(built) as client:
        policy = (await client.get("/")).headers["content-security-policy"]
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"https?:|\*", policy)


async def test_hashed_files_are_immutable_and_compressed(built: Path) -> None:
    async with client_of(built) as client:
        for accepted, body, coding in (
            ("br, gzip", "brotli", "br"),
            ("gzip", "gzip", "gzip"),
            ("identity", "plain", ""),
        ):
            request = client.build_request("GET", "/assets/main-abc123.js", headers={"accept-encoding": accepted})
            answer = await client.send(request, stream=True)
            raw = b"".join([part async for part in answer.aiter_raw()])
            assert raw.decode() == body
            assert answer.headers.get("content-encoding", "") == coding
            assert answer.headers["content-type"].startswith("text/javascript")
            assert "immutable" in answer.headers["cache-control"]
            assert answer.headers["vary"] == "Accept-Encoding"
        assert (await client.get("/icon.svg")).headers["cache-control"] == "no-cache"


async def test_no_file_outside_the_build_is_served(built: Path) -> None:
    async with client_of(built) as client:
        for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "//etc/passwd", "/%00"):
            answer = await client.get(path)
            assert "secret" not in answer.text, path
            assert "root:" not in answer.text, path


async def test_a_missing_file_is_404(built: Path) -> None:
    async with client_of(built) as client:
        assert (await client.get("/assets/gone-1.js")).status_code == 404


async def test_an_unknown_route_is_404_for_clients_that_do_not_accept_html(built: Path) -> None:
    async with client_of(built) as client:
        answer = await client.get("/v2/sessions", headers={"accept": "*/*"})
    assert answer.status_code == 404
    assert "html" not in answer.headers["content-type"]


async def test_a_new_build_is_served_without_a_restart(built: Path) -> None:
    async with client_of(built) as client:
        before = await client.get("/")
        (built / "index.html").write_text(PAGE.replace("T", "U"))
        os.utime(built / "index.html", (1, 1))
        assert (await client.get("/")).text != before.text


async def test_without_a_build_the_page_names_the_command(tmp_path: Path) -> None:
    async with client_of(tmp_path / "none") as client:
        answer = await client.get("/sessions", headers={"accept": "text/html"})
    assert answer.status_code == 200
    assert "make dashboard" in answer.text


@pytest.mark.skipif(not (BUILT_FILES / "index.html").exists(), reason="the dashboard is not built")
def test_the_build_loads_nothing_from_other_origins() -> None:
    page = (BUILT_FILES / "index.html").read_text()
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    for sheet in BUILT_FILES.glob("assets/*.css"):
        assert not re.search(r"url\((['\"])?(https?:)?//", sheet.read_text()), sheet.name
        assert "@import" not in sheet.read_text()


@pytest.mark.skipif(not (BUILT_FILES / "manifest.json").exists(), reason="the dashboard is not built")
def test_no_route_exceeds_its_size_budget() -> None:
    weights = route_bundle_sizes()
    assert {name: size for name, size in weights.items() if size > MAX_BYTES} == {}
    assert weights["session"] > 100_000, "the manifest no longer names what the session page loads"
