"""`trailmind doctor`: checks the configuration, the stores and the server."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import platform
import shutil
import socket
from dataclasses import dataclass
from typing import Literal

import httpx2
import psycopg
import redis
from aiosmtplib import SMTPException
from sqlalchemy import create_engine

from cluster.mail.sender import WITHOUT_MAIL, Mailer
from cluster.settings import Settings
from launch.joined_cluster import server_origin
from launch.local_server import with_running_stores
from launch.ray_environment import haproxy_is_available
from launch.refused_certificates import certificate_problem
from models.migrations.run import current_revision, latest_revision

State = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the report."""

    subject: str
    state: State
    message: str


def run_checks(settings: Settings) -> list[CheckResult]:
    """The results of all checks, the most basic first. Nothing is changed."""
    running = with_running_stores(settings)
    return [
        CheckResult("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        CheckResult("Ray", "ok", importlib.metadata.version("ray")),
        CheckResult("Ingress", "ok", "HAProxy")
        if haproxy_is_available()
        else CheckResult("Ingress", "note", "no HAProxy wheel for this system, Ray's Python proxy is used"),
        _data_dir(settings),
        _postgresql(settings, running),
        _valkey(settings, running),
        _server(settings),
        check_mail(settings),
        *_providers(settings),
        _google(settings),
        CheckResult("Plan", "ok", settings.default_plan_note),
    ]


def _data_dir(settings: Settings) -> CheckResult:
    path = settings.data_dir
    parent = next((p for p in (path, *path.parents) if p.exists()), path)
    if not os.access(parent, os.W_OK):
        return CheckResult("Data", "bad", f"{path} cannot be written; set TRAILMIND_DATA_DIR to a writable directory")
    free_gb = shutil.disk_usage(parent).free / 1e9
    state: State = "ok" if free_gb > 1 else "bad"
    return CheckResult("Data", state, f"{path}, {free_gb:.1f} GB free")


def _postgresql(settings: Settings, running: Settings) -> CheckResult:
    if running.database.url is None:
        return CheckResult("PostgreSQL", "note", "embedded, not running; `trailmind up` starts it")
    kind = "embedded" if settings.database.url is None else "DATABASE_URL"
    try:
        with psycopg.connect(running.database.postgres_dsn, connect_timeout=3) as connection:
            version = connection.info.server_version // 10000
        engine = create_engine(running.database.sqlalchemy_url)
        with engine.connect() as sql:
            current = current_revision(sql)
        engine.dispose()
    except (psycopg.Error, OSError) as error:
        problem = certificate_problem(error) or str(error).splitlines()[0]
        return CheckResult("PostgreSQL", "bad", f"{kind} does not answer: {problem}")
    expected = latest_revision()
    if current != expected:
        return CheckResult(
            "PostgreSQL", "bad", f"{kind}, schema {current or 'missing'}, expected {expected}: run `trailmind migrate`"
        )
    return CheckResult("PostgreSQL", "ok", f"{kind}, version {version}, schema {current}")


def _valkey(settings: Settings, running: Settings) -> CheckResult:
    if running.valkey.url is None:
        return CheckResult("Valkey", "note", "embedded, not running; `trailmind up` starts it")
    kind = "embedded" if settings.valkey.url is None else "REDIS_URL"
    try:
        client = redis.Redis.from_url(running.valkey.connection_url, socket_connect_timeout=3, socket_timeout=3)
        client.ping()
        client.close()
    except (redis.RedisError, OSError) as error:
        problem = certificate_problem(error) or type(error).__name__
        return CheckResult("Valkey", "bad", f"{kind} does not answer: {problem}")
    return CheckResult("Valkey", "ok", kind)


def _server(settings: Settings) -> CheckResult:
    origin = server_origin(settings)
    try:
        response = httpx2.get(f"{origin}/ready", timeout=5.0, trust_env=False)
        checks = response.json()["checks"]
    except (httpx2.HTTPError, ValueError, KeyError):
        with socket.socket() as s:
            s.settimeout(1.0)
            is_used = s.connect_ex((settings.server.host, settings.server.port)) == 0
        if is_used:
            return CheckResult(
                "Server", "bad", f"port {settings.server.port} is used by another program; set TRAILMIND_PORT"
            )
        return CheckResult("Server", "note", f"not running; `trailmind up` starts it at {origin}")
    failures = [f"{part} {state}" for part, state in checks.items() if state != "ok"]
    return CheckResult("Server", "bad" if failures else "ok", "; ".join(failures) or f"ready at {origin}")


def check_mail(settings: Settings) -> CheckResult:
    """Connects to the mail server and logs in; sends nothing."""
    mailer = Mailer(settings)
    if not mailer.has_server:
        if settings.environment == "production":
            return CheckResult("Mail", "bad", f"TRAILMIND_SMTP_URL names no server: {WITHOUT_MAIL}")
        return CheckResult("Mail", "note", f"no TRAILMIND_SMTP_URL: mails are written to {mailer.outbox}")
    try:
        asyncio.run(mailer.check_server())
    except (OSError, SMTPException) as error:
        # The message may repeat the password's line of the dialogue; the type says enough.
        problem = certificate_problem(error) or type(error).__name__
        return CheckResult("Mail", "bad", f"the mail server does not answer ({problem}): {WITHOUT_MAIL}")
    return CheckResult("Mail", "ok", "the mail server answers and accepts the login")


def _providers(settings: Settings) -> list[CheckResult]:
    keys = {
        "OPENAI_API_KEY": settings.providers.openai_api_key,
        "ANTHROPIC_API_KEY": settings.providers.anthropic_api_key,
        "GEMINI_API_KEY": settings.providers.gemini_api_key,
    }
    configured = [name for name, key in keys.items() if key is not None]
    missing = [name for name, key in keys.items() if key is None]
    if not configured:
        return [CheckResult("AI", "note", f"local (no key, no network); any of {', '.join(missing)} adds a provider")]
    return [CheckResult("AI", "ok", f"local, and a key in {', '.join(configured)}")]


def _google(settings: Settings) -> CheckResult:
    if settings.auth.google_client_id is None:
        return CheckResult("Google sign-in", "note", "off; GOOGLE_CLIENT_ID turns it on")
    return CheckResult("Google sign-in", "ok", "on")
