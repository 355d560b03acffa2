"""The application on a free port, for programs that need a real address.

Prints the port, then nothing more, and serves until stdin ends.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import uvicorn

from serve.app import create_api, with_middleware
from tests.support.billing import billing_settings
from tests.support.server import make_settings, no_actor


async def main() -> None:
    """Serve until standard input is closed."""
    settings = make_settings(
        os.environ["DATABASE_URL"],
        os.environ["REDIS_URL"],
        data_dir=Path(os.environ["FUZZ_DATA_DIR"]),
        default_plan="enterprise",
    )
    settings = billing_settings(settings, os.environ["FUZZ_STRIPE_URL"])
    api = create_api(settings, no_actor)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(with_middleware(api, settings), log_level="critical", access_log=False))
        async with api.router.lifespan_context(api):
            serving = asyncio.create_task(server.serve([listening]))
            while not server.started:
                await asyncio.sleep(0)
            sys.stdout.write(f"{listening.getsockname()[1]}\n")
            sys.stdout.flush()
            # The parent reads no further: with a full pipe the server would block on a log line.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            await asyncio.to_thread(sys.stdin.read)
            server.should_exit = True
            await serving


if __name__ == "__main__":
    asyncio.run(main())
