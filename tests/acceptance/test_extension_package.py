"""The packed extension that a server offers knows the server."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import httpx2
import pytest

from cluster.settings import Settings, with_changes
from serve.routes import extension_package, server_info
from tests.support.server import running_api


def package(path: Path) -> Path:
    manifest = {
        "host_permissions": ["http://127.0.0.1/*"],
        "externally_connectable": {"matches": ["http://127.0.0.1/*", "http://localhost/*"]},
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("background.js", "// code")
    return path


async def test_the_package_names_the_server_and_may_call_it(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = package(tmp_path / "trailmind.zip")
    for module in (extension_package, server_info):
        monkeypatch.setattr(module, "PACKAGE", path)
    async with running_api(with_changes(settings, public_url="https://trailmind.example.com:8443")) as (_, client):
        assert (await client.get("/v1/server")).json()["server"]["has_extension"] is True
        answer = await client.get("/v1/extension")
    assert answer.headers["content-disposition"] == 'attachment; filename="trailmind-extension.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.read("background.js") == b"// code"
        assert json.loads(archive.read("server.json")) == {"serverUrl": "https://trailmind.example.com:8443"}
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["host_permissions"] == ["http://127.0.0.1/*", "https://trailmind.example.com/*"]
    assert "https://trailmind.example.com/*" in manifest["externally_connectable"]["matches"]


async def test_without_a_public_address_the_package_names_the_one_it_was_downloaded_from(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extension_package, "PACKAGE", package(tmp_path / "trailmind.zip"))
    async with running_api(settings) as (_, client):
        for host in ("trailmind.local:9000", "192.168.0.7:9000"):
            answer = await client.get("/v1/extension", headers={"Host": host})
            with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
                assert json.loads(archive.read("server.json")) == {"serverUrl": f"http://{host}"}
                manifest = json.loads(archive.read("manifest.json"))
            assert f"http://{host.partition(':')[0]}/*" in manifest["externally_connectable"]["matches"]
        assert (await client.get("/v1/extension", headers={"Host": "rebound.example"})).status_code == 421


async def test_an_installation_without_the_package_says_so(
    api: httpx2.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (extension_package, server_info):
        monkeypatch.setattr(module, "PACKAGE", tmp_path / "missing.zip")
    assert (await api.get("/v1/server")).json()["server"]["has_extension"] is False
    assert (await api.get("/v1/extension")).status_code == 404
