"""Every error of the server has a code, and the clients word each code in both languages."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from models.errors import TrailmindError
from serve.http.errors import HTTP_CODES

ROOT = Path(__file__).parents[2]
WORDS = ROOT / "clients" / "api" / "src" / "server-errors.ts"


def subclasses(parent: type[TrailmindError]) -> Iterator[type[TrailmindError]]:
    yield parent
    for child in parent.__subclasses__():
        yield from subclasses(child)


def server_codes() -> set[str]:
    """The codes of all error classes of the product, and of the errors that the framework raises."""
    packages = ("models", "actors", "cluster", "serve")
    for package in packages:
        for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if ".migrations." not in module.name:
                importlib.import_module(module.name)
    ours = {error.code for error in subclasses(TrailmindError) if error.__module__.split(".")[0] in packages}
    return ours | set(HTTP_CODES.values()) | {"ERROR"}


def test_the_clients_word_each_code_in_both_languages() -> None:
    text = WORDS.read_text()
    entries = dict(re.findall(r"^  ([A-Z][A-Z_]+): (.*?)(?=^  [A-Z][A-Z_]+: |^};)", text, re.MULTILINE | re.DOTALL))
    assert set(entries) == server_codes()
    for code, words in entries.items():
        if words.strip() == "modelFailed,":
            continue
        assert re.search(r"\ben: ", words), f"{code} has no English words"
        assert re.search(r"\bko: .*[가-힣]", words, re.DOTALL), f"{code} has no Korean words"
