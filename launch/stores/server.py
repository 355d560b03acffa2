"""One supervised server process: its start, its recovery after a crash and its stop."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from io import BufferedWriter
from pathlib import Path

import psutil

from launch.stores.account import Account
from launch.stores.errors import StoresError, explain_log

#: Recovery after a crash replays up to `max_wal_size` of log, which can take this long.
READY_TIMEOUT_S = 120.0
_MAX_LOG_BYTES = 4_000_000
#: The variables that a server inherits. Others may contain secrets, or settings (PG…) for other programs.
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")


class Server(ABC):
    """A server whose processes are identified by their program name and their working directory `home`.

    A process id in a pid file is not reliable, because another process can have it later. Where the kernel hides the
    working directory (root in a container without CAP_SYS_PTRACE, for a process of another user), a marker on the
    command line identifies the processes instead. The caller holds the lock of the data directory, so no other process
    starts this server at the same time.
    """

    name: str
    process_name: str
    stop_signal: signal.Signals

    def __init__(self, home: Path, log_path: Path, account: Account) -> None:
        self.home, self.log_path, self.account = home, log_path, account
        self._process: subprocess.Popen[bytes] | None = None
        self._asked_to_stop = False

    @abstractmethod
    def command(self) -> list[str]:
        """The command line of the server, which must stay in the foreground."""

    @abstractmethod
    def is_ready(self, pid: int) -> bool:
        """Whether the server with process id `pid` answers. Called repeatedly until it does."""

    @abstractmethod
    def clear_stale_files(self) -> None:
        """Remove the files that a dead server left behind. Called only when none of its processes is alive."""

    def process_marker(self) -> str:
        """A word on the command line of every process of this server and of no other process."""
        return str(self.home)

    def prepare(self) -> None:
        """Create the files and directories that `command` needs. Raises StoresError or OSError."""
        self.account.make_dir(self.home)

    @property
    def pid(self) -> int | None:
        """The process id of the running server."""
        return None if self._process is None else self._process.pid

    def is_alive(self) -> bool:
        """Whether the process started by `start` still runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, cancel: threading.Event) -> None:
        """Start the server and return when it answers; processes and files left by a crash are removed first.

        Raises:
            StoresError: the server cannot run, or `cancel` was set before it answered.
        """
        self.prepare()
        self.stop_leftovers()
        self.clear_stale_files()
        self._asked_to_stop = False
        with self._open_log() as log:
            begin = log.tell()
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.home,
                env=self.environment(),
                # Ctrl-C must not reach the servers: the supervisor stops them after the processes that use them.
                start_new_session=True,
                **self.account.spawn_user(),
            )
        try:
            self._wait_until_ready(self._process, begin, cancel)
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self, process: subprocess.Popen[bytes], log_begin: int, cancel: threading.Event) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self.is_ready(process.pid):
            if process.poll() is not None:
                raise self._explain(log_begin)
            if time.monotonic() > deadline:
                raise StoresError(
                    f"{self.name} cannot run: it does not answer after {READY_TIMEOUT_S:g} s; see {self.log_path}"
                )
            if cancel.wait(0.01):
                raise StoresError(f"{self.name} is being stopped")

    def request_stop(self) -> None:
        """Send the stop signal and return at once. A repeat changes nothing."""
        if self._process is not None and not self._asked_to_stop:
            self._asked_to_stop = True
            self._process.send_signal(self.stop_signal)

    def stop(self, timeout_s: float = 30.0) -> None:
        """Stop the server; after `timeout_s` with SIGQUIT, then with SIGKILL. A repeat changes nothing."""
        self.request_stop()
        if self._process is None:
            return
        for stronger_signal in (signal.SIGQUIT, signal.SIGKILL):
            try:
                self._process.wait(timeout_s)
                break
            except subprocess.TimeoutExpired:
                self._process.send_signal(stronger_signal)
                timeout_s = 5.0
        self._process.wait()
        self._process = None
        self.clear_stale_files()

    def processes(self) -> list[psutil.Process]:
        """All live processes of this server, also those that another supervisor started."""
        return processes_in(self.home, {self.process_name}, self.process_marker())

    def stop_leftovers(self) -> None:
        """Stop the processes of an earlier run whose supervisor or main process was killed."""
        leftovers = self.processes()
        if main := next((process for process in leftovers if self.is_main_process(process)), None):
            with suppress(psutil.NoSuchProcess):
                main.send_signal(self.stop_signal)
            _wait_until_gone(self.processes, within_s=15.0)
        if leftovers:
            kill_all(self.processes)

    def is_main_process(self, process: psutil.Process) -> bool:
        """Whether `process` is the one whose `stop_signal` ends all others."""
        return True

    def environment(self) -> dict[str, str]:
        """The server's environment variables."""
        kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {**kept, "LC_ALL": "C", "HOME": str(self.home)}

    def cap_log(self) -> None:
        """Rotate the log when it exceeds 4 MB: its text moves to `<name>.log.1`, replacing the previous one."""
        try:
            if self.log_path.stat().st_size > _MAX_LOG_BYTES:
                # The server keeps the file open and appends (O_APPEND), so the file is truncated and not replaced.
                shutil.copyfile(self.log_path, self.log_path.with_suffix(".log.1"))
                os.truncate(self.log_path, 0)
        except OSError:
            return

    def _open_log(self) -> BufferedWriter:
        self.cap_log()
        log = self.log_path.open("ab")
        self.account.chown(self.log_path)
        return log

    def _explain(self, log_begin: int) -> StoresError:
        with self.log_path.open("rb") as log:
            log.seek(log_begin)
            text = log.read(100_000).decode(errors="replace")
        return explain_log(self.name, text, path=self.home, log_path=self.log_path)


def processes_in(directory: Path, names: set[str], marker: str) -> list[psutil.Process]:
    """The live processes with one of these names whose working directory is `directory`.

    A process whose working directory cannot be read is included if `marker` is on its command line.
    """
    processes = []
    for process in psutil.process_iter(["name"]):
        if process.info["name"] not in names:
            continue
        try:
            is_ours = Path(process.cwd()) == directory
        except psutil.AccessDenied:
            with suppress(psutil.Error):
                if marker in " ".join(process.cmdline()):
                    processes.append(process)
        except (psutil.Error, OSError):
            continue  # the process has ended
        else:
            if is_ours:
                processes.append(process)
    return processes


def kill_all(find: Callable[[], list[psutil.Process]]) -> None:
    """Kill the processes that `find` returns until it returns none. Raises `StoresError` if one does not end."""
    for process in find():
        with suppress(psutil.NoSuchProcess):
            process.kill()
    if not _wait_until_gone(find, within_s=15.0):
        pids = ", ".join(str(process.pid) for process in find())
        raise StoresError(f"the embedded stores cannot run: process {pids} of an earlier run does not end; kill it")


def _wait_until_gone(find: Callable[[], list[psutil.Process]], within_s: float) -> bool:
    """Return True when `find` returns no process, False after `within_s`.

    Zombies have no readable working directory and do not count: not every container has an init that reaps them.
    """
    deadline = time.monotonic() + within_s
    while find():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
