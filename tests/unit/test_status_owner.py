"""Only `models/lifecycle/state.py` writes the status of sessions, maps and joint maps, and the history of sessions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWNER = ROOT / "models" / "lifecycle" / "state.py"
PRODUCT = ("actors", "cluster", "launch", "models", "serve", "telemetry")
#: Attributes named `status` of other things.
OTHER_STATUSES = {("serve/routes/admin.py", "user.status"), ("serve/routes/account.py", "user.status")}

_TABLES = r"(?:browsing_sessions|mindmaps|joint_maps)"
_UPDATE = re.compile(rf"\bUPDATE\s+{_TABLES}\b.*?\bSET\b(.*?)(?:\bWHERE\b|\bFROM\b|\bRETURNING\b|$)", re.I | re.S)
_INSERT = re.compile(rf"\bINSERT\s+INTO\s+{_TABLES}\s*\(([^)]*)\)(.*)", re.I | re.S)
_UPSERT = re.compile(r"\bDO\s+UPDATE\s+SET\b(.*?)(?:\bWHERE\b|\bRETURNING\b|$)", re.I | re.S)
_HISTORY = re.compile(r"\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+session_transitions\b", re.I)
_COLUMN = re.compile(r"(?<![\w.])(?:status|stage)\s*=")
_MODELS = {"BrowsingSession", "Mindmap", "JointMap"}


def sql_writes_status(text: str) -> bool:
    """Whether the SQL in `text` writes a status or a stage of the three tables, or the history of sessions."""
    if _HISTORY.search(text) or any(_COLUMN.search(found[1]) for found in _UPDATE.finditer(text)):
        return True
    for found in _INSERT.finditer(text):
        upsert = _UPSERT.search(found[2])
        if re.search(r"\b(?:status|stage)\b", found[1]) or (upsert and _COLUMN.search(upsert[1])):
            return True
    return False


def _strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else " x " for part in node.values]
            yield node.lineno, "".join(map(str, parts))


def status_writes(path: str, source: str) -> Iterator[tuple[int, str]]:
    """(line, what) for every place in `source` that writes a status."""
    tree = ast.parse(source)
    for line, text in _strings(tree):
        if sql_writes_status(text):
            yield line, "SQL that writes a status"
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in [part for t in targets for part in (t.elts if isinstance(t, ast.Tuple) else [t])]:
                if isinstance(target, ast.Attribute) and target.attr == "status":
                    name = ast.unparse(target)
                    if (path, name) not in OTHER_STATUSES and not name.startswith("self."):
                        yield node.lineno, f"assignment to {name}"
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            keywords = {keyword.arg for keyword in node.keywords}
            if name in _MODELS and keywords & {"status", "stage"}:
                yield node.lineno, f"{name}(status=…)"
            if name == "SessionTransition":
                yield node.lineno, "a row of session_transitions"
            if name.endswith(".values") and "status" in keywords and any(f"({model})" in name for model in _MODELS):
                yield node.lineno, "an update of a status"


def test_only_the_state_module_writes_a_status() -> None:
    problems = []
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*.py")):
            relative = path.relative_to(ROOT).as_posix()
            if path == OWNER or relative.startswith("models/migrations/versions/"):
                continue
            problems += [
                f"{relative}:{line}: {what}; call a function of models/lifecycle/state.py"
                for line, what in status_writes(relative, path.read_text(encoding="utf-8"))
            ]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    "source",
    [
        "q = \"UPDATE browsing_sessions SET status = 'failed' WHERE id = %s\"",
        "q = 'UPDATE mindmaps SET percent = 1,' ' status = %s' ' WHERE id = %s'",
        'q = f"UPDATE joint_maps m SET {x}, stage = %s WHERE id = 1"',
        "q = 'INSERT INTO mindmaps (id, status) VALUES (1, 2)'",
        "q = 'INSERT INTO mindmaps (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET status = 2'",
        "q = 'INSERT INTO session_transitions (id) VALUES (1)'",
        "found.status, found.stage = 'failed', None",
        "Mindmap(session_id=1, status='failed')",
        "update(BrowsingSession).where(x).values(status='failed')",
    ],
)
def test_the_scanner_finds_each_kind_of_write(source: str) -> None:
    assert list(status_writes("serve/routes/x.py", source))


@pytest.mark.parametrize(
    "source",
    [
        "q = \"UPDATE browsing_sessions SET title = %s WHERE status = 'failed'\"",
        "q = \"SELECT id FROM mindmaps WHERE status = 'failed'\"",
        "q = \"UPDATE ai_calls SET status = 'lost'\"",
        "MindmapReply(status=found.status)",
    ],
)
def test_the_scanner_ignores_reads_and_other_tables(source: str) -> None:
    assert not list(status_writes("serve/routes/x.py", source))
