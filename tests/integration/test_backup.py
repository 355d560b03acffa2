"""A backup restored into an empty database is the same data; what cannot be restored is refused and changes nothing."""

from __future__ import annotations

import http.server
import tarfile
import threading
from pathlib import Path

import psycopg
import pytest

from launch.backup import BackupError, make_backup, new_identity, restore_backup
from models.migrations.run import migrate
from models.table_checksums import table_checksums

ADD_JOB = (
    "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, status)"
    " VALUES ('maps', 'test.none', 0, '{}', 'todo') RETURNING id"
)


@pytest.fixture
def filled(fresh_database: str) -> str:
    migrate("postgresql+psycopg://" + fresh_database.partition("://")[2])
    with psycopg.connect(fresh_database) as connection:
        connection.execute(
            "INSERT INTO users (id, email, password_hash) SELECT gen_random_uuid(), 'user' || n || '@example.com', 'x'"
            " FROM generate_series(1, 50) n"
        )
        connection.execute(ADD_JOB)
    return fresh_database


def contents(dsn: str) -> dict[str, tuple[int, str]]:
    with psycopg.connect(dsn) as connection:
        return {table: (checksum.rows, checksum.checksum) for table, checksum in table_checksums(connection).items()}


def test_an_encrypted_backup_is_the_same_data(filled: str, empty_database: str, tmp_path: Path) -> None:
    identity, recipient = new_identity()
    keys: list[str] = []
    made = make_backup(filled, str(tmp_path), recipient=recipient, signing_key="the key")
    stored = (tmp_path / made.name).read_bytes()
    assert b"user1@example.com" not in stored
    assert b"manifest" not in stored
    assert (tmp_path / made.name).stat().st_mode & 0o777 == 0o600
    restored = restore_backup(empty_database, str(tmp_path), identity=identity, keep_signing_key=keys.append)
    assert contents(empty_database) == contents(filled)
    assert (restored.name, restored.num_rows) == (made.name.removesuffix(".age"), made.num_rows)
    assert made.num_rows >= 50
    assert keys == ["the key"]
    with psycopg.connect(empty_database) as connection:
        assert connection.execute(ADD_JOB).fetchone() == (2,), "the sequences are restored too"


def test_an_object_store_holds_the_same_backups(filled: str, empty_database: str, tmp_path: Path) -> None:
    store = f"file://{tmp_path}"
    (tmp_path / "trailmind-20260101T000000Z.tar").write_bytes(b"old")
    made = make_backup(filled, store, keep=1)
    assert made.deleted == ("trailmind-20260101T000000Z.tar",)
    assert restore_backup(empty_database, f"{store}/{made.name}").num_rows == made.num_rows
    assert contents(empty_database) == contents(filled)
    with pytest.raises(BackupError, match="cannot be used"):
        restore_backup(empty_database, f"{store}/trailmind-20260101T000000Z.tar")


def test_a_backup_without_a_recipient_has_no_signing_key(filled: str, tmp_path: Path) -> None:
    made = make_backup(filled, str(tmp_path), signing_key="the key")
    with tarfile.open(tmp_path / made.name) as archive:
        assert archive.getnames() == ["manifest.json", "database.dump"]


def test_a_database_with_data_is_replaced_only_on_request(filled: str, empty_database: str, tmp_path: Path) -> None:
    make_backup(filled, str(tmp_path))
    restore_backup(empty_database, str(tmp_path))
    with psycopg.connect(empty_database) as connection:
        connection.execute("DELETE FROM users WHERE email = 'user7@example.com'")
    before = contents(empty_database)
    with pytest.raises(BackupError, match="give --replace"):
        restore_backup(empty_database, str(tmp_path))
    with psycopg.connect(empty_database), pytest.raises(BackupError, match=r"other connections use the database \(1\)"):
        restore_backup(empty_database, str(tmp_path), replace=True)
    assert contents(empty_database) == before
    restore_backup(empty_database, str(tmp_path), replace=True)
    assert contents(empty_database) == contents(filled)


def test_only_the_newest_backups_are_kept(filled: str, tmp_path: Path) -> None:
    for day in ("01", "02", "03"):
        (tmp_path / f"trailmind-202601{day}T000000Z.tar").write_bytes(b"old")
    (tmp_path / "notes.txt").write_text("not a backup")
    made = make_backup(filled, str(tmp_path), keep=2)
    assert made.deleted == ("trailmind-20260101T000000Z.tar", "trailmind-20260102T000000Z.tar")
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "notes.txt",
        "trailmind-20260103T000000Z.tar",
        made.name,
    ]


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_damaged_backup_is_refused(filled: str, empty_database: str, tmp_path: Path, size: int) -> None:
    made = make_backup(filled, str(tmp_path))
    path = tmp_path / made.name
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(BackupError):
        restore_backup(empty_database, str(path))
    assert contents(empty_database) == {}


def test_a_bucket_in_another_region_is_named(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer of S3 to a request that was sent to the wrong region."""

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(301)
            self.send_header("x-amz-bucket-region", "eu-west-1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    variables = {"ENDPOINT": f"http://127.0.0.1:{server.server_port}", "ALLOW_HTTP": "true", "REGION": "us-east-1"}
    for name, value in {**variables, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    sentence = "s3://backups/database cannot be used: the bucket is in another region than AWS_REGION says"
    try:
        with pytest.raises(BackupError, match=sentence):
            make_backup(filled, "s3://backups/database")
        with pytest.raises(BackupError, match=sentence):
            restore_backup(filled, "s3://backups/database", replace=True)
    finally:
        server.shutdown()
        server.server_close()
    assert contents(filled)["users"][0] == 50, "the database is untouched"


def test_what_cannot_be_used_is_refused_with_a_sentence(filled: str, empty_database: str, tmp_path: Path) -> None:
    identity, recipient = new_identity()
    with pytest.raises(BackupError, match="the database is empty"):
        make_backup(empty_database, str(tmp_path))
    # Before the database is dumped, which may take hours.
    steps: list[str] = []
    with pytest.raises(BackupError, match="not a public key of age"):
        make_backup(filled, str(tmp_path), recipient="nonsense", report=steps.append)
    (tmp_path / "file").touch()
    with pytest.raises(BackupError, match="file cannot be used: "):
        make_backup(filled, str(tmp_path / "file"), report=steps.append)
    assert steps == []
    with pytest.raises(BackupError, match="keep at least one"):
        make_backup(filled, str(tmp_path), keep=0)
    with pytest.raises(BackupError, match="has no backup"):
        restore_backup(empty_database, str(tmp_path))
    make_backup(filled, str(tmp_path), recipient=recipient)
    with pytest.raises(BackupError, match="is encrypted"):
        restore_backup(empty_database, str(tmp_path))
    with pytest.raises(BackupError, match="cannot be decrypted"):
        restore_backup(empty_database, str(tmp_path), identity=new_identity()[0])
    with pytest.raises(BackupError, match="cannot be decrypted"):
        restore_backup(empty_database, str(tmp_path), identity="nonsense")
    with pytest.raises(BackupError, match="cannot be used"):
        make_backup(filled, "nowhere://bucket/prefix")
    assert contents(empty_database) == {}
    restore_backup(empty_database, str(tmp_path), identity=identity)


def test_a_restored_table_that_differs_is_noticed(
    filled: str, empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_backup(filled, str(tmp_path))

    def damaged(program: str, dsn: str, *arguments: str | Path) -> None:
        run(program, dsn, *arguments)
        with psycopg.connect(dsn) as connection:
            connection.execute("UPDATE users SET password_hash = 'y' WHERE email = 'user3@example.com'")

    from launch import backup

    run = backup._run
    monkeypatch.setattr(backup, "_run", damaged)
    with pytest.raises(BackupError, match="the restored table users differs"):
        restore_backup(empty_database, str(tmp_path))
