"""Fixtures: PostgreSQL and Valkey, the app in the test process, and the whole product on Ray."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg import sql

from cluster.settings import Settings
from launch.stores import EmbeddedStores
from models.migrations.run import migrate
from tests.support.chromium import CHROMIUM, SKIP_REASON, skipped_sentence
from tests.support.client import ApiUser, sign_up
from tests.support.network_guard import NetworkGuard
from tests.support.product import Product
from tests.support.server_errors import errors_since, log_sizes
from tests.support.worker import InProcessWorker, job_worker

#: Fixtures that start PostgreSQL, Valkey or Ray, and those that start Chromium.
_SERVICE_FIXTURES = {"servers", "product", "cluster"}
_BROWSER_FIXTURES = {"browser", "browsers"}
_LOG_SIZES = pytest.StashKey[dict[Path, dict[Path, int]]]()
_guard = NetworkGuard()

# A developer's own settings must not leak into tests.
for _name in [n for n in os.environ if n.startswith("TRAILMIND_")]:
    del os.environ[_name]

# The plugin of looptime calls `get_event_loop` before each test. Python 3.11 would create a loop there that nothing
# closes, and the ResourceWarning would fail an unrelated test; with an explicit None it raises, which looptime handles.
asyncio.set_event_loop(None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many requests the test of generated input sends."""
    parser.addoption("--generated-requests", type=int, default=240, help="requests of test_generated_input.py")


def pytest_configure(config: pytest.Config) -> None:
    """Install the network guard."""
    _guard.install()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they start, so that `-m "not services"` selects the fast ones."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & _SERVICE_FIXTURES:
            item.add_marker(pytest.mark.services)
        if fixtures & _BROWSER_FIXTURES:
            item.add_marker(pytest.mark.browser)
            if not CHROMIUM:
                item.add_marker(pytest.mark.skip(reason=SKIP_REASON))
        if item.get_closest_marker("chaos"):
            item.add_marker(pytest.mark.serial)


@pytest.hookimpl(trylast=True, specname="pytest_collection_modifyitems")
def long_files_first(items: list[pytest.Item]) -> None:
    """Put the files that use the whole product or a browser first; their own order and that of the rest stay random.

    Processes take whole files: one that began a long file last would keep the others waiting.
    """
    long = {item.path for item in items if {"product", *_BROWSER_FIXTURES} & set(getattr(item, "fixturenames", ()))}
    items.sort(key=lambda item: item.path not in long)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that tried to connect to another machine, also when the code under test caught the error."""
    _guard.refused.clear()
    _guard.is_active = item.get_closest_marker("other_hosts") is None
    try:
        yield
    finally:
        _guard.is_active = False
    if _guard.refused:
        hosts = ", ".join(sorted(set(_guard.refused)))
        pytest.fail(f"The test tried to connect to {hosts}. Tests may connect to this machine only.", pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note how much the running products had logged when the test began."""
    item.stash[_LOG_SIZES] = {data_dir: log_sizes(data_dir) for data_dir in Product.running}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the servers logged as errors since a failed test began to its report."""
    report = yield
    if report.failed:
        began = item.stash.get(_LOG_SIZES, {})
        for data_dir in Product.running:
            if errors := errors_since(data_dir, began.get(data_dir, {})):
                report.sections.append(("Errors of the server since the test began", errors))
    return report


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many browser tests were skipped without Chromium, and the command that installs it."""
    skipped = terminalreporter.stats.get("skipped", [])
    num_skipped = sum(SKIP_REASON in str(report.longrepr) for report in skipped)
    if num_skipped:
        terminalreporter.write_line(skipped_sentence(num_skipped), yellow=True)
    # The processes of pytest-xdist have a terminal reporter too; what they report arrives here.
    is_worker = hasattr(terminalreporter.config, "workerinput")
    if not is_worker and (summary_file := os.environ.get("TEST_SUMMARY_FILE")):
        reports = [*terminalreporter.stats.get("failed", []), *terminalreporter.stats.get("error", [])]
        failed = sorted({report.nodeid for report in reports})
        with Path(summary_file).open("a") as file:
            file.write(json.dumps({"num_skipped_browser_tests": num_skipped, "failed": failed}) + "\n")


@dataclass(frozen=True)
class Stores:
    """A migrated database and a Valkey. `libpq` is the database's URL without a driver name."""

    database_url: str
    redis_url: str

    @property
    def libpq(self) -> str:
        """The URL that psycopg connects to."""
        return self.database_url


@pytest.fixture(scope="session")
def servers() -> Iterator[EmbeddedStores | None]:
    """PostgreSQL and Valkey of this test process; None when TEST_DATABASE_URL and TEST_REDIS_URL name others."""
    if os.environ.get("TEST_DATABASE_URL") and os.environ.get("TEST_REDIS_URL"):
        yield None
        return
    data_dir = Path(tempfile.mkdtemp(prefix="trailmind-test-"))
    embedded = EmbeddedStores(data_dir, durable=False)
    try:
        embedded.start()
        yield embedded
    finally:
        embedded.stop()
        shutil.rmtree(data_dir, ignore_errors=True)


@pytest.fixture(scope="session")
def stores(servers: EmbeddedStores | None) -> Stores:
    """The stores with the migrated schema. Tests share the database, so each test creates its own users."""
    if servers is None:
        services = Stores(os.environ["TEST_DATABASE_URL"], os.environ["TEST_REDIS_URL"])
    else:
        urls = servers.start()
        services = Stores(urls.database_url, urls.redis_url)
    migrate("postgresql+psycopg://" + services.database_url.partition("://")[2])
    return services


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """The whole product, started once per test process, because Ray starts slowly."""
    with Product(TRAILMIND_LOCAL_METRICS="1") as running:
        yield running


def drop_database(connection: psycopg.Connection, name: str) -> None:
    """Drop the database and end its clients.

    `DROP DATABASE … WITH (FORCE)` fails for this role while autovacuum, a process of the superuser, works in the
    database; without FORCE, PostgreSQL ends autovacuum itself, so only the role's own clients are ended here.
    """
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = current_user", (name,)
    )
    connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


@contextmanager
def new_database(stores: Stores) -> Iterator[str]:
    """The URL of a new, empty database, which is dropped at the end of the block."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(stores.libpq, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        base, _, query = stores.libpq.partition("?")
        yield base.rpartition("/")[0] + f"/{name}" + (f"?{query}" if query else "")
        drop_database(connection, name)


@pytest.fixture
def fresh_database(stores: Stores) -> Iterator[str]:
    """The URL of a new, empty database; it is dropped after the test."""
    with new_database(stores) as url:
        yield url


@pytest.fixture
def empty_database(stores: Stores) -> Iterator[str]:
    """A second one, as the target of a restore."""
    with new_database(stores) as url:
        yield url


@pytest.fixture
def settings(stores: Stores, tmp_path: Path) -> Settings:
    """Settings of the app under test."""
    from tests.support.server import make_settings

    return make_settings(stores.database_url, stores.redis_url, data_dir=tmp_path)


@pytest.fixture
def production_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Passwords are hashed at the product's cost. A test names this fixture before those that sign users up."""
    from pwdlib import PasswordHash

    from serve.identity import passwords

    monkeypatch.setattr(passwords, "_hasher", PasswordHash.recommended())
    passwords._decoy_hash.cache_clear()
    yield
    passwords._decoy_hash.cache_clear()


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """An HTTP client of the app, which runs in this process on the stores, without Ray."""
    from tests.support.server import running_api

    async with running_api(settings) as (_, client):
        yield client


@pytest.fixture
async def ann(api: httpx2.AsyncClient) -> ApiUser:
    """A signed-up user."""
    return await sign_up(api)


@pytest.fixture
async def bob(api: httpx2.AsyncClient) -> ApiUser:
    """Another signed-up user."""
    return await sign_up(api)


@pytest.fixture
async def worker(settings: Settings) -> AsyncIterator[InProcessWorker]:
    """A job worker that runs what waits, when told to."""
    async with job_worker(settings) as found:
        yield found


@pytest.fixture
async def db(stores: Stores) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A database connection for assertions about rows."""
    async with await psycopg.AsyncConnection.connect(stores.libpq, autocommit=True) as connection:
        yield connection
