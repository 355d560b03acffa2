"""The whole product as users run it: `trailmind up` in a separate process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import httpx2
import psutil

from cluster.settings import Settings, load_settings
from launch.local_server import with_running_stores, with_signing_key
from launch.ray_environment import free_ports


class Product:
    """A running Trailmind with its own data directory and port, as a context manager."""

    #: The data directories of all products that this process has started and not stopped.
    running: ClassVar[list[Path]] = []

    def __init__(self, data_dir: Path | None = None, *, start_timeout_s: float = 150.0, **variables: str) -> None:
        self._owns_data = data_dir is None
        self.data_dir = data_dir or Path(tempfile.mkdtemp(prefix="trailmind-product-"))
        (self.port,) = free_ports(1)
        self._start_timeout_s = start_timeout_s
        self._variables = {"TRAILMIND_ENVIRONMENT": "test", "TRAILMIND_RATE_LIMITS": "0", **variables}
        self._process: subprocess.Popen[bytes] | None = None
        self.log_path = self.data_dir / "product.log"

    @property
    def origin(self) -> str:
        """The origin of the server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of `trailmind up`."""
        assert self._process is not None
        return self._process.pid

    @property
    def settings(self) -> Settings:
        """The settings of the server, with store URLs and signing key."""
        settings = load_settings(data_dir=self.data_dir, port=self.port, environment="test", rate_limits=False)
        return with_signing_key(with_running_stores(settings))

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Start the server and return when it is ready. Raises RuntimeError with the end of its log."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if self.data_dir not in self.running:
            self.running.append(self.data_dir)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("TRAILMIND_", "RAY_"))}
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "launch.cli.main", "up"),
                    *("--data-dir", str(self.data_dir), "--port", str(self.port)),
                ],
                env={**environment, **self._variables},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        deadline = time.monotonic() + self._start_timeout_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if httpx2.get(f"{self.origin}/ready", timeout=5.0, trust_env=False).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            time.sleep(0.1)
        tail = self.log_path.read_text(errors="replace")[-3000:]
        self.kill()
        raise RuntimeError(f"the product did not start:\n{tail}")

    def stop(self) -> None:
        """Stop the server with SIGTERM, and kill it after a minute."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def processes(self) -> list[psutil.Process]:
        """The process of `trailmind up` and its descendants."""
        try:
            root = psutil.Process(self.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """Kill all processes, as a power failure does."""
        for process in self.processes():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        if self._process is not None:
            self._process.wait(timeout=30)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if self.data_dir in self.running:
            self.running.remove(self.data_dir)
        if self._owns_data:
            shutil.rmtree(self.data_dir, ignore_errors=True)
