"""The configuration of one process: frozen groups of fields, read once at the entry point.

Each field names its environment variable. Our own variables begin with `TRAILMIND_`; `DATABASE_URL`, `REDIS_URL` and
the providers' keys have the names that other tools use. An invalid value raises `ConfigurationError` with one sentence
that names the variable. `docs/settings.md` is generated from the fields (`make settings-docs`).

pydantic-settings reads the variables. Its nested models would need variable names such as `DATABASE__URL`; each group
is a settings class of its own instead, so that the names stay flat.
"""

from __future__ import annotations

import ipaddress
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import AliasChoices, BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cluster.front_door import DEFAULT_CONNECTIONS_PER_ADDRESS, NO_PROXIES, proxy_networks
from models.errors import ConfigurationError

#: Variables with this prefix are ours: `load_settings` refuses one that no field reads, because it is a typing error.
PREFIX = "TRAILMIND_"
#: In `TRAILMIND_SMTP_URL`: the deployment has no mail server.
NO_MAIL_SERVER = "none"
_DEVELOPMENT_ORIGINS = ("http://localhost:3000", "http://127.0.0.1:3000")
_MIB = 1024 * 1024
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Variable:
    """The environment variable of one field."""

    name: str
    #: Other names that are read when `name` is not set.
    aliases: tuple[str, ...]
    #: Former names: still read, with a warning that names the new one.
    deprecated: tuple[str, ...]
    #: The group and the field; without a group the field alone.
    path: tuple[str, ...]
    field: FieldInfo

    @property
    def flat_name(self) -> str:
        """The keyword of `load_settings`: the variable in lower case without our prefix."""
        return self.name.removeprefix(PREFIX).lower()

    @property
    def names(self) -> tuple[str, ...]:
        """Every name the field is read from, in order of precedence."""
        return (self.name, *self.aliases, *self.deprecated)


def _setting(
    variable: str,
    default: Any,
    description: str,
    *,
    aliases: tuple[str, ...] = (),
    deprecated: tuple[str, ...] = (),
    **constraints: Any,
) -> Any:
    """A field that is read from the environment variable `variable`."""
    names: Any = {"variable": variable, "aliases": aliases, "deprecated": deprecated}
    alias = AliasChoices(variable, *aliases, *deprecated)
    return Field(
        default=default, description=description, validation_alias=alias, json_schema_extra=names, **constraints
    )


class _Group(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="forbid", populate_by_name=True)


#: A comma-separated variable; pydantic-settings would expect JSON.
_Names = Annotated[tuple[str, ...], NoDecode]


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _check_scheme(value: SecretStr | None, schemes: set[str], example: str) -> SecretStr | None:
    scheme = value.get_secret_value().partition("://")[0] if value else ""
    if value and scheme not in schemes:
        raise ValueError(f"must be a {example} URL, not {scheme or 'one without a scheme'}://")
    return value


def is_this_machine(host: str) -> bool:
    """Whether a host name or address is that of this machine, so that a connection to it does not leave it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class ServerSettings(_Group):
    """The HTTP server and who can reach it."""

    host: str = _setting("TRAILMIND_HOST", "127.0.0.1", "The address the server listens on.")
    port: int = _setting("TRAILMIND_PORT", 9000, "The port the server listens on.", ge=0, le=65535)
    public_url: str | None = _setting(
        "TRAILMIND_PUBLIC_URL", None, "The origin that users open; links in responses and mails begin with it."
    )
    exposure: Literal["loopback", "network"] = _setting(
        "TRAILMIND_EXPOSURE", "loopback", "`loopback` refuses every request from another machine."
    )
    cors_origins: _Names | None = _setting(
        "TRAILMIND_CORS_ORIGINS",
        None,
        "Web origins besides the server's own that may send requests with credentials, comma separated; unset: none, "
        "and outside production the development server of the dashboard (port 3000). `*` is refused in production.",
    )
    allowed_hosts: _Names = _setting(
        "TRAILMIND_ALLOWED_HOSTS",
        (),
        "Host names besides that of `TRAILMIND_PUBLIC_URL` under which the server is reached, comma separated. "
        "Addresses, names without a dot, `*.localhost` and `*.local` are always accepted.",
    )
    extension_ids: _Names = _setting(
        "TRAILMIND_EXTENSION_IDS",
        ("*",),
        "Chrome extension ids that may send requests with credentials, comma separated; `*` accepts every extension "
        "(refused in production).",
    )
    trusted_proxies: _Names = _setting(
        "TRAILMIND_TRUSTED_PROXIES",
        (),
        "Addresses or networks of the proxies in front of the server, comma separated: their `X-Forwarded-For` is "
        "believed. `none`: clients connect directly. Required in production on the network.",
    )
    connections_per_address: int = _setting(
        "TRAILMIND_CONNECTIONS_PER_ADDRESS",
        DEFAULT_CONNECTIONS_PER_ADDRESS,
        "Connections that one address may keep open at the front door. Behind a trusted proxy, whose connections carry "
        "many clients: open requests of one client.",
        ge=8,
    )
    request_timeout_s: float = _setting(
        "TRAILMIND_REQUEST_TIMEOUT_S", 60.0, "Longest duration of a request, in seconds.", gt=0
    )
    metrics_token: SecretStr | None = _setting(
        "TRAILMIND_METRICS_TOKEN",
        None,
        "Bearer token that may read `/metrics`; without one only programs on this machine may.",
        min_length=16,
    )

    local_metrics: bool = _setting(
        "TRAILMIND_LOCAL_METRICS",
        False,
        "Whether Ray's metrics of a server on one machine have a port. It is on the loopback interface and has no "
        "password: every user of the machine can read it.",
    )

    alertmanager_url: str | None = _setting(
        "TRAILMIND_ALERTMANAGER_URL",
        None,
        "Alertmanager, whose firing alerts `trailmind status` and the operators' page show.",
        pattern=r"^https?://",
    )

    _split_lists = field_validator("cors_origins", "extension_ids", "trusted_proxies", "allowed_hosts", mode="before")(
        _split
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        proxy_networks(value)
        return value

    @property
    def proxy_networks(self) -> tuple[str, ...]:
        """The networks of the trusted proxies."""
        return proxy_networks(self.trusted_proxies)

    @property
    def origin(self) -> str:
        """The origin at which users reach the server."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 - compared, not bound
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")


class DatabaseSettings(_Group):
    """PostgreSQL."""

    url: SecretStr | None = _setting(
        "DATABASE_URL",
        None,
        "PostgreSQL; without it `trailmind up` starts an embedded one.",
        aliases=("TRAILMIND_DATABASE_URL",),
    )
    pool_size: int = _setting("TRAILMIND_DB_POOL_SIZE", 10, "Connections of one API replica.", ge=1, le=200)

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: SecretStr | None) -> SecretStr | None:
        return _check_scheme(value, {"postgresql", "postgres", "postgresql+psycopg"}, "postgresql://")

    backup_recipient: str | None = _setting(
        "TRAILMIND_BACKUP_RECIPIENT",
        None,
        "Public key (`trailmind backup-key`) for which `trailmind backup` encrypts. Unset: backups are not encrypted.",
    )

    @property
    def postgres_dsn(self) -> str:
        """The URL in the form that libpq and psycopg accept. Raises ConfigurationError when there is none."""
        if self.url is None:
            raise ConfigurationError("DATABASE_URL is not set and no embedded PostgreSQL is running")
        return "postgresql://" + self.url.get_secret_value().partition("://")[2]

    @property
    def sqlalchemy_url(self) -> str:
        """The URL in the form that SQLAlchemy accepts. Raises ConfigurationError when there is none."""
        return "postgresql+psycopg://" + self.postgres_dsn.partition("://")[2]


class ValkeySettings(_Group):
    """Redis or Valkey."""

    url: SecretStr | None = _setting(
        "REDIS_URL",
        None,
        "Redis or Valkey; without it `trailmind up` starts an embedded Valkey.",
        aliases=("TRAILMIND_REDIS_URL",),
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: SecretStr | None) -> SecretStr | None:
        return _check_scheme(value, {"redis", "rediss", "unix", "valkey"}, "redis://")

    @property
    def connection_url(self) -> str:
        """The URL in the form that redis-py accepts. Raises ConfigurationError when there is none."""
        if self.url is None:
            raise ConfigurationError("REDIS_URL is not set and no embedded Valkey is running")
        return self.url.get_secret_value().replace("valkey://", "redis://", 1)


class AuthSettings(_Group):
    """Logins, tokens and the accounts of operators."""

    secret_key: SecretStr | None = _setting(
        "TRAILMIND_SECRET_KEY",
        None,
        "Signs tokens and links. Generated into the data directory in development; required in production, at least "
        "32 characters.",
    )
    previous_secret_keys: SecretStr | None = _setting(
        "TRAILMIND_PREVIOUS_SECRET_KEYS",
        None,
        "Former signing keys, comma separated; tokens signed with them stay valid until they expire.",
    )
    access_token_ttl_s: int = _setting(
        "TRAILMIND_ACCESS_TOKEN_TTL_S", 12 * 3600, "Lifetime of an access token, in seconds.", ge=60
    )
    long_lived_token_ttl_s: int = _setting(
        "TRAILMIND_LONG_LIVED_TOKEN_TTL_S",
        7 * _DAY_S,
        "Lifetime of an access token for clients that do not identify themselves, in seconds. Such a client may not "
        "support refresh tokens, and its login must outlast a recording of many hours. Every token can be revoked.",
        deprecated=("TRAILMIND_PLAIN_TOKEN_TTL_S",),
        ge=60,
    )
    refresh_token_ttl_s: int = _setting(
        "TRAILMIND_REFRESH_TOKEN_TTL_S", 30 * _DAY_S, "Lifetime of a refresh token, in seconds.", ge=600
    )
    refresh_cookie_grace_s: float = _setting(
        "TRAILMIND_REFRESH_COOKIE_GRACE_S",
        10.0,
        "Time during which a replaced refresh cookie is still accepted, in seconds: tabs of one browser share the "
        "cookie and may refresh at the same moment.",
        ge=0,
        le=60,
    )
    google_client_id: str | None = _setting(
        "GOOGLE_CLIENT_ID",
        None,
        "Turns on “Sign in with Google”.",
        aliases=("TRAILMIND_GOOGLE_CLIENT_ID",),
    )
    google_client_secret: SecretStr | None = _setting(
        "GOOGLE_CLIENT_SECRET",
        None,
        "The secret of the Google client.",
        aliases=("TRAILMIND_GOOGLE_CLIENT_SECRET",),
    )
    google_issuer: str = _setting(
        "TRAILMIND_GOOGLE_ISSUER",
        "https://accounts.google.com",
        "The OpenID provider behind “Sign in with Google”; another one is for tests.",
    )

    @property
    def signing_key(self) -> str:
        """The key that signs tokens. Raises ConfigurationError when there is none."""
        if self.secret_key is None:
            raise ConfigurationError("TRAILMIND_SECRET_KEY is not set")
        return self.secret_key.get_secret_value()

    @property
    def signing_keys(self) -> tuple[str, ...]:
        """The key that signs tokens, then the former keys whose tokens are still accepted."""
        former = self.previous_secret_keys.get_secret_value().split(",") if self.previous_secret_keys else []
        return (self.signing_key, *(key.strip() for key in former if key.strip()))


class LimitSettings(_Group):
    """Rate limits and the plan of accounts without a subscription."""

    enforce_rate_limits: bool | None = _setting(
        "TRAILMIND_RATE_LIMITS",
        None,
        "Whether requests are rate limited; unset: everywhere but in the test environment. Always on in production.",
    )
    credential_calls_per_minute: int = _setting(
        "TRAILMIND_CREDENTIAL_CALLS_PER_MINUTE",
        10,
        "Requests a minute and address to routes that check a password or code.",
        ge=1,
    )
    public_calls_per_minute: int = _setting(
        "TRAILMIND_PUBLIC_CALLS_PER_MINUTE", 120, "Requests a minute and address without a login.", ge=1
    )
    user_calls_per_minute: int = _setting(
        "TRAILMIND_USER_CALLS_PER_MINUTE", 600, "Requests a minute and user, except event batches.", ge=1
    )
    events_calls_per_minute: int = _setting(
        "TRAILMIND_EVENTS_CALLS_PER_MINUTE", 6000, "Event batches a minute and user.", ge=10
    )
    streams_per_user: int = _setting(
        "TRAILMIND_STREAMS_PER_USER", 50, "Event streams that one user may keep open at the same time.", ge=1
    )
    enforce_session_limits: bool | None = _setting(
        "TRAILMIND_SESSION_LIMITS",
        None,
        "Whether plans limit the number of concurrent recordings; unset: everywhere except in test mode.",
    )
    default_plan: Literal["free", "pro", "enterprise"] | None = _setting(
        "TRAILMIND_DEFAULT_PLAN",
        None,
        "The plan of accounts without a subscription; unset: `enterprise`, which unlocks everything, but `free` on a "
        "server that sells plans and in the test environment.",
    )


class RecordingSettings(_Group):
    """Recordings and the buffers of their events."""

    record_private_networks: bool = _setting(
        "TRAILMIND_RECORD_PRIVATE_NETWORKS", False, "Whether pages on private network addresses are recorded."
    )
    idle_timeout_s: float = _setting(
        "TRAILMIND_RECORDING_IDLE_TIMEOUT_S",
        24 * 3600.0,
        "A recording without an event for this long is stopped and mapped, in seconds.",
        deprecated=("TRAILMIND_FORGOTTEN_AFTER_S",),
        gt=0,
    )
    user_buffer_bytes: int = _setting(
        "TRAILMIND_USER_BUFFER_BYTES",
        16 * _MIB,
        "Unsaved event bytes of one user before requests are answered 429.",
        ge=4 * _MIB,
    )
    shard_buffer_bytes: int = _setting(
        "TRAILMIND_SHARD_BUFFER_BYTES",
        128 * _MIB,
        "Unsaved event bytes of one shard before requests are answered 503.",
        ge=8 * _MIB,
    )
    user_idle_timeout_s: float = _setting(
        "TRAILMIND_USER_IDLE_TIMEOUT_S",
        300.0,
        "A shard removes a user without requests for this long from its memory, in seconds.",
        deprecated=("TRAILMIND_PASSIVATE_AFTER_S",),
        gt=0,
    )
    shard_idle_bytes: int = _setting(
        "TRAILMIND_SHARD_IDLE_BYTES",
        32 * _MIB,
        "Memory of one shard for users without unsaved events; above it the longest idle users are removed.",
        ge=_MIB,
    )
    shard_timeout_s: float = _setting(
        "TRAILMIND_SHARD_TIMEOUT_S", 5.0, "Time-out of a call from a replica to a shard, in seconds.", gt=0
    )


class PrivacySettings(_Group):
    """How long data is kept."""

    ai_text_retention_days: int = _setting(
        "TRAILMIND_AI_TEXT_RETENTION_DAYS",
        30,
        "Days for which texts sent to AI providers, and their responses, are stored for the disclosures; 0 stores "
        "no text.",
        ge=0,
        le=365,
    )
    raw_event_retention_days: int | None = _setting(
        "TRAILMIND_RAW_EVENT_RETENTION_DAYS",
        None,
        "Days after the end of a session for which its raw events (clicks, scrolls, changes of tabs) are stored; "
        "unset: as long as the session. Its timeline, texts and map stay.",
        ge=1,
        le=3650,
    )
    candidate_retention_days: int = _setting(
        "TRAILMIND_CANDIDATE_RETENTION_DAYS",
        90,
        "Days after the end of a regeneration run for which its maps are stored that were never shown. While they are, "
        "later runs do not make the same maps again.",
        ge=1,
        le=3650,
    )
    account_deletion_delay_s: int = _setting(
        "TRAILMIND_ACCOUNT_DELETION_DELAY_S",
        7 * _DAY_S,
        "Time during which a closed account can be restored before its rows are erased, in seconds; 0 erases at once.",
        ge=0,
        le=30 * _DAY_S,
    )
    enforce_retention: bool | None = _setting(
        "TRAILMIND_SESSION_RETENTION",
        None,
        "Whether sessions older than the retention of their plan are deleted; unset: in production with a mail "
        "server, because users are notified first.",
    )


class ProviderSettings(_Group):
    """AI providers. Without a key, maps are generated locally."""

    openai_api_key: SecretStr | None = _setting(
        "OPENAI_API_KEY", None, "Key for OpenAI.", aliases=("TRAILMIND_OPENAI_API_KEY",)
    )
    anthropic_api_key: SecretStr | None = _setting(
        "ANTHROPIC_API_KEY",
        None,
        "Key for Anthropic.",
        aliases=("TRAILMIND_ANTHROPIC_API_KEY", "CLAUDE_API_KEY"),
    )
    gemini_api_key: SecretStr | None = _setting(
        "GEMINI_API_KEY", None, "Key for Gemini.", aliases=("TRAILMIND_GEMINI_API_KEY", "GOOGLE_API_KEY")
    )
    openai_base_url: str | None = _setting(
        "TRAILMIND_OPENAI_BASE_URL",
        None,
        "A server with OpenAI's API (Ollama, vLLM, a proxy); it needs no key.",
    )
    openai_model: str | None = _setting(
        "TRAILMIND_OPENAI_MODEL", None, "The model of the server at `TRAILMIND_OPENAI_BASE_URL`."
    )
    anthropic_base_url: str | None = _setting(
        "TRAILMIND_ANTHROPIC_BASE_URL", None, "A server with Anthropic's API instead of the vendor's."
    )
    gemini_base_url: str | None = _setting(
        "TRAILMIND_GEMINI_BASE_URL", None, "A server with Gemini's API instead of the vendor's."
    )


class MailSettings(_Group):
    """Outgoing mail."""

    smtp_url: SecretStr | None = _setting(
        "TRAILMIND_SMTP_URL",
        None,
        "`smtp://user:password@host:587` (STARTTLS, required unless the host is this machine) or `smtps://…`; without "
        "it mails are written to `outbox` in the data directory. Required in production; `none`: no mail is sent, and "
        "a forgotten password cannot be reset.",
    )
    sender: str = _setting(
        "TRAILMIND_MAIL_FROM", "Trailmind <no-reply@trailmind.local>", "The sender address of mails."
    )

    @field_validator("smtp_url")
    @classmethod
    def _check_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and value.get_secret_value() == NO_MAIL_SERVER:
            return value
        return _check_scheme(value, {"smtp", "smtps"}, "smtp:// or smtps://")

    @property
    def server_url(self) -> str | None:
        """The URL of the mail server; None when there is none."""
        url = self.smtp_url.get_secret_value() if self.smtp_url is not None else NO_MAIL_SERVER
        return None if url == NO_MAIL_SERVER else url


class BillingSettings(_Group):
    """Stripe. Without a key, plans cannot be bought and every billing route answers 501."""

    secret_key: SecretStr | None = _setting(
        "STRIPE_SECRET_KEY",
        None,
        "Turns on billing; a restricted key is enough.",
        aliases=("TRAILMIND_STRIPE_SECRET_KEY",),
    )
    webhook_secrets: SecretStr | None = _setting(
        "STRIPE_WEBHOOK_SECRETS",
        None,
        "Signing secrets of the webhook endpoint, comma separated: two during a rotation.",
        aliases=("STRIPE_WEBHOOK_SECRET", "TRAILMIND_STRIPE_WEBHOOK_SECRETS"),
    )
    pro_monthly_prices: _Names = _setting(
        "STRIPE_PRICE_PRO_MONTHLY",
        (),
        "Price ids of Pro by the month, comma separated: the first is sold, the others stay valid for those who have "
        "them.",
        aliases=("TRAILMIND_STRIPE_PRICE_PRO_MONTHLY",),
    )
    pro_yearly_prices: _Names = _setting(
        "STRIPE_PRICE_PRO_YEARLY",
        (),
        "Price ids of Pro by the year, as above.",
        aliases=("TRAILMIND_STRIPE_PRICE_PRO_YEARLY",),
    )
    token_pack_price: str | None = _setting(
        "STRIPE_PRICE_TOKEN_PACK",
        None,
        "Price id of a pack of 100,000 tokens; unset: packs are not sold.",
        aliases=("TRAILMIND_STRIPE_PRICE_TOKEN_PACK",),
    )
    sales_contact: str | None = _setting(
        "TRAILMIND_SALES_CONTACT",
        None,
        "The e-mail address that the plans show for a plan without a price (Enterprise); unset: it shows none.",
    )
    automatic_tax: bool = _setting(
        "TRAILMIND_STRIPE_AUTOMATIC_TAX", False, "Whether Stripe computes taxes and asks companies for their tax id."
    )
    api_url: str | None = _setting(
        "TRAILMIND_STRIPE_API_URL", None, "Where Stripe's API is; another than Stripe's own is for tests."
    )

    @field_validator("sales_contact")
    @classmethod
    def _check_address(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", value):
            raise ValueError("not an e-mail address")
        return value

    _split_lists = field_validator("pro_monthly_prices", "pro_yearly_prices", mode="before")(_split)

    @model_validator(mode="after")
    def _check_complete(self) -> BillingSettings:
        if self.secret_key is None:
            return self
        for variable, value in (
            ("STRIPE_WEBHOOK_SECRETS", self.webhook_secrets),
            ("STRIPE_PRICE_PRO_MONTHLY", self.pro_monthly_prices),
            ("STRIPE_PRICE_PRO_YEARLY", self.pro_yearly_prices),
        ):
            if not value:
                raise ValueError(f"{variable} must be set together with STRIPE_SECRET_KEY")
        return self

    @property
    def is_enabled(self) -> bool:
        """Whether plans can be bought."""
        return self.secret_key is not None

    @property
    def is_live(self) -> bool:
        """Whether the key moves money (https://docs.stripe.com/keys): sk_live_… or rk_live_…, not sk_test_…."""
        return self.secret_key is not None and "_live_" in self.secret_key.get_secret_value()[:8]

    @property
    def signing_secrets(self) -> tuple[str, ...]:
        """The secrets that may have signed a webhook."""
        secrets = self.webhook_secrets.get_secret_value().split(",") if self.webhook_secrets else []
        return tuple(secret.strip() for secret in secrets if secret.strip())


class ScalingSettings(_Group):
    """The processes of the cluster."""

    num_shards: int = _setting("TRAILMIND_NUM_SHARDS", 1, "Session buffer shards of a new database.", ge=1, le=64)
    num_api_replicas: int = _setting("TRAILMIND_NUM_API_REPLICAS", 1, "API replicas, at least.", ge=1, le=256)
    num_workers: int = _setting(
        "TRAILMIND_NUM_WORKERS",
        1,
        "Job workers, at least. 0: a separate small worker sends mails and runs maintenance and billing jobs.",
        ge=0,
        le=256,
    )
    max_api_replicas: int | None = _setting(
        "TRAILMIND_MAX_API_REPLICAS",
        None,
        "API replicas, at most: Ray Serve scales them by requests. Unset: a fixed number.",
        ge=1,
        le=256,
    )
    max_workers: int | None = _setting(
        "TRAILMIND_MAX_WORKERS",
        None,
        "Job workers, at most: Ray Serve scales them by the length of the queue. Unset: a fixed number.",
        ge=1,
        le=256,
    )
    worker_concurrency: int = _setting(
        "TRAILMIND_WORKER_CONCURRENCY", 2, "Jobs that one worker runs at the same time.", ge=1, le=64
    )
    placement: Literal["anywhere", "groups"] = _setting(
        "TRAILMIND_PLACEMENT",
        "anywhere",
        "`groups` schedules shards, replicas and workers on nodes by the label `trailmind.dev/group`.",
    )
    num_cpus: int | None = _setting(
        "TRAILMIND_NUM_CPUS",
        None,
        "CPUs of Ray on one machine; unset: those of the machine. `trailmind cluster up`: CPUs of each node; unset: 2.",
        ge=1,
    )
    ray_address: str | None = _setting(
        "RAY_ADDRESS",
        None,
        "A running Ray cluster to join instead of a new one.",
        aliases=("TRAILMIND_RAY_ADDRESS",),
    )

    @property
    def has_maintenance_worker(self) -> bool:
        """Whether a deployment of its own runs the jobs that are no maps: where the workers may scale to zero."""
        return self.num_workers == 0


class Settings(_Group):
    """The configuration of one process. Secrets do not show in `repr`."""

    environment: Literal["development", "test", "production"] = _setting(
        "TRAILMIND_ENVIRONMENT",
        "development",
        "`production` requires the settings that a public server needs; `test` turns off limits.",
    )
    data_dir: Path = _setting(
        "TRAILMIND_DATA_DIR",
        Path(platformdirs.user_data_dir("trailmind", appauthor=False)),
        "The directory of the embedded stores, secrets and logs.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _setting(
        "TRAILMIND_LOG_LEVEL", "INFO", "The lowest level that is logged."
    )
    traces_url: str | None = _setting(
        "TRAILMIND_TRACES_URL",
        None,
        "Where traces are sent by OTLP over HTTP, such as `http://alloy:4318/v1/traces`; unset: traces are off. "
        "OpenTelemetry's `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` choose the share of traces.",
        pattern=r"^https?://",
    )
    server: ServerSettings = Field(default_factory=ServerSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    valkey: ValkeySettings = Field(default_factory=ValkeySettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    recording: RecordingSettings = Field(default_factory=RecordingSettings)
    privacy: PrivacySettings = Field(default_factory=PrivacySettings)
    providers: ProviderSettings = Field(default_factory=ProviderSettings)
    mail: MailSettings = Field(default_factory=MailSettings)
    billing: BillingSettings = Field(default_factory=BillingSettings)
    scaling: ScalingSettings = Field(default_factory=ScalingSettings)

    @model_validator(mode="after")
    def _check_production(self) -> Settings:
        if self.environment != "production":
            return self
        key = self.auth.secret_key.get_secret_value() if self.auth.secret_key else ""
        if len(key) < 32:
            raise ValueError("TRAILMIND_SECRET_KEY must be set to at least 32 characters in production")
        for variable, value in (("DATABASE_URL", self.database.url), ("REDIS_URL", self.valkey.url)):
            if value is None:
                raise ValueError(f"{variable} must be set in production")
        if not self.rate_limits_enabled:
            raise ValueError("TRAILMIND_RATE_LIMITS cannot be off in production")
        if "*" in self.server.extension_ids:
            raise ValueError("TRAILMIND_EXTENSION_IDS must name the extension in production, not *")
        if not self.server.trusted_proxies:
            raise ValueError(
                "TRAILMIND_TRUSTED_PROXIES must name the proxies in front of the server in production, or be "
                f"`{NO_PROXIES}`: otherwise all users may share one rate limit"
            )
        if "*" in (self.server.cors_origins or ()):
            raise ValueError("TRAILMIND_CORS_ORIGINS must name the origins in production, not *")
        if self.server.public_url is None and self.server.exposure == "network":
            raise ValueError("TRAILMIND_PUBLIC_URL must be set in production on the network")
        url = urlsplit(self.server.origin)
        if url.scheme != "https" and not is_this_machine(url.hostname or ""):
            raise ValueError(
                "TRAILMIND_PUBLIC_URL must begin with https:// in production: passwords and tokens would cross the "
                "network readable"
            )
        if self.mail.smtp_url is None:
            raise ValueError(
                f"TRAILMIND_SMTP_URL must be set in production, or be `{NO_MAIL_SERVER}` if it is accepted that a "
                "forgotten password cannot be reset"
            )
        return self

    @property
    def default_plan(self) -> Literal["free", "pro", "enterprise"]:
        """The plan of accounts without a subscription."""
        if self.limits.default_plan is not None:
            return self.limits.default_plan
        return "free" if self.billing.is_enabled or self.environment == "test" else "enterprise"

    @property
    def default_plan_note(self) -> str:
        """What the default plan means, and how to change it: one sentence for operators."""
        free = "accounts are on the Free plan"
        meaning = {
            "free": f"{free} until they buy another" if self.billing.is_enabled else free,
            "pro": "accounts are on the Pro plan",
            "enterprise": "accounts are on the Enterprise plan, which includes everything",
        }[self.default_plan]
        return f"{meaning}; TRAILMIND_DEFAULT_PLAN=free, pro or enterprise changes that"

    @property
    def rate_limits_enabled(self) -> bool:
        """Whether requests are rate limited."""
        enforced = self.limits.enforce_rate_limits
        return self.environment != "test" if enforced is None else enforced

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """The web origins besides the server's own that may send requests with credentials."""
        if self.server.cors_origins is not None:
            return self.server.cors_origins
        return () if self.environment == "production" else _DEVELOPMENT_ORIGINS

    @property
    def session_limits_enabled(self) -> bool:
        """Whether plans limit the number of concurrent recordings."""
        enforced = self.limits.enforce_session_limits
        return self.environment != "test" if enforced is None else enforced

    @property
    def retention_enabled(self) -> bool:
        """Whether sessions older than the retention of their plan are deleted."""
        if self.privacy.enforce_retention is not None:
            return self.privacy.enforce_retention
        # Users are notified before a deletion, which needs a mail server.
        return self.environment == "production" and self.mail.server_url is not None


def _variables(model: type[BaseModel], path: tuple[str, ...] = ()) -> list[Variable]:
    variables = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            variables += _variables(field.annotation, (*path, name))
            continue
        names: Any = field.json_schema_extra
        variable = Variable(names["variable"], names["aliases"], names["deprecated"], (*path, name), field)
        variables.append(variable)
    return variables


#: Every environment variable, in the order of the fields.
VARIABLES: tuple[Variable, ...] = tuple(_variables(Settings))
_BY_FLAT_NAME = {variable.flat_name: variable for variable in VARIABLES}
_BY_NAME: dict[str | int, Variable] = {name: variable for variable in VARIABLES for name in variable.names}
_BY_PATH: dict[tuple[str | int, ...], Variable] = {variable.path: variable for variable in VARIABLES}


#: Former variables without a successor → what to do instead. An operator must learn that they have no effect.
_REMOVED: Mapping[str, str] = {
    f"{PREFIX}ADMIN_EMAILS": "remove it and make operators with `trailmind operators add ADDRESS`"
}


def load_settings(**overrides: Any) -> Settings:
    """The settings in the environment; `overrides` replace them by flat name (`port`, `database_url`).

    A deprecated variable is read with a `FutureWarning` that names its replacement.

    Raises:
        ConfigurationError: one sentence that names the variable, also for a `TRAILMIND_` variable without a field.
    """
    known = {name for variable in VARIABLES for name in variable.names}
    for name in os.environ:
        if name in _REMOVED:
            raise ConfigurationError(f"{name} is not read any more: {_REMOVED[name]}")
        if name.startswith(PREFIX) and name not in known:
            raise ConfigurationError(f"{name}: there is no such setting")
    for variable in VARIABLES:
        source = next((name for name in variable.names if name in os.environ), None)
        if source in variable.deprecated:
            warnings.warn(f"{source} is deprecated; set {variable.name} instead", FutureWarning, stacklevel=2)
    return _validated({}, overrides)


def with_changes(settings: Settings, **changes: Any) -> Settings:
    """A validated copy of `settings` with `changes` by flat name. Raises ConfigurationError as `load_settings` does."""
    return _validated(settings.model_dump(), changes)


def to_environment(settings: Settings) -> dict[str, str]:
    """The environment from which another process loads equal settings.

    `RAY_ADDRESS` is left out: a process that Ray starts belongs to its cluster already.
    """
    environment = {}
    for variable in VARIABLES:
        value: Any = settings
        for name in variable.path:
            value = getattr(value, name)
        if value is None or variable.name == "RAY_ADDRESS":
            continue
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        elif isinstance(value, tuple):
            value = ",".join(value)
        environment[variable.name] = str(value)
    return environment


def _assign(values: dict[str, Any], variable: Variable, value: Any) -> None:
    *groups, name = variable.path
    for group in groups:
        values = values.setdefault(group, {})
    values[name] = value


def _validated(values: dict[str, Any], changes: Mapping[str, Any]) -> Settings:
    for name, value in changes.items():
        if name not in _BY_FLAT_NAME:
            raise ConfigurationError(f"{name}: there is no such setting")
        _assign(values, _BY_FLAT_NAME[name], value)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(_error_message(error)) from None


def _error_message(error: ValidationError) -> str:
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    # pydantic reports a value from the environment by its variable, and an override by its path.
    place = first["loc"]
    variable = next((_BY_NAME[part] for part in place if part in _BY_NAME), None)
    variable = variable or next((_BY_PATH[place[:i]] for i in (2, 1) if place[:i] in _BY_PATH), None)
    if variable is None:
        return message
    source = next((name for name in variable.names if name in os.environ), variable.name)
    return f"{source}: {message[0].lower()}{message[1:]}"
