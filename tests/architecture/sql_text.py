"""SQL in Python sources: string constants that are statements."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

#: The first words of a statement. Upper case, as all SQL of this project is written.
_STATEMENT = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*"
    r"(?:SELECT\s|INSERT INTO\s|UPDATE\s+\S+\s+(?:\w+\s+)?SET\b|DELETE FROM\s|MERGE INTO\s|TRUNCATE\s|LOCK TABLE\s"
    r"|WITH\s+(?:RECURSIVE\s+)?\w+[^A-Z]*AS\b|COPY\s+\S+|NOTIFY\s|LISTEN\s|SET\s+(?:LOCAL\s|[a-z_]+\s*(?:=|TO\b))"
    r"|CREATE\s+(?:UNIQUE\s+|TEMP\s+|OR REPLACE\s+)?[A-Z]{4,}|ALTER\s+[A-Z]{4,}|DROP\s+[A-Z]{4,})"
)
#: Statements that PostgreSQL can prepare.
_PREPARABLE = re.compile(r"\s*(?:--[^\n]*\n\s*)*(?:SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES)\b")


def is_statement(text: str) -> bool:
    """Whether a string begins as an SQL statement does."""
    return _STATEMENT.match(text) is not None


def is_preparable(text: str) -> bool:
    """Whether a statement is one that `PREPARE` accepts."""
    return is_statement(text) and _PREPARABLE.match(text) is not None


def statements_in(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of every string constant that is a statement; docstrings are left out."""
    tree = ast.parse(path.read_text())
    docstrings = {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or node in docstrings:
            continue
        if isinstance(node.value, str) and is_statement(node.value):
            yield node.lineno, node.value


def positional(statement: str) -> str:
    """A psycopg statement with PostgreSQL's own parameters: `%s` and `%(name)s` become `$1`, `$2` …"""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        key = match["name"] or f"#{len(names)}"
        return f"${names.setdefault(key, len(names) + 1)}"

    return re.sub(r"%%|%(?:\((?P<name>\w+)\))?[sbt]", number, statement)
