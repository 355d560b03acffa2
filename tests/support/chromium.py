"""The Chromium of the browser tests, and the message where it is missing."""

from __future__ import annotations

import shutil
import sys

#: The path of the installed Chromium; empty without one.
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
SKIP_REASON = "Chromium is not installed"

_INSTALL_COMMANDS = {
    "apt-get": "sudo apt-get install chromium fonts-noto-cjk",
    "dnf": "sudo dnf install chromium google-noto-sans-cjk-fonts",
    "pacman": "sudo pacman -S chromium noto-fonts-cjk",
    "brew": "brew install --cask chromium",
}


def skipped_sentence(num_skipped: int) -> str:
    """How many browser tests were skipped, and the command that installs Chromium."""
    command = next((c for program, c in _INSTALL_COMMANDS.items() if shutil.which(program)), "")
    how = f"install it with `{command}`" if command else f"install it for {sys.platform} and put `chromium` on the PATH"
    return f"{num_skipped} browser tests were skipped because Chromium is not installed; {how}."
