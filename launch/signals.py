"""Waits for the signal that ends the program."""

from __future__ import annotations

import signal
import threading


def wait_for_signal() -> None:
    """Return on Ctrl-C (SIGINT), on SIGTERM, and on SIGHUP when the terminal closes.

    A SIGHUP that the parent ignores (`nohup`) stays ignored.
    """
    received = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: received.set())
    # A wait without a time-out would keep Python from running the signal handler.
    while not received.wait(0.5):
        pass
