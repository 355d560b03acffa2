"""The prose linter: words and idioms of `vocabulary.toml` in documentation, comments, messages and names.

`python -m tests.architecture.prose [FILE or FOLDER …]` prints `file:line: word → what to write instead` and fails when
there is one; `--count` prints the number of findings of each folder and succeeds.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
VOCABULARY = Path(__file__).with_name("vocabulary.toml")
MARKER = "prose: allow"
#: Lines from one with the first marker to the next with the second are data, not prose.
OFF, ON = "prose: off", "prose: on"

#: Texts that are not ours or are data, and the vocabulary itself.
_EXCLUDED = re.compile(
    r"(^|/)(node_modules|samples|fixtures|crds|licenses|changelog)/|schema\.ts$|vocabulary\.toml$|package-lock|THIRD"
)
#: Strings that are not for readers: statements, selectors, patterns, markup.
_NOT_PROSE = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|ALTER|DROP|LOCK|COPY|<!doctype|\(async)\b", re.I)
_CATALOGUE = re.compile(r"(^|/)(i18n|messages|_locales)/|/admin/words\.ts$|/server-errors\.ts$")
_TYPESCRIPT_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)", re.S
)
_WORD_OF_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@dataclass(frozen=True)
class Text:
    """A piece of text, the line on which it begins, and whether it is a name."""

    line: int
    content: str
    is_name: bool = False


@dataclass(frozen=True)
class Finding:
    """A forbidden word at a place, and its replacement."""

    path: str
    line: int
    word: str
    replacement: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.word} → {self.replacement}"


class Vocabulary:
    """The rules of `vocabulary.toml`."""

    def __init__(self, path: Path = VOCABULARY) -> None:
        tables = tomllib.loads(path.read_text())
        self._words = self._compile(tables["words"])
        self._names = self._compile(tables["names"])
        self._korean = [(re.compile(pattern), replacement) for pattern, replacement in tables["korean"].items()]

    @staticmethod
    def _compile(table: dict[str, str]) -> list[tuple[re.Pattern[str], str]]:
        compiled = []
        for pattern, replacement in table.items():
            # A blank of a pattern also matches the end of a line, with the signs of a comment.
            words = pattern.replace(" ", r"[\s#*/]+")
            compiled.append((re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.I), replacement))
        return compiled

    def search(self, text: Text) -> Iterator[tuple[int, str, str]]:
        """(line, word, replacement) of every forbidden word in `text`."""
        content = text.content
        if text.is_name:
            content = " ".join(_WORD_OF_NAME.findall(content))
        for pattern, replacement in self._names if text.is_name else [*self._words, *self._korean]:
            for match in pattern.finditer(content):
                word = " ".join(match[0].split())
                shown = f"{text.content} ({word})" if text.is_name else word
                yield text.line + content.count("\n", 0, match.start()), shown, replacement


def python_texts(source: str, *, checks_strings: bool = True) -> Iterator[Text]:
    """Comments, docstrings, defined names and, in product code, strings of several words."""
    yield from _comments(source)
    tree = ast.parse(source)
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docstrings.add(first.value)
        yield from _names(node)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_prose = " " in node.value and not _NOT_PROSE.match(node.value)
            if node in docstrings or (checks_strings and is_prose):
                yield Text(node.lineno, node.value)
        elif isinstance(node, ast.Assert) and not checks_strings and isinstance(node.msg, ast.Constant):
            yield Text(node.msg.lineno, str(node.msg.value))


def _comments(source: str) -> Iterator[Text]:
    """Comments; those of consecutive lines are one text."""
    block: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if block and token.start[0] != block[-1].start[0] + 1:
            yield Text(block[0].start[0], "\n".join(comment.string for comment in block))
            block = []
        block.append(token)
    if block:
        yield Text(block[0].start[0], "\n".join(comment.string for comment in block))


def _names(node: ast.AST) -> Iterator[Text]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        yield Text(node.lineno, node.name, is_name=True)
    elif isinstance(node, ast.arg):
        yield Text(node.lineno, node.arg, is_name=True)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield Text(node.lineno, node.id, is_name=True)


def markdown_texts(source: str) -> Iterator[Text]:
    """Everything but code and addresses."""
    yield Text(1, _blank(r"```.*?```|`[^`\n]*`|https?://\S+|\]\([^)\n]*\)", source))


def typescript_texts(source: str, *, is_catalogue: bool) -> Iterator[Text]:
    """Comments and, in a message catalogue, strings."""
    for match in _TYPESCRIPT_TOKEN.finditer(source):
        if match["comment"] or is_catalogue:
            yield Text(source.count("\n", 0, match.start()) + 1, match[0])


def hash_comment_texts(source: str) -> Iterator[Text]:
    """Comments of Makefiles, YAML, TOML and shell."""
    for number, line in enumerate(source.splitlines(), 1):
        if match := re.search(r"(^|\s)#.*", line):
            yield Text(number, match[0])


def _blank(pattern: str, source: str) -> str:
    """`source` with matches of `pattern` replaced by blanks; lines stay where they are."""
    return re.sub(pattern, lambda match: re.sub(r"[^\n]", " ", match[0]), source, flags=re.S)


def texts_of(path: str, source: str) -> Iterator[Text]:
    """The texts of a file for readers; none for a kind of file that is not checked."""
    suffix = Path(path).suffix
    readers: dict[str, Callable[[], Iterator[Text]]] = {
        ".py": lambda: python_texts(source, checks_strings=not path.startswith(("tests/", "benchmarks/"))),
        ".md": lambda: markdown_texts(source),
        ".j2": lambda: iter((Text(1, source),)),
        **dict.fromkeys((".ts", ".tsx"), lambda: typescript_texts(source, is_catalogue=bool(_CATALOGUE.search(path)))),
        **dict.fromkeys((".yaml", ".yml", ".toml", ".sh"), lambda: hash_comment_texts(source)),
    }
    if Path(path).name in ("Makefile", "Dockerfile") or path == ".ci/run":
        return hash_comment_texts(source)
    return readers[suffix]() if suffix in readers else iter(())


def check(path: str, source: str, vocabulary: Vocabulary) -> Iterator[Finding]:
    """Every finding in a file, by line."""
    lines = source.splitlines()
    exempt = _exempt_lines(lines)
    findings = {
        Finding(path, line, word, replacement)
        for text in texts_of(path, source)
        for line, word, replacement in vocabulary.search(text)
    }
    for finding in sorted(findings, key=lambda f: (f.line, f.word)):
        if finding.line not in exempt:
            yield finding


def _exempt_lines(lines: list[str]) -> set[int]:
    exempt, is_off = set(), False
    for number, line in enumerate(lines, 1):
        is_off = (is_off or OFF in line) and ON not in line
        if is_off or MARKER in line:
            exempt.add(number)
    return exempt


def tracked_files(places: list[str]) -> list[str]:
    """The files of the repository under `places`, new ones included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *places]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for path in output.splitlines() if not _EXCLUDED.search(path) and (ROOT / path).is_file()]


def check_files(places: list[str]) -> list[Finding]:
    """Every finding in the repository's files under `places`."""
    vocabulary = Vocabulary()
    findings: list[Finding] = []
    for path in tracked_files(places):
        try:
            source = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue
        findings.extend(check(path, source, vocabulary))
    return findings


def main() -> None:
    """Print the findings, or their number in each folder."""
    parser = argparse.ArgumentParser(prog="python -m tests.architecture.prose", description=__doc__.partition("\n")[0])
    parser.add_argument("places", nargs="*", default=["."], help="files and folders; the whole repository by default")
    parser.add_argument("--count", action="store_true", help="print the number of findings of each folder")
    options = parser.parse_args()
    findings = check_files(options.places)
    if options.count:
        folders = Counter("/".join(Path(finding.path).parts[:-1][:2]) or "." for finding in findings)
        for folder, number in sorted(folders.items()):
            print(f"{number:5}  {folder}")
        print(f"{len(findings):5}  in all")
        return
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
