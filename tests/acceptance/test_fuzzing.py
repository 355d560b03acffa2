"""Schemathesis over the whole OpenAPI document: no 5xx, no undeclared status, no response that violates its schema."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest

from cluster.settings import Settings
from models.migrations.run import migrate
from tests.support.client import ApiUser, sign_up
from tests.support.stripe_fake import running_stripe

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance"
)
#: Routes that end the login of the run: called without a login here, and with one in `test_account.py`.
ENDING = "^(logout|logout_all|delete_account|delete_me|change_password|end_login)$"


@pytest.fixture
def stripe_url() -> Iterator[str]:
    """The URL of a fake Stripe, with which the operators' refunds answer more than 501."""
    with running_stripe() as server:
        yield server.url


@pytest.fixture
def address(settings: Settings, fresh_database: str, stripe_url: str, tmp_path: Path) -> Iterator[str]:
    """The URL of the app on a real port, with a database of its own for the generated data."""
    migrate("postgresql+psycopg://" + fresh_database.partition("://")[2])
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("TRAILMIND_")},
        "DATABASE_URL": fresh_database,
        "REDIS_URL": settings.valkey.connection_url,
        "FUZZ_DATA_DIR": str(tmp_path),
        "FUZZ_STRIPE_URL": stripe_url,
    }
    command = [sys.executable, "-m", "tests.support.fuzzed_app"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, env=environment, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        port = ""
        # Log lines may come before the port.
        while not port.strip().isdigit():
            port = process.stdout.readline().decode()
            assert port, "the application did not start"
        base_url = f"http://127.0.0.1:{int(port)}"
        try:
            # The document is built on the first request; Schemathesis waits ten seconds at most.
            httpx2.get(f"{base_url}/openapi.json", timeout=120, trust_env=False)
            yield base_url
        finally:
            process.communicate(timeout=30)


def _run(address: str, tmp_path: Path, *more: str) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{address}/openapi.json",
        f"--checks={CHECKS}",
        "--seed=20261123",
        "--generation-database=none",
        "--suppress-health-check=all",
        "--warnings=off",
        "--no-color",
        *more,
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout[-15_000:] + done.stderr[-2_000:]


async def _caller(address: str) -> ApiUser:
    async with httpx2.AsyncClient(base_url=address, trust_env=False) as client:
        return await sign_up(client)


@pytest.mark.parametrize("max_s", [20, pytest.param(240, marks=pytest.mark.nightly)])
async def test_routes_for_users(address: str, tmp_path: Path, max_s: int) -> None:
    person = await _caller(address)
    _run(
        address,
        tmp_path,
        f"--header=Authorization:{person.headers['Authorization']}",
        f"--exclude-operation-id-regex={ENDING}|^stream$|^ready$",
        # Without a Stripe key these answer 501, which the checks take for a fault.
        "--exclude-tag=admin",
        "--exclude-tag=billing",
        "--phases=examples,coverage,fuzzing",
        f"--max-examples={12 if max_s < 60 else 60}",
        f"--max-time={max_s}",
    )


async def test_routes_for_operators(address: str, tmp_path: Path, fresh_database: str) -> None:
    person = await _caller(address)
    async with await psycopg.AsyncConnection.connect(fresh_database, autocommit=True) as db:
        await db.execute("UPDATE users SET role = 'admin' WHERE id = %s", [person.id])
    _run(
        address,
        tmp_path,
        f"--header=Authorization:{person.headers['Authorization']}",
        "--include-tag=admin",
        "--phases=examples,coverage,fuzzing",
        "--max-examples=10",
        "--max-time=12",
    )


def test_public_routes(address: str, tmp_path: Path) -> None:
    _run(
        address,
        tmp_path,
        f"--include-operation-id-regex={ENDING}|^stream$|^(login|signup|refresh|read_shared|shared_image|google.*)$",
        "--phases=coverage,fuzzing",
        "--max-examples=5",
        "--max-time=8",
    )
