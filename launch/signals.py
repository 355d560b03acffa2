"""Waiting until somebody wants the program to end."""

from __future__ import annotations

import signal
import threading


def wait_for_signal() -> None:
    """Return on Ctrl-C, when asked to terminate, and when the terminal is closed."""
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # What was told to outlive its terminal does.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: done.set())
    # A wait without time-out would not let Python run the signal handler.
    while not done.wait(0.5):
        pass
