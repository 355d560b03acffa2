"""`trailmind up` with production settings: each guard refuses in one sentence, and a complete configuration serves."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from launch.cli.main import main
from launch.local_server import LocalServer
from launch.stores import EmbeddedStores, StoreUrls
from tests.support.client import PASSWORD
from tests.support.mail_server import MailServer, unused_port
from tests.support.product import Product
from tests.support.sent_mails import token_in

PRODUCTION = {
    "TRAILMIND_ENVIRONMENT": "production",
    "TRAILMIND_SECRET_KEY": "k" * 40,
    "DATABASE_URL": "postgresql://127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1",
    "TRAILMIND_PUBLIC_URL": "https://trailmind.example",
    "TRAILMIND_ALLOWED_HOSTS": "maps.trailmind.example",
    "TRAILMIND_EXTENSION_IDS": "abcdefghijklmnopabcdefghijklmnop",
    "TRAILMIND_TRUSTED_PROXIES": "none",
    "TRAILMIND_SMTP_URL": "smtps://mail.example",
    "TRAILMIND_MAIL_FROM": "Trailmind <no-reply@trailmind.example>",
}
#: Changes of PRODUCTION (None: not set), and the words that the refusal begins with.
REFUSALS: list[tuple[dict[str, str | None], str]] = [
    ({"TRAILMIND_SECRET_KEY": None}, "TRAILMIND_SECRET_KEY must be set to at least 32 characters"),
    ({"TRAILMIND_SECRET_KEY": "short"}, "TRAILMIND_SECRET_KEY must be set to at least 32 characters"),
    ({"DATABASE_URL": None}, "DATABASE_URL must be set"),
    ({"REDIS_URL": None}, "REDIS_URL must be set"),
    ({"TRAILMIND_RATE_LIMITS": "0"}, "TRAILMIND_RATE_LIMITS cannot be off"),
    ({"TRAILMIND_EXTENSION_IDS": None}, "TRAILMIND_EXTENSION_IDS must name the extension"),
    ({"TRAILMIND_TRUSTED_PROXIES": None}, "TRAILMIND_TRUSTED_PROXIES must name the proxies"),
    ({"TRAILMIND_CORS_ORIGINS": "*"}, "TRAILMIND_CORS_ORIGINS must name the origins"),
    (
        {"TRAILMIND_EXPOSURE": "network", "TRAILMIND_PUBLIC_URL": None, "TRAILMIND_HOST": "0.0.0.0"},
        "TRAILMIND_PUBLIC_URL must be set",
    ),
    ({"TRAILMIND_PUBLIC_URL": "http://trailmind.example"}, "TRAILMIND_PUBLIC_URL must begin with https://"),
    ({"TRAILMIND_SMTP_URL": None}, "TRAILMIND_SMTP_URL must be set"),
    ({"TRAILMIND_SMTP_URL": "http://mail.example"}, "TRAILMIND_SMTP_URL: must be a smtp:// or smtps:// URL"),
    ({"TRAILMIND_NO_SUCH_SETTING": "1"}, "TRAILMIND_NO_SUCH_SETTING"),
]


@pytest.mark.parametrize(("changes", "sentence"), REFUSALS, ids=[f"{c}" for c, _ in REFUSALS])
def test_up_refuses_an_unsafe_configuration_in_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str | None],
    sentence: str,
) -> None:
    for name, value in {**PRODUCTION, **changes}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["trailmind", "up", "--data-dir", str(tmp_path / "data")])
    monkeypatch.setattr(LocalServer, "start", lambda *_: pytest.fail("the server starts"))
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    captured = capsys.readouterr()
    words = captured.out + captured.err
    assert words.startswith("trailmind: ")
    assert words.count("\n") == 1
    assert sentence in words
    assert PRODUCTION["TRAILMIND_SECRET_KEY"] not in words
    assert not (tmp_path / "data").exists(), "nothing is written"


@pytest.fixture
def stores_of_production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreUrls]:
    """An empty PostgreSQL and an empty Valkey, as an operator provides them."""
    stores = EmbeddedStores(tmp_path_factory.mktemp("stores"), durable=False)
    try:
        yield stores.start()
    finally:
        stores.stop()


def certificate(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for this machine, as an authority file, and the context of a server that has it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    authority, secret = directory / "authority.pem", directory / "key.pem"
    authority.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, secret)
    return authority, context


async def test_a_complete_production_configuration_serves(stores_of_production: StoreUrls, tmp_path: Path) -> None:
    mails, smtp_port = MailServer(), unused_port()
    authority, context = certificate(tmp_path)
    variables = PRODUCTION | {
        "TRAILMIND_RATE_LIMITS": "1",
        "DATABASE_URL": stores_of_production.database_url,
        "REDIS_URL": stores_of_production.redis_url,
        "TRAILMIND_SMTP_URL": f"smtps://localhost:{smtp_port}",
        "SSL_CERT_FILE": str(authority),
    }
    product = Product(None, start_timeout_s=150.0, **variables)
    async with mails.listening(smtp_port, context):
        await asyncio.to_thread(product.start)
        try:
            async with httpx2.AsyncClient(base_url=product.origin, timeout=60.0, trust_env=False) as client:
                await _use(client, mails)
        finally:
            await asyncio.to_thread(product.stop)


async def _use(client: httpx2.AsyncClient, mails: MailServer) -> None:
    """Sign up by mail, log in, and see the protection of a public server."""
    for host, status in (("trailmind.example", 200), ("maps.trailmind.example", 200), ("evil.example", 421)):
        assert (await client.get("/health", headers={"Host": host})).status_code == status, host
    address = f"{uuid.uuid4().hex[:12]}@test.local"
    assert (await client.post("/v1/auth/signup", json={"email": address})).status_code == 202
    async with asyncio.timeout(90):
        while not mails.mails:
            await asyncio.sleep(0.2)
    [mail] = mails.mails
    assert mail["To"] == address
    assert "https://trailmind.example/reset-password#token=" in mail.get_body(("plain",)).get_content()
    reset = {"token": token_in(mail), "new_password": PASSWORD}
    assert (await client.post("/v1/auth/reset-password", json=reset)).status_code == 200
    credentials, web = {"email": address, "password": PASSWORD}, {"X-Trailmind-Client": "web"}
    login = await client.post("/v1/auth/login", json=credentials, headers=web)
    assert login.status_code == 200
    assert login.headers["strict-transport-security"]
    cookies = login.headers.get_list("set-cookie")
    assert cookies
    assert all("Secure" in cookie and "HttpOnly" in cookie and "SameSite=strict" in cookie for cookie in cookies)
    for origin in ("http://localhost:3000", "https://evil.example", f"chrome-extension://{'b' * 32}"):
        preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        assert "access-control-allow-origin" not in (await client.options("/v1/sessions", headers=preflight)).headers
