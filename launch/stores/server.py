"""One supervised server process: started, waited for, found again after a crash, stopped."""

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

#: Recovery after a crash replays up to `max_wal_size` of log; a server that is alive is given the time.
READY_TIMEOUT_S = 120.0
_MAX_LOG_BYTES = 4_000_000
#: What a server needs of our environment. The rest may hold secrets, or settings (PG…) meant for somebody else.
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")


class Server(ABC):
    """A server whose working directory is `home`, by which its processes are recognised.

    A pid file names a number that may belong to anybody by now; the pair of program name and working directory cannot
    be mistaken. Where the kernel hides the working directory (root in a container, without CAP_SYS_PTRACE, of another
    user's process), a word on the command line that stands for `home` takes its place.
    The caller holds the claim of the data directory, so no one else starts this server meanwhile.
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
        """Whether the server started as `pid` answers. Called until it does."""

    @abstractmethod
    def clear_stale_files(self) -> None:
        """Remove what a dead server left behind; none of its processes is alive."""

    def process_marker(self) -> str:
        """What stands on the command line of all processes of this server and of no other."""
        return str(self.home)

    def prepare(self) -> None:
        """Have everything in place that `command` needs."""
        self.account.make_dir(self.home)

    @property
    def pid(self) -> int | None:
        """The process id of the running server."""
        return None if self._process is None else self._process.pid

    def is_alive(self) -> bool:
        """Whether the process we started still runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, cancel: threading.Event) -> None:
        """Start the server and return when it answers; leftovers of a crash are stopped and removed first.

        Raises `StoresError` when it cannot run, or when `give_up` is set meanwhile.
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
                # A Ctrl-C in the terminal is for us; we stop the servers after everything that uses them.
                start_new_session=True,
                **self.account.spawn_user(),
            )
        try:
            self._wait_until_ready(self._process, begin, cancel)
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self, process: subprocess.Popen[bytes], log_begin: int, cancel: threading.Event) -> None:
        give_up_at = time.monotonic() + READY_TIMEOUT_S
        while not self.is_ready(process.pid):
            if process.poll() is not None:
                raise self._explain(log_begin)
            if time.monotonic() > give_up_at:
                raise StoresError(
                    f"{self.name} cannot run: it does not answer after {READY_TIMEOUT_S:g} s; see {self.log_path}"
                )
            if cancel.wait(0.01):
                raise StoresError(f"{self.name} is being stopped")

    def request_stop(self) -> None:
        """Ask the server to stop; does not wait."""
        if self._process is not None and not self._asked_to_stop:
            self._asked_to_stop = True
            self._process.send_signal(self.stop_signal)

    def stop(self, timeout_s: float = 30.0) -> None:
        """Stop the server, at first politely. A repeat is harmless."""
        self.request_stop()
        if self._process is None:
            return
        for last_resort in (signal.SIGQUIT, signal.SIGKILL):
            try:
                self._process.wait(timeout_s)
                break
            except subprocess.TimeoutExpired:
                self._process.send_signal(last_resort)
                timeout_s = 5.0
        self._process.wait()
        self._process = None
        self.clear_stale_files()

    def processes(self) -> list[psutil.Process]:
        """All living processes of this server, whoever started them."""
        return processes_in(self.home, {self.process_name}, self.process_marker())

    def stop_leftovers(self) -> None:
        """Stop what is left of an earlier run: its supervisor was killed, or the server was and its children live."""
        leftovers = self.processes()
        if head := next((process for process in leftovers if self.is_main_process(process)), None):
            with suppress(psutil.NoSuchProcess):
                head.send_signal(self.stop_signal)
            _wait_until_gone(self.processes, within_s=15.0)
        if leftovers:
            kill_all(self.processes)

    def is_main_process(self, process: psutil.Process) -> bool:
        """Whether `process` is the one that takes `stop_signal` for all others."""
        return True

    def environment(self) -> dict[str, str]:
        """The server's environment variables."""
        kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {**kept, "LC_ALL": "C", "HOME": str(self.home)}

    def cap_log(self) -> None:
        """Keep the log within bounds: beyond 4 MB it becomes `<name>.1`, replacing the former one."""
        try:
            if self.log_path.stat().st_size > _MAX_LOG_BYTES:
                # The server appends (O_APPEND) to the file it was given, so the file is emptied, not replaced.
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
    """The living processes with one of these names whose working directory is `directory`.

    Where that cannot be read, those with `mark` on their command line.
    """
    found = []
    for process in psutil.process_iter(["name"]):
        if process.info["name"] not in names:
            continue
        try:
            is_ours = Path(process.cwd()) == directory
        except psutil.AccessDenied:
            with suppress(psutil.Error):
                if marker in " ".join(process.cmdline()):
                    found.append(process)
        except (psutil.Error, OSError):
            continue  # dead by now
        else:
            if is_ours:
                found.append(process)
    return found


def kill_all(find: Callable[[], list[psutil.Process]]) -> None:
    """Kill what `find` finds until it finds nothing. Raises `StoresError` when something does not die."""
    for process in find():
        with suppress(psutil.NoSuchProcess):
            process.kill()
    if not _wait_until_gone(find, within_s=15.0):
        pids = ", ".join(str(process.pid) for process in find())
        raise StoresError(f"the embedded stores cannot run: process {pids} of an earlier run does not end; kill it")


def _wait_until_gone(find: Callable[[], list[psutil.Process]], within_s: float) -> bool:
    """Wait for the processes to be gone. Zombies count as gone: not every container has an init that reaps them."""
    give_up_at = time.monotonic() + within_s
    while find():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.02)
    return True
