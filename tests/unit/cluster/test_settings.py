"""Settings: an invalid value raises one sentence that names the variable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.settings import VARIABLES, Settings, load_settings, to_environment, with_changes
from launch.secret_store import local_secret
from models.errors import ConfigurationError

PRODUCTION = {
    "TRAILMIND_ENVIRONMENT": "production",
    "TRAILMIND_SECRET_KEY": "k" * 40,
    "DATABASE_URL": "postgresql://db/x",
    "REDIS_URL": "redis://valkey",
    "TRAILMIND_EXTENSION_IDS": "abcdefghijklmnopabcdefghijklmnop",
    "TRAILMIND_TRUSTED_PROXIES": "none",
    "TRAILMIND_SMTP_URL": "smtps://mail.example",
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
        ("TRAILMIND_TRUSTED_PROXIES", "the-ingress"),
        ("TRAILMIND_TRUSTED_PROXIES", "none,10.0.0.0/8"),
        ("TRAILMIND_CONNECTIONS_PER_ADDRESS", "0"),
        ("TRAILMIND_NO_SUCH_THING", "1"),
    ],
)
def test_an_invalid_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as error:
        load_settings()
    assert str(error.value).startswith(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("missing", [n for n in PRODUCTION if n != "TRAILMIND_ENVIRONMENT"])
def test_production_requires_every_production_setting(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in PRODUCTION.items():
        if name != missing:
            monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=missing):
        load_settings()


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"TRAILMIND_CORS_ORIGINS": "*"}, "TRAILMIND_CORS_ORIGINS"),
        ({"TRAILMIND_CORS_ORIGINS": "https://a.example,*"}, "TRAILMIND_CORS_ORIGINS"),
        ({"TRAILMIND_PUBLIC_URL": "http://trailmind.example"}, "TRAILMIND_PUBLIC_URL must begin with https"),
        ({"TRAILMIND_PUBLIC_URL": "http://192.0.2.7:9000"}, "TRAILMIND_PUBLIC_URL must begin with https"),
        ({"TRAILMIND_HOST": "192.0.2.7"}, "TRAILMIND_PUBLIC_URL must begin with https"),
        ({"TRAILMIND_EXPOSURE": "network", "TRAILMIND_HOST": "0.0.0.0"}, "TRAILMIND_PUBLIC_URL must be set"),
    ],
)
def test_production_refuses_what_is_unsafe_on_a_network(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    for name, value in {**PRODUCTION, **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=named):
        load_settings()


def test_production_without_a_mail_server_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**PRODUCTION, "TRAILMIND_SMTP_URL": "none"}.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.mail.server_url is None
    assert not settings.retention_enabled, "users cannot be notified"


def test_development_origins_are_not_the_default_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "http://localhost:3000" in load_settings().cors_origins
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    assert load_settings().cors_origins == ()


def test_production_accepts_a_complete_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    assert load_settings().environment == "production"


def test_secrets_are_not_in_the_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-sesame")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:sesame@h/d")
    assert "sesame" not in repr(load_settings())


def test_another_process_loads_equal_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "g-key")
    settings = load_settings(data_dir=tmp_path, port=9100, cors_origins="http://a.test, http://b.test")
    monkeypatch.delenv("GEMINI_API_KEY")
    for name, value in to_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


@pytest.mark.parametrize(
    ("deprecated", "replacement", "read"),
    [
        ("TRAILMIND_FORGOTTEN_AFTER_S", "TRAILMIND_RECORDING_IDLE_TIMEOUT_S", lambda s: s.recording.idle_timeout_s),
        ("TRAILMIND_PASSIVATE_AFTER_S", "TRAILMIND_USER_IDLE_TIMEOUT_S", lambda s: s.recording.user_idle_timeout_s),
        ("TRAILMIND_PLAIN_TOKEN_TTL_S", "TRAILMIND_LONG_LIVED_TOKEN_TTL_S", lambda s: s.auth.long_lived_token_ttl_s),
    ],
)
def test_deprecated_variables_still_work_and_warn(
    monkeypatch: pytest.MonkeyPatch, deprecated: str, replacement: str, read: Callable[[Settings], float]
) -> None:
    monkeypatch.setenv(deprecated, "4321")
    with pytest.warns(FutureWarning, match=f"^{deprecated} is deprecated; set {replacement} instead$"):
        assert read(load_settings()) == 4321
    monkeypatch.setenv(replacement, "1234")
    assert read(load_settings()) == 1234


def test_every_variable_has_one_field_and_a_description() -> None:
    names = [name for variable in VARIABLES for name in variable.names]
    assert len(names) == len(set(names))
    assert all(variable.field.description for variable in VARIABLES)
    assert len({variable.flat_name for variable in VARIABLES}) == len(VARIABLES)


def test_changes_are_validated_and_leave_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(database_url="postgresql://u:p@h/d")
    changed = with_changes(settings, port=9200, trusted_proxies=("10.0.0.0/8",))
    assert (changed.server.port, settings.server.port) == (9200, 9000)
    assert changed.database.postgres_dsn == "postgresql://u:p@h/d"
    for name, value in (("port", 70000), ("trusted_proxies", "not-a-network"), ("no_such_field", 1)):
        with pytest.raises(ConfigurationError, match=name.upper() + "|" + name):
            with_changes(settings, **{name: value})


def test_a_generated_secret_is_stable_and_private(tmp_path: Path) -> None:
    first = local_secret(tmp_path, "signing-key")
    assert local_secret(tmp_path, "signing-key") == first
    assert local_secret(tmp_path, "another") != first
    assert len(first) >= 32
    path = tmp_path / "secrets" / "signing-key"
    assert path.stat().st_mode & 0o077 == 0
