"""A store or mail server whose certificate has expired is named as such by `trailmind doctor` and by every command."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cluster.settings import Settings, load_settings
from launch.cli import doctor
from launch.cli.main import _store_unreachable_message
from launch.refused_certificates import certificate_problem

EXPIRED = "its certificate is refused: certificate has expired"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that expired yesterday, with its key, which signs itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=90))
    builder = builder.not_valid_after(now - datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path_factory.mktemp("certificate") / "expired.pem"
    file.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + secret)
    return file


@contextlib.contextmanager
def tls_server(certificate: Path, *, is_postgresql: bool = False) -> Iterator[int]:
    """A server that begins TLS on each connection, after the request for it where PostgreSQL is expected; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                if is_postgresql:
                    connection.recv(8)
                    connection.sendall(b"S")
                context.wrap_socket(connection, server_side=True).close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def settings_with(monkeypatch: pytest.MonkeyPatch, name: str, url: str, tmp_path: Path) -> Settings:
    monkeypatch.setenv(name, url)
    return load_settings(data_dir=tmp_path)


def test_postgresql(monkeypatch: pytest.MonkeyPatch, authority: Path, tmp_path: Path) -> None:
    with tls_server(authority, is_postgresql=True) as port:
        url = f"postgresql://ann:planted@localhost:{port}/x?sslmode=verify-full&sslrootcert={authority}"
        settings = settings_with(monkeypatch, "DATABASE_URL", url, tmp_path)
        result = doctor._postgresql(settings, settings)
        with pytest.raises(psycopg.OperationalError) as error:
            psycopg.connect(url)
    assert result.state == "bad"
    assert "DATABASE_URL does not answer: its certificate is refused: it has expired, or sslrootcert" in result.message
    assert "planted" not in result.message
    message = _store_unreachable_message(error.value)
    assert message is not None
    assert "its certificate is refused: it has expired" in message


def test_valkey(monkeypatch: pytest.MonkeyPatch, authority: Path, tmp_path: Path) -> None:
    with tls_server(authority) as port:
        url = f"rediss://:planted@localhost:{port}/0?ssl_ca_certs={authority}"
        settings = settings_with(monkeypatch, "REDIS_URL", url, tmp_path)
        result = doctor._valkey(settings, settings)
        with pytest.raises(redis.ConnectionError) as error:
            redis.Redis.from_url(url).ping()
    assert (result.state, result.message) == ("bad", f"REDIS_URL does not answer: {EXPIRED}")
    assert _store_unreachable_message(error.value) == f"Valkey does not answer (REDIS_URL): {EXPIRED}"


def test_the_mail_server(monkeypatch: pytest.MonkeyPatch, authority: Path, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with tls_server(authority) as port:
        url = f"smtps://ann:planted@localhost:{port}"
        result = doctor.check_mail(settings_with(monkeypatch, "TRAILMIND_SMTP_URL", url, tmp_path))
    assert result.state == "bad"
    assert result.message.startswith(f"the mail server does not answer ({EXPIRED})")
    assert "planted" not in result.message


def test_other_problems_are_not_about_certificates() -> None:
    assert certificate_problem(ConnectionRefusedError(111, "Connection refused")) is None
