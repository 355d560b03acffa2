"""Parquet files: nested values survive, DuckDB touches one directory only, and other files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from models.analysis import parquet
from models.analysis.parquet import ParquetWriter, read_parquet
from models.errors import BadRequest

COLUMNS = {
    "books": "session VARCHAR, title VARCHAR, year INTEGER, chapters STRUCT(number INTEGER, words VARCHAR[])[]",
    "notes": "session VARCHAR, note VARCHAR",
}
HOSTILE = "'); DROP TABLE books; -- \u0000 \" 한글 \U0001f33f <script>"
BOOKS: list[dict[str, Any]] = [
    {"session": "b", "title": HOSTILE, "year": None, "chapters": [{"number": 1, "words": ["a", HOSTILE]}]},
    {"session": "a", "title": "", "year": 2**31 - 1, "chapters": []},
    {"session": "c", "title": "gone", "year": 1, "chapters": [{"number": None, "words": []}]},
]


def written(directory: Path) -> list[dict[str, Any]]:
    with ParquetWriter(directory, COLUMNS) as writer:
        writer.add("books", BOOKS)
        writer.add("books", [])
        writer.keep("books", "session", ["a", "b"])
        path = writer.write("books")
        writer.write("notes")
    return list(read_parquet(path))


def test_nested_and_hostile_values_survive_in_order(tmp_path: Path) -> None:
    assert written(tmp_path) == [BOOKS[0], BOOKS[1]]
    assert list(read_parquet(tmp_path / "notes.parquet")) == []
    assert sorted(file.name for file in tmp_path.iterdir()) == ["books.parquet", "notes.parquet"], "no work file stays"


def test_the_files_are_compressed_with_zstd(tmp_path: Path) -> None:
    written(tmp_path)
    statement = "SELECT DISTINCT compression FROM parquet_metadata($path)"
    assert duckdb.execute(statement, {"path": str(tmp_path / "books.parquet")}).fetchall() == [("ZSTD",)]


def test_many_rows_stay_in_their_order(tmp_path: Path) -> None:
    with ParquetWriter(tmp_path, COLUMNS) as writer:
        for number in range(3_000):
            writer.add("notes", [{"session": f"s{number % 7}", "note": str(number)}])
        writer.keep("notes", "session", [f"s{number}" for number in range(1, 7)])
        path = writer.write("notes")
    assert [row["note"] for row in read_parquet(path)] == [str(number) for number in range(3_000) if number % 7]


def test_an_empty_selection_keeps_nothing(tmp_path: Path) -> None:
    with ParquetWriter(tmp_path, COLUMNS) as writer:
        writer.add("books", BOOKS)
        writer.keep("books", "session", [])
        assert list(read_parquet(writer.write("books"))) == []


def test_the_work_file_is_removed_after_an_error(tmp_path: Path) -> None:
    def write() -> None:
        with ParquetWriter(tmp_path, COLUMNS) as writer:
            writer.add("books", [{**BOOKS[0], "year": "not a year"}])
            writer.write("books")

    with pytest.raises(duckdb.Error):
        write()
    assert list(tmp_path.iterdir()) == []


def test_rows_that_need_too_much_memory_are_refused_and_leave_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(parquet._CONFIG, "memory_limit", "24MB")

    def write() -> None:
        with ParquetWriter(tmp_path, COLUMNS) as writer:
            for number in range(600):
                writer.add("notes", [{"session": "s", "note": f"{number} " * 20_000}])
            writer.write("notes")

    with pytest.raises(BadRequest, match="too long to be written with 24MB of memory: choose fewer sessions"):
        write()
    assert not list(tmp_path.glob("rows.duckdb*"))


def test_the_database_touches_no_other_directory(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    written(outside)
    with ParquetWriter(inside, COLUMNS) as writer:
        for statement in (
            f"SELECT * FROM read_parquet('{outside}/books.parquet')",
            f"COPY books TO '{outside}/stolen.parquet' (FORMAT parquet)",
            "SET enable_external_access = true",
            "INSTALL httpfs",
        ):
            with pytest.raises(duckdb.Error):
                writer._connection.execute(statement)
    assert not (outside / "stolen.parquet").exists()


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 not parquet PAR1", b"session\na\n"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "books.parquet"
    path.write_bytes(content)
    with pytest.raises(BadRequest, match=r"^books\.parquet cannot be read as Parquet"):
        list(read_parquet(path))
    with pytest.raises(BadRequest):
        list(read_parquet(tmp_path / "missing.parquet"))
