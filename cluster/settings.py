"""Every knob, in one frozen class, read once at the entry point.

Our own variables begin with `TRAILMIND_`; `DATABASE_URL`, `REDIS_URL` and the providers' keys carry the names the
world uses. A bad value stops the start with one sentence that names the variable.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.errors import ConfigurationError

_DEFAULT_DATA_DIR = Path(platformdirs.user_data_dir("trailmind", appauthor=False))
#: What counts as one of our variables when a typo is looked for.
PREFIX = "TRAILMIND_"


def _alias(name: str) -> Any:
    """A field read from its worldly name, or from ours."""
    return Field(default=None, validation_alias=AliasChoices(name, PREFIX + name))


class Settings(BaseSettings):
    """The configuration of one process. Secrets never show in `repr`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", populate_by_name=True)

    environment: Literal["development", "test", "production"] = "development"
    data_dir: Path = _DEFAULT_DATA_DIR
    host: str = "127.0.0.1"
    port: int = Field(default=9000, ge=0, le=65535)
    #: The origin people reach the server at; links in answers and mails begin with it.
    public_url: str | None = None

    database_url: SecretStr | None = _alias("DATABASE_URL")
    redis_url: SecretStr | None = _alias("REDIS_URL")
    openai_api_key: SecretStr | None = _alias("OPENAI_API_KEY")
    anthropic_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("ANTHROPIC_API_KEY", "TRAILMIND_ANTHROPIC_API_KEY", "CLAUDE_API_KEY"),
    )
    gemini_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("GEMINI_API_KEY", "TRAILMIND_GEMINI_API_KEY", "GOOGLE_API_KEY"),
    )
    #: Servers that speak OpenAI's language (Ollama, vLLM, a proxy), and the vendors' own elsewhere. A server given for
    #: OpenAI needs no key; `openai_model` names the model it has.
    openai_base_url: str | None = None
    openai_model: str | None = None
    anthropic_base_url: str | None = None
    gemini_base_url: str | None = None
    #: How long what was sent to a provider, and its answers, can be read in the disclosures; 0 keeps no text at all.
    ai_text_retention_days: int = Field(default=30, ge=0, le=365)
    google_client_id: str | None = _alias("GOOGLE_CLIENT_ID")
    google_client_secret: SecretStr | None = _alias("GOOGLE_CLIENT_SECRET")

    #: Signs tokens. Generated into the data directory on a laptop; must be given in production.
    secret_key: SecretStr | None = None
    #: Keys used before, comma separated: what they signed stays good until it is over.
    previous_secret_keys: SecretStr | None = None
    access_token_ttl_s: int = Field(default=12 * 3600, ge=60)
    #: The same for programs that do not say who they are: they may know no refresh token, and a recording of many
    #: hours must not lose its login. Every token can be revoked within seconds.
    plain_token_ttl_s: int = Field(default=7 * 86400, ge=60)
    refresh_token_ttl_s: int = Field(default=30 * 86400, ge=600)
    #: Tabs of one browser share a cookie and may refresh at the same moment; within this they all succeed.
    refresh_cookie_grace_s: float = Field(default=10.0, ge=0, le=60)
    #: Who becomes an operator when their address is verified, comma separated.
    admin_emails: Annotated[tuple[str, ...], NoDecode] = ()
    #: How long a closed account can be brought back before every row of it goes; 0 erases at once.
    account_deletion_delay_s: int = Field(default=7 * 86400, ge=0, le=30 * 86400)
    #: The plan of accounts without a subscription: `enterprise` for a private server where nobody pays.
    default_plan: Literal["free", "pro", "enterprise"] = "free"
    #: Whether plans limit how many recordings run at once; unless said, everywhere but in test mode.
    session_limits: bool | None = None
    #: Whether sessions go when they are older than their plan keeps them; unless said, only in production with a mail
    #: server: on somebody's own machine nothing is thrown away, and nowhere without notice.
    session_retention: bool | None = None
    #: The OpenID provider behind "sign in with Google"; another one only for tests.
    google_issuer: str = "https://accounts.google.com"

    #: smtp://user:password@host:587 (STARTTLS where offered) or smtps://…; without it mails go to `data_dir/outbox`.
    smtp_url: SecretStr | None = None
    mail_from: str = "Trailmind <no-reply@trailmind.local>"

    #: Who may call: `loopback` refuses everybody who is not on this machine.
    exposure: Literal["loopback", "network"] = "loopback"
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ("http://localhost:3000", "http://127.0.0.1:3000")
    #: Extension ids that may call with credentials; `*` lets any extension in (development).
    extension_ids: Annotated[tuple[str, ...], NoDecode] = ("*",)
    rate_limits: bool = True
    #: Proxies (addresses or networks) whose X-Forwarded-For is believed.
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    #: Calls a minute: where passwords are tried and per address; elsewhere per user.
    credential_calls_per_minute: int = Field(default=10, ge=1)
    public_calls_per_minute: int = Field(default=120, ge=1)
    user_calls_per_minute: int = Field(default=600, ge=1)
    events_calls_per_minute: int = Field(default=6000, ge=10)
    record_private_networks: bool = False

    num_shards: int = Field(default=1, ge=1, le=64)
    num_api_replicas: int = Field(default=1, ge=1, le=256)
    num_workers: int = Field(default=1, ge=0, le=256)
    #: With these set, replicas scale between the two above and these: the API by requests, workers by the queue.
    max_api_replicas: int | None = Field(default=None, ge=1, le=256)
    max_workers: int | None = Field(default=None, ge=1, le=256)
    worker_concurrency: int = Field(default=2, ge=1, le=64)
    #: Bytes of unsaved events one user, and one shard, may hold before callers are told to wait.
    user_buffer_bytes: int = Field(default=16 * 1024 * 1024, ge=4 * 1024 * 1024)
    shard_buffer_bytes: int = Field(default=128 * 1024 * 1024, ge=8 * 1024 * 1024)
    #: A user nobody heard of for this long is let go from the shard's memory.
    passivate_after_s: float = Field(default=300.0, gt=0)
    #: What a shard spends on remembering users; the longest idle go when it is more.
    shard_idle_bytes: int = Field(default=32 * 1024 * 1024, ge=1024 * 1024)
    #: A recording without an event for this long is stopped and mapped.
    forgotten_after_s: float = Field(default=24 * 3600.0, gt=0)
    shard_timeout_s: float = Field(default=5.0, gt=0)
    db_pool_size: int = Field(default=10, ge=1, le=200)
    request_timeout_s: float = Field(default=60.0, gt=0)

    ray_address: str | None = _alias("RAY_ADDRESS")
    #: Who presents it as a bearer token may read `/metrics`; without one only programs of this machine may.
    metrics_token: SecretStr | None = Field(default=None, min_length=16)
    #: `groups` puts shards, replicas and workers on nodes by the label `trailmind.dev/group`.
    placement: Literal["anywhere", "groups"] = "anywhere"
    #: CPUs Ray may plan with on a laptop; none means what the machine has.
    num_cpus: int | None = Field(default=None, ge=1)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("cors_origins", "extension_ids", "admin_emails", "trusted_proxies", mode="before")
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        return tuple(v.strip() for v in value.split(",") if v.strip()) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network, strict=False)
        return value

    @field_validator("smtp_url")
    @classmethod
    def _smtp_only(cls, value: SecretStr | None) -> SecretStr | None:
        scheme = value.get_secret_value().partition("://")[0] if value else ""
        if value and scheme not in {"smtp", "smtps"}:
            raise ValueError(f"must be a smtp:// or smtps:// URL, not {scheme or 'something without a scheme'}://")
        return value

    @field_validator("database_url")
    @classmethod
    def _postgres_only(cls, value: SecretStr | None) -> SecretStr | None:
        scheme = value.get_secret_value().partition("://")[0] if value else ""
        if value and scheme not in {"postgresql", "postgres", "postgresql+psycopg"}:
            raise ValueError(f"must be a postgresql:// URL, not {scheme or 'something without a scheme'}://")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_only(cls, value: SecretStr | None) -> SecretStr | None:
        scheme = value.get_secret_value().partition("://")[0] if value else ""
        if value and scheme not in {"redis", "rediss", "unix", "valkey"}:
            raise ValueError(f"must be a redis:// URL, not {scheme or 'something without a scheme'}://")
        return value

    @model_validator(mode="after")
    def _fit_for_production(self) -> Settings:
        if self.environment != "production":
            return self
        key = self.secret_key.get_secret_value() if self.secret_key else ""
        if len(key) < 32:
            raise ValueError("TRAILMIND_SECRET_KEY must be set to at least 32 characters in production")
        for name, value in (("DATABASE_URL", self.database_url), ("REDIS_URL", self.redis_url)):
            if value is None:
                raise ValueError(f"{name} must be set in production")
        if not self.rate_limits:
            raise ValueError("TRAILMIND_RATE_LIMITS cannot be off in production")
        if "*" in self.extension_ids:
            raise ValueError("TRAILMIND_EXTENSION_IDS must name the extension in production, not *")
        return self

    @property
    def limits_sessions(self) -> bool:
        """Whether plans limit how many recordings run at once."""
        return self.environment != "test" if self.session_limits is None else self.session_limits

    @property
    def limits_retention(self) -> bool:
        """Whether sessions go when they are older than their plan keeps them."""
        if self.session_retention is not None:
            return self.session_retention
        # Without a mail server nobody could be told.
        return self.environment == "production" and self.smtp_url is not None

    @property
    def postgres_dsn(self) -> str:
        """The database as libpq wants it. Only where the stores are known."""
        if self.database_url is None:
            raise ConfigurationError("DATABASE_URL is not set and no embedded PostgreSQL is running")
        url = self.database_url.get_secret_value()
        return "postgresql://" + url.partition("://")[2]

    @property
    def sqlalchemy_url(self) -> str:
        """The database as SQLAlchemy wants it."""
        return "postgresql+psycopg://" + self.postgres_dsn.partition("://")[2]

    @property
    def valkey_url(self) -> str:
        """Redis or Valkey. Only where the stores are known."""
        if self.redis_url is None:
            raise ConfigurationError("REDIS_URL is not set and no embedded Valkey is running")
        return self.redis_url.get_secret_value().replace("valkey://", "redis://", 1)

    @property
    def signing_key(self) -> str:
        """What tokens are signed with."""
        if self.secret_key is None:
            raise ConfigurationError("TRAILMIND_SECRET_KEY is not set")
        return self.secret_key.get_secret_value()

    @property
    def signing_keys(self) -> tuple[str, ...]:
        """The key tokens are signed with, then those whose tokens are still accepted."""
        before = self.previous_secret_keys.get_secret_value().split(",") if self.previous_secret_keys else []
        return (self.signing_key, *(key.strip() for key in before if key.strip()))

    @property
    def origin(self) -> str:
        """The origin people reach us at."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 - compared, not bound
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")


def _sentence(error: ValidationError, environ: Mapping[str, str]) -> str:
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    field = str(first["loc"][0])
    known = Settings.model_fields.get(field.lower())
    candidates = [field, PREFIX + field.upper()]
    if known is not None and isinstance(known.validation_alias, AliasChoices):
        candidates = [str(c) for c in known.validation_alias.choices] + candidates
    name = next((c for c in candidates if c in environ), candidates[-1])
    return f"{name}: {message[0].lower()}{message[1:]}"


def load_settings(**overrides: Any) -> Settings:
    """The settings in the environment, with `overrides` by field name on top.

    Raises ConfigurationError with one sentence naming the variable, also for a `TRAILMIND_` variable nobody reads.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {
        str(choice)
        for field in Settings.model_fields.values()
        if isinstance(field.validation_alias, AliasChoices)
        for choice in field.validation_alias.choices
    }
    for name in os.environ:
        if name.startswith(PREFIX) and name not in known:
            raise ConfigurationError(f"{name}: there is no such setting")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise ConfigurationError(_sentence(error, os.environ)) from None


def to_environment(settings: Settings) -> dict[str, str]:
    """The environment that makes another process load equal settings: what `trailmind up` hands to Ray's workers."""
    names = {
        "database_url": "DATABASE_URL",
        "redis_url": "REDIS_URL",
        "openai_api_key": "OPENAI_API_KEY",
        "anthropic_api_key": "ANTHROPIC_API_KEY",
        "gemini_api_key": "GEMINI_API_KEY",
        "google_client_id": "GOOGLE_CLIENT_ID",
        "google_client_secret": "GOOGLE_CLIENT_SECRET",
        "ray_address": "RAY_ADDRESS",
    }
    out = {}
    for field in Settings.model_fields:
        value = getattr(settings, field)
        if value is None or field == "ray_address":
            continue
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        elif isinstance(value, tuple):
            value = ",".join(value)
        out[names.get(field, PREFIX + field.upper())] = str(value)
    return out
