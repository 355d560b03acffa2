"""Login tokens and signed links: tokens of earlier versions stay valid; expired and forged ones do not."""

from __future__ import annotations

import uuid

import pytest

from models.errors import NotFound, Unauthorized
from serve.identity.access_tokens import Claims, LoginTokens, TokenType, key_id
from serve.identity.signed_links import sign_link, verify_link
from tests.support.tokens import signed_token, token_claims, token_header

KEY = "a key for tests that is long enough to be one"
USER, LOGIN = uuid.UUID("7d0f6a3e-2f3c-4a5b-9c1d-3f1f0f9b2a10"), uuid.UUID("0b9c7a52-7c1e-4a3d-8b62-5a1f6f0e9d33")
JTI = uuid.UUID("c0a8f5d2-61b7-4a07-8a0e-2b6d9b1c7e55")
ISSUED_AT, EXPIRES_AT = 1_760_000_000, 1_760_003_600

# Issued by the version that signed with PyJWT, with the key and the times above.
PYJWT_ACCESS_TOKEN = (
    "eyJhbGciOiJIUzI1NiIsImtpZCI6IjE3YTQ5YWEwOWQ0NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI3ZDBmNmEzZS0yZjNjLTRhNWI"
    "tOWMxZC0zZjFmMGY5YjJhMTAiLCJ1c2VyX2lkIjoiN2QwZjZhM2UtMmYzYy00YTViLTljMWQtM2YxZjBmOWIyYTEwIiwidG9rZW5"
    "fdHlwZSI6ImFjY2VzcyIsImp0aSI6ImMwYThmNWQyLTYxYjctNGEwNy04YTBlLTJiNmQ5YjFjN2U1NSIsImZhbSI6IjBiOWM3YTU"
    "yLTdjMWUtNGEzZC04YjYyLTVhMWY2ZjBlOWQzMyIsImlhdCI6MTc2MDAwMDAwMCwiZXhwIjoxNzYwMDAzNjAwLCJpc3MiOiJ0cmF"
    "pbG1pbmQiLCJhdWQiOiJ0cmFpbG1pbmQtYXBpIn0._nWjOA9eeXcO7VZC_M-v-JDqh9e3V9txsrtv4E6ERE4"
)
PYJWT_REFRESH_TOKEN = (
    "eyJhbGciOiJIUzI1NiIsImtpZCI6IjE3YTQ5YWEwOWQ0NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI3ZDBmNmEzZS0yZjNjLTRhNWI"
    "tOWMxZC0zZjFmMGY5YjJhMTAiLCJ1c2VyX2lkIjoiN2QwZjZhM2UtMmYzYy00YTViLTljMWQtM2YxZjBmOWIyYTEwIiwidG9rZW5"
    "fdHlwZSI6InJlZnJlc2giLCJqdGkiOiJjMGE4ZjVkMi02MWI3LTRhMDctOGEwZS0yYjZkOWIxYzdlNTUiLCJmYW0iOiIwYjljN2E"
    "1Mi03YzFlLTRhM2QtOGI2Mi01YTFmNmYwZTlkMzMiLCJpYXQiOjE3NjAwMDAwMDAsImV4cCI6MTc2MDAwMzYwMCwiaXNzIjoidHJ"
    "haWxtaW5kIiwiYXVkIjoidHJhaWxtaW5kLWFwaSJ9.uc1I5q0a9UEeDiD0cI_Oe42iOkAFt9ohxwFRzNGmbB8"
)
PYJWT_PICTURE_LINK = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI3ZDBmNmEzZS0yZjNjLTRhNWItOWMxZC0zZjFmMGY5YjJhMTAiLCJ"
    "leHAiOjE3NjAwMDM2MDAsImF1ZCI6InRyYWlsbWluZC1saW5rLXBpY3R1cmUifQ.2g0UOH3xl4Xd2bUYJlvUDaYh4FGPFf5k2DvF"
    "ywJ2_T4"
)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the code under test reads; tests set its one element."""
    clock = [ISSUED_AT + 1.0]
    monkeypatch.setattr("time.time", lambda: clock[0])
    return clock


@pytest.fixture
def tokens() -> LoginTokens:
    return LoginTokens([KEY], access_ttl_s=60, refresh_ttl_s=60, long_lived_ttl_s=60)


@pytest.mark.parametrize(("token", "kind"), [(PYJWT_ACCESS_TOKEN, "access"), (PYJWT_REFRESH_TOKEN, "refresh")])
def test_tokens_of_the_previous_version_stay_valid(
    token: str, kind: TokenType, tokens: LoginTokens, now: list[float]
) -> None:
    assert tokens.verify(token, kind) == Claims(USER, JTI, EXPIRES_AT, LOGIN)
    rotated = LoginTokens(
        ["another key that is long enough", KEY], access_ttl_s=60, refresh_ttl_s=60, long_lived_ttl_s=60
    )
    assert rotated.verify(token, kind).user_id == USER
    now[0] = EXPIRES_AT + 1.0
    with pytest.raises(Unauthorized):
        tokens.verify(token, kind)
    with pytest.raises(Unauthorized):
        rotated.verify(token, kind)


def test_a_link_of_the_previous_version_stays_valid(now: list[float]) -> None:
    assert verify_link([KEY], "picture", PYJWT_PICTURE_LINK) == str(USER)
    with pytest.raises(NotFound):
        verify_link([KEY], "export", PYJWT_PICTURE_LINK)
    now[0] = EXPIRES_AT + 1.0
    with pytest.raises(NotFound):
        verify_link([KEY], "picture", PYJWT_PICTURE_LINK)


def test_a_link_stays_valid_after_a_key_rotation(now: list[float]) -> None:
    assert verify_link(["the next key of this server, as long as the other", KEY], "picture", PYJWT_PICTURE_LINK)
    with pytest.raises(NotFound):
        verify_link(["the next key of this server, as long as the other"], "picture", PYJWT_PICTURE_LINK)


def test_new_tokens_have_the_same_form(tokens: LoginTokens, now: list[float]) -> None:
    token = tokens.issue(USER, "access", LOGIN, jti=JTI, ttl_s=EXPIRES_AT - ISSUED_AT - 1)
    assert token_header(token) == token_header(PYJWT_ACCESS_TOKEN)
    assert token_claims(token) == token_claims(PYJWT_ACCESS_TOKEN) | {"iat": ISSUED_AT + 1}
    assert tokens.verify(token, "access") == Claims(USER, JTI, EXPIRES_AT, LOGIN)
    link = sign_link(KEY, "picture", str(USER), ttl_s=EXPIRES_AT - ISSUED_AT - 1)
    assert (token_header(link), token_claims(link)) == (
        token_header(PYJWT_PICTURE_LINK),
        token_claims(PYJWT_PICTURE_LINK),
    )


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_a_token_is_of_one_type(kind: TokenType, tokens: LoginTokens, now: list[float]) -> None:
    other: TokenType = "refresh" if kind == "access" else "access"
    token = tokens.issue(USER, kind, LOGIN, jti=JTI, ttl_s=60)
    with pytest.raises(Unauthorized):
        tokens.verify(token, other)


@pytest.mark.parametrize(
    "change",
    [{"iat": ISSUED_AT + 60}, {"nbf": ISSUED_AT + 60}, {"iss": "x"}, {"aud": "x"}, {"exp": None}, {"exp": "soon"}],
)
def test_every_claim_is_verified(change: dict[str, object], tokens: LoginTokens, now: list[float]) -> None:
    claims = {k: v for k, v in (token_claims(PYJWT_ACCESS_TOKEN) | change).items() if v is not None}
    with pytest.raises(Unauthorized):
        tokens.verify(signed_token(claims, KEY, kid=key_id(KEY)), "access")


@pytest.mark.parametrize(
    "garbage", ["", ".", "..", "a.b.c", "\u00e9.\u00e9.\u00e9", PYJWT_ACCESS_TOKEN[:-2], "e30.e30.e30"]
)
def test_garbage_is_unauthorized(garbage: str, tokens: LoginTokens, now: list[float]) -> None:
    with pytest.raises(Unauthorized):
        tokens.verify(garbage, "access")
    with pytest.raises(NotFound):
        verify_link([KEY], "picture", garbage)
