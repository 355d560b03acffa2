"""Settings: a bad value stops the start with one sentence that names the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.settings import load_settings, to_environment
from launch.secret_store import local_secret
from models.errors import ConfigurationError

PRODUCTION = {
    "TRAILMIND_ENVIRONMENT": "production",
    "TRAILMIND_SECRET_KEY": "k" * 40,
    "DATABASE_URL": "postgresql://db/x",
    "REDIS_URL": "redis://valkey",
    "TRAILMIND_EXTENSION_IDS": "abcdefghijklmnopabcdefghijklmnop",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRAILMIND_PORT", "ninethousand"),
        ("TRAILMIND_PORT", "70000"),
        ("TRAILMIND_NUM_SHARDS", "0"),
        ("TRAILMIND_NUM_SHARDS", "65"),
        ("TRAILMIND_ENVIRONMENT", "staging"),
        ("TRAILMIND_EXPOSURE", "everybody"),
        ("DATABASE_URL", "mysql://x"),
        ("REDIS_URL", "localhost:6379"),
        ("TRAILMIND_NO_SUCH_THING", "1"),
    ],
)
def test_a_bad_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as error:
        load_settings()
    assert str(error.value).startswith(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("missing", [n for n in PRODUCTION if n != "TRAILMIND_ENVIRONMENT"])
def test_production_refuses_to_start_half_configured(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in PRODUCTION.items():
        if name != missing:
            monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=missing):
        load_settings()


def test_production_starts_when_everything_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    assert load_settings().environment == "production"


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-sesame")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:sesame@h/d")
    assert "sesame" not in repr(load_settings())


def test_another_process_loads_equal_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "g-key")
    mine = load_settings(data_dir=tmp_path, port=9100, cors_origins="http://a.test, http://b.test")
    monkeypatch.delenv("GEMINI_API_KEY")
    for name, value in to_environment(mine).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == mine


def test_a_generated_secret_is_kept_and_private(tmp_path: Path) -> None:
    first = local_secret(tmp_path, "signing-key")
    assert local_secret(tmp_path, "signing-key") == first
    assert local_secret(tmp_path, "another") != first
    assert len(first) >= 32
    path = tmp_path / "secrets" / "signing-key"
    assert path.stat().st_mode & 0o077 == 0
