"""Datasets: only who has agreed, without ids and secrets, nothing forgotten, and read back by `trailmind eval`."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from typer.testing import CliRunner

from cluster.analysis import dataset_export
from cluster.analysis.dataset_evaluation import evaluate_dataset
from cluster.analysis.dataset_export import DatasetExporter, DatasetOptions, Manifest
from cluster.analysis.dataset_reading import load_manifest, read_sessions
from cluster.settings import Settings
from launch.cli.main import app
from models.analysis.anonymity import ALL
from models.analysis.consented_sessions import still_consented
from models.analysis.parquet import read_parquet
from models.errors import BadRequest
from tests.acceptance.test_map_collections import session_about
from tests.acceptance.test_map_edits import change, get, topics
from tests.support.client import ApiUser, visit
from tests.support.worker import InProcessWorker

Db = psycopg.AsyncConnection[Any]
T0 = 1_760_000_000_000
FILES = ("sessions.parquet", "pages.parquet", "maps.parquet")


@pytest.fixture
async def exporter(settings: Settings) -> AsyncIterator[DatasetExporter]:
    async with AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool:
        yield DatasetExporter(pool)


async def agree(person: ApiUser, agrees: bool = True) -> None:
    await person.ok("PATCH", "/v1/users/me/settings", json={"allows_datasets": agrees})


def of(*sessions: str, **changes: Any) -> DatasetOptions:
    return DatasetOptions(session_ids=tuple(uuid.UUID(session) for session in sessions), **changes)


def rows(directory: Path, table: str) -> list[dict[str, Any]]:
    return list(read_parquet(directory / f"{table}.parquet"))


def all_text(directory: Path) -> str:
    """Everything that leaves, as text."""
    values = [rows(directory, file.removesuffix(".parquet")) for file in FILES]
    return json.dumps(values, ensure_ascii=False, default=str) + (directory / "manifest.json").read_text()


async def test_a_dataset_has_pages_and_the_map_as_its_user_sees_it(
    ann: ApiUser, worker: InProcessWorker, db: Db, exporter: DatasetExporter, tmp_path: Path
) -> None:
    session = await session_about(ann, worker, "bread", "chess")
    await agree(ann)
    topic = topics(await get(ann, session))[0]
    await change(ann, session, {"op": "rename", "node_id": topic["id"], "label": "Königsgambit"})
    manifest = await exporter.export(of(session), tmp_path / "set")

    (read,) = read_sessions(tmp_path / "set")
    (session_row,) = rows(tmp_path / "set", "sessions")
    assert (manifest.num_sessions, manifest.num_people, manifest.num_pages) == (1, 1, 8)
    assert (manifest.k, session_row["k"], session_row["num_pages"]) == (1, 1, 8)
    assert session_row["sites"] == [f"{subject}{i}.example" for subject in ("bread", "chess") for i in range(4)]
    assert read.map_row["is_edited"]
    labels = {node["label"]: node["label_by"] for node in read.map_row["nodes"] if node["type"] == "topic"}
    assert labels["Königsgambit"] == "user"
    assert len(set(read.topic_of_pages().values())) == len(labels)
    assert set(read.topic_of_pages()) == {page.page_id for page in read.pages}
    assert min(at for page in read.pages for at in page.visited_at_ms) == 0, "no day leaves"
    assert all(page.text.startswith("The ") for page in read.pages)
    assert sorted(file.name for file in (tmp_path / "set").iterdir()) == sorted([*FILES, "manifest.json"])
    assert all(file.stat().st_mode & 0o077 == 0 for file in [tmp_path / "set", *(tmp_path / "set").iterdir()])

    text = all_text(tmp_path / "set")
    assert not [name for name in (session, ann.id, ann.email, str(T0 // 10**6)) if name in text]
    cursor = await db.execute("SELECT facts FROM audit_log WHERE action = 'dataset.exported' ORDER BY at DESC LIMIT 1")
    facts: dict[str, Any] = (await cursor.fetchone() or [{}])[0]
    assert (facts["num_sessions"], facts["k"], facts["delete_on"]) == (1, 1, manifest.delete_on.isoformat())


async def test_names_differ_in_each_export_and_agree_within_one(
    ann: ApiUser, worker: InProcessWorker, exporter: DatasetExporter, tmp_path: Path
) -> None:
    one, two = await session_about(ann, worker, "bread"), await session_about(ann, worker, "chess")
    await agree(ann)
    for name in ("first", "second"):
        await exporter.export(of(one, two), tmp_path / name)
    first, second = rows(tmp_path / "first", "sessions"), rows(tmp_path / "second", "sessions")
    assert len({row["person"] for row in first}) == len({row["person"] for row in second}) == 1
    assert not {row["person"] for row in first} & {row["person"] for row in second}
    assert not {row["session"] for row in first} & {row["session"] for row in second}


async def test_secrets_searches_and_private_sites_stay(
    ann: ApiUser, worker: InProcessWorker, exporter: DatasetExporter, tmp_path: Path
) -> None:
    await ann.ok("PATCH", "/v1/users/me/settings", json={"allowed_domains": ["chase.com"], "allows_datasets": True})
    about = "Sourdough rises with wild yeast, and a baker feeds the starter with flour and water every day. " * 6
    texts = {
        "https://bread.example/a?session_id=9f8e7d6c5b4a39281706&page=2": f"{about} Write to {ann.email} now.",
        "https://bread.example/b": f"{about} The password: hunter2hunter2 opens it; card 4111 1111 1111 1111.",
        "https://bread.example/c": f"{about} hunter2hunter2 is here again, and rye.",
        "https://www.google.com/search?q=how+to+hide+zqsearch": f"{about} zqsearch results",
    }

    async def recorded(*pages: tuple[str, str]) -> str:
        session = await ann.start()
        events = [visit(url, T0 + i, title=f"Sourdough {i}", content=text) for i, (url, text) in enumerate(pages)]
        await ann.send(session, events)
        await ann.ok("POST", f"/v1/sessions/{session}/stop")
        await worker.run()
        return session

    session = await recorded(*texts.items())
    with_bank = await recorded(*texts.items(), ("https://www.chase.com/account", f"{about} The zqbank balance."))
    manifest = await exporter.export(of(session, with_bank), tmp_path / "set")
    text = all_text(tmp_path / "set")
    local_part = ann.email.partition("@")[0]
    leaks = ["9f8e7d6c5b", "hunter2", "4111", ann.email, local_part, "zqsearch", "zqbank", "chase"]
    assert [leak for leak in leaks if leak in text] == []
    assert manifest.num_secrets >= 3
    assert (manifest.num_sessions, manifest.num_pages, manifest.num_private) == (1, 3, 1)
    assert "and rye" in text


async def test_only_who_agrees_now_is_in_a_dataset(
    ann: ApiUser, bob: ApiUser, worker: InProcessWorker, db: Db, exporter: DatasetExporter, tmp_path: Path
) -> None:
    anns, bobs = await session_about(ann, worker, "bread"), await session_about(bob, worker, "chess")
    refused = r"the session [0-9a-f-]{36}: it is deleted, has no map, is local only, or its user has not agreed"

    async def is_refused(session: str) -> bool:
        with pytest.raises(BadRequest, match=refused):
            await exporter.export(of(session), tmp_path / "refused")
        return not (tmp_path / "refused").exists()

    assert await is_refused(anns)
    await agree(ann)
    assert await is_refused(bobs), "another user's consent is not his"
    assert (await exporter.export(of(anns), tmp_path / "agreed")).num_sessions == 1
    await agree(ann, False)
    assert await is_refused(anns)
    await agree(ann)
    await db.execute("UPDATE browsing_sessions SET is_local_only = true WHERE id = %s", [uuid.UUID(anns)])
    assert await is_refused(anns)
    await db.execute("UPDATE browsing_sessions SET is_local_only = false WHERE id = %s", [uuid.UUID(anns)])
    await db.execute("UPDATE users SET status = 'inactive' WHERE id = %s", [uuid.UUID(ann.id)])
    assert await is_refused(anns)
    await db.execute("UPDATE users SET status = 'active' WHERE id = %s", [uuid.UUID(ann.id)])
    await ann.ok("DELETE", f"/v1/sessions/{anns}")
    assert await is_refused(anns)
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == [], "no draft is left"


async def test_forgotten_pages_are_absent_and_what_changes_meanwhile_is_left_out(
    ann: ApiUser, bob: ApiUser, worker: InProcessWorker, exporter: DatasetExporter, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    anns, bobs = await session_about(ann, worker, "bread", "chess"), await session_about(bob, worker, "tides")
    await agree(ann)
    await agree(bob)
    await ann.ok("POST", "/v1/forget", json={"session_id": anns, "domain": "chess1.example"})
    await worker.run()
    await exporter.export(of(anns), tmp_path / "forgotten")
    assert "chess1.example" not in all_text(tmp_path / "forgotten")
    assert "chess2.example" in all_text(tmp_path / "forgotten")

    # Bob withdraws and Ann forgets a page after their sessions were read.

    async def late(*arguments: Any) -> frozenset[uuid.UUID]:
        await agree(bob, False)
        await ann.ok("POST", "/v1/forget", json={"session_id": anns, "domain": "chess2.example"})
        await worker.run()
        return await still_consented(*arguments)

    monkeypatch.setattr(dataset_export, "still_consented", late)
    manifest = await exporter.export(of(anns, bobs), tmp_path / "late")
    assert (manifest.num_sessions, manifest.num_withdrawn) == (0, 2)
    assert all(rows(tmp_path / "late", file.removesuffix(".parquet")) == [] for file in FILES)


async def test_small_groups_can_be_left_out(
    ann: ApiUser, bob: ApiUser, worker: InProcessWorker, db: Db, exporter: DatasetExporter, tmp_path: Path
) -> None:
    both = [await session_about(person, worker, "bread") for person in (ann, bob)]
    alone = await session_about(ann, worker, "tides")
    for person in (ann, bob):
        await agree(person)
    for hour, session in enumerate((*both, alone), start=8):
        at = datetime(2026, 11, 20, hour, tzinfo=UTC)
        await db.execute("UPDATE browsing_sessions SET started_at = %s WHERE id = %s", [at, uuid.UUID(session)])

    async def export(name: str, **options: Any) -> Manifest:
        return await exporter.export(of(*both, alone, **options), tmp_path / name)

    exact = await export("exact")
    assert (exact.num_sessions, exact.k, exact.anonymity[ALL].num_alone) == (3, 1, 3)
    wide = await export("wide", hour_width=12, min_group=2)
    assert (wide.num_sessions, wide.num_suppressed, wide.k) == (2, 1, 2)
    assert {(row["hour"], row["k"]) for row in rows(tmp_path / "wide", "sessions")} == {(0, 2)}
    assert len(rows(tmp_path / "wide", "pages")) == 8
    assert "tides" not in all_text(tmp_path / "wide")
    without_hour = await export("without-hour", hour_width=24, min_group=2)
    assert (without_hour.num_sessions, without_hour.k) == (2, 2)
    assert {row["hour"] for row in rows(tmp_path / "without-hour", "sessions")} == {None}


async def test_eval_makes_the_maps_of_a_dataset_again(
    ann: ApiUser, worker: InProcessWorker, exporter: DatasetExporter, tmp_path: Path
) -> None:
    session = await session_about(ann, worker, "bread", "chess", "tides")
    await agree(ann)
    await exporter.export(of(session), tmp_path / "set")
    (compared,) = evaluate_dataset(tmp_path / "set").sessions
    assert (compared.num_pages, compared.num_problems, compared.is_edited) == (12, 0, False)
    assert compared.agreement == 1.0, "the same pages make the same topics"
    assert compared.scores_now["separation"] == compared.scores_in_dataset["separation"]

    runner = CliRunner()
    shown = runner.invoke(app, ["eval", "--dataset", str(tmp_path / "set")])
    assert shown.exit_code == 0
    assert "maps: 1, edited by their users: 0, problems: 0; k = 1" in shown.output
    as_json = json.loads(runner.invoke(app, ["eval", "--dataset", str(tmp_path / "set"), "--json"]).output)
    assert (as_json["agreement"], as_json["agreement_of_edited"]) == (1.0, None)
    assert runner.invoke(app, ["eval", "x.events.json", "--dataset", str(tmp_path / "set")]).exit_code == 2

    await exporter.export(of(session, has_texts=False), tmp_path / "bare")
    assert all(
        not page.text and not page.highlights for each in read_sessions(tmp_path / "bare") for page in each.pages
    )
    with pytest.raises(BadRequest, match="has no texts to make maps from"):
        evaluate_dataset(tmp_path / "bare")


async def test_a_dataset_is_not_read_after_its_last_day_or_when_damaged(
    ann: ApiUser, worker: InProcessWorker, exporter: DatasetExporter, tmp_path: Path
) -> None:
    session = await session_about(ann, worker, "bread")
    await agree(ann)
    manifest = await exporter.export(of(session, keep_days=3), directory := tmp_path / "set")
    assert load_manifest(directory, manifest.delete_on) == manifest
    with pytest.raises(BadRequest, match=r"was to be deleted on \d{4}-\d\d-\d\d: users may have withdrawn"):
        load_manifest(directory, manifest.delete_on + timedelta(days=1))
    with pytest.raises(BadRequest, match="exists: choose a new directory"):
        await exporter.export(of(session), directory)
    assert len(list(read_sessions(directory))) == 1, "the first dataset is as it was"

    (directory / "maps.parquet").write_bytes(b"not parquet")
    with pytest.raises(BadRequest, match=r"maps\.parquet cannot be read as Parquet"):
        list(read_sessions(directory))
    for content, sentence in (
        ('{"version": 9}', "is a dataset of version 9, not 1"),
        ('{"version": 1}', "is damaged"),
        ("[]", "is no dataset"),
        ("", "is no dataset"),
    ):
        (directory / "manifest.json").write_text(content)
        with pytest.raises(BadRequest, match=sentence):
            load_manifest(directory)


async def test_a_failure_leaves_no_files(
    ann: ApiUser, worker: InProcessWorker, exporter: DatasetExporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await session_about(ann, worker, "bread")
    await agree(ann)

    async def broken(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(dataset_export, "insert_audit_entry", broken)
    with pytest.raises(OSError, match="no space left"):
        await exporter.export(of(session), tmp_path / "set")
    assert list(tmp_path.iterdir()) == []
