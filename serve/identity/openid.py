"""Sign in with Google, or with another OpenID Connect provider that is configured in its place.

The audience of ID tokens is always verified: without a client id, sign-in with Google is off, so that tokens for other
apps are never accepted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from cluster.settings import Settings
from models.errors import BadRequest, Unauthorized, Unavailable

log = structlog.get_logger("serve")

TIMEOUT_S = 5.0
_CACHE_S = 3600.0
#: Keys younger than this are not fetched again for a token with an unknown key: forged tokens cannot cause requests.
_MIN_KEY_AGE_S = 60.0
_ALGORITHMS = ["RS256", "ES256"]
_LEEWAY_S = 30


@dataclass(frozen=True, slots=True)
class GoogleProfile:
    """The user of an ID token. Google has verified the e-mail address."""

    subject: str
    email: str
    avatar_url: str | None


class GoogleSignIn:
    """A client of one OpenID provider, with cached metadata and keys."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = settings.auth.google_issuer.rstrip("/")
        self.client_id = settings.auth.google_client_id or None
        secret = settings.auth.google_client_secret
        self._secret = secret.get_secret_value() if secret else None
        self._clock = clock
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    @property
    def is_configured(self) -> bool:
        """Whether a client id is set."""
        return self.client_id is not None

    def _required_client_id(self) -> str:
        if self.client_id is None:
            raise BadRequest("sign in with Google is not set up on this server")
        return self.client_id

    async def metadata(self) -> dict[str, Any]:
        """The provider's discovery document. Raises Unavailable."""
        if self._metadata is None or self._clock() - self._metadata[0] > _CACHE_S:
            document = await self._get(f"{self._issuer}/.well-known/openid-configuration")
            self._metadata = (self._clock(), document)
        return self._metadata[1]

    async def authorization_url(self, redirect_uri: str, state: str, nonce: str, code_challenge: str | None) -> str:
        """The URL to send the browser to. Raises BadRequest if sign-in with Google is off, or Unavailable."""
        client_id = self._required_client_id()
        endpoint = (await self.metadata())["authorization_endpoint"]
        parameters = {
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": "openid email profile",
            "state": state,
            "nonce": nonce,
        }
        if code_challenge:
            parameters |= {"code_challenge": code_challenge, "code_challenge_method": "S256"}
        return str(httpx2.URL(endpoint).copy_merge_params(parameters))

    async def exchange(
        self, code: str, redirect_uri: str, *, code_verifier: str | None = None, nonce: str | None = None
    ) -> GoogleProfile:
        """The user of the authorization `code`. Raises Unauthorized or Unavailable."""
        # Imported on use: a tenth of the API's import time, for a route that is called seldom.
        from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
        from authlib.integrations.httpx_client import AsyncOAuth2Client  # type: ignore[import-untyped]

        client_id = self._required_client_id()
        endpoint = (await self.metadata())["token_endpoint"]
        extra = {"code_verifier": code_verifier} if code_verifier else {}
        try:
            async with AsyncOAuth2Client(
                client_id,
                self._secret,
                timeout=TIMEOUT_S,
                token_endpoint_auth_method="client_secret_post",  # noqa: S106 - a method, not a secret
            ) as client:
                token = await client.fetch_token(
                    endpoint, grant_type="authorization_code", code=code, redirect_uri=redirect_uri, **extra
                )
        except AuthlibBaseError as error:
            log.info("google_code_rejected", error=type(error).__name__)
            raise Unauthorized("Invalid authorization code") from None
        except Exception as error:  # the transport raises exceptions of its own
            log.warning("google_unreachable", error=type(error).__name__)
            raise Unavailable("Google does not answer; try again in a moment", 5.0) from None
        id_token = token.get("id_token") if isinstance(token, dict) else None
        if not isinstance(id_token, str):
            raise Unauthorized("Invalid authorization code")
        return await self.verify(id_token, nonce=nonce)

    async def verify(self, id_token: str, *, nonce: str | None = None) -> GoogleProfile:
        """The user of the ID token. Raises Unauthorized or Unavailable."""
        client_id = self._required_client_id()
        if id_token.count(".") != 2:
            raise Unauthorized("Invalid Google credentials")
        issuer = str((await self.metadata())["issuer"])
        # Google's tokens name the issuer with and without the scheme.
        issuers = [issuer, issuer.removeprefix("https://")]
        try:
            claims = await self._signed_claims(id_token)
            required: dict[str, Any] = {
                "iss": {"essential": True, "values": issuers},
                "aud": {"essential": True, "value": client_id},
                "sub": {"essential": True},
                "exp": {"essential": True},
                "iat": {"essential": True},
            }
            if nonce is not None:
                required["nonce"] = {"essential": True, "value": nonce}
            JWTClaimsRegistry(leeway=_LEEWAY_S, **required).validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            log.info("google_token_rejected", error=type(error).__name__)
            raise Unauthorized("Invalid Google credentials") from None
        # A token for several audiences must have been requested by our client (OpenID Connect Core, section 3.1.3.7).
        if claims.get("azp", client_id) != client_id and isinstance(claims["aud"], list):
            raise Unauthorized("Invalid Google credentials")
        email = claims.get("email")
        if claims.get("email_verified") is not True or not isinstance(email, str) or "@" not in email:
            raise Unauthorized("Google has not verified this e-mail address")
        picture = claims.get("picture")
        is_safe = isinstance(picture, str) and picture.startswith("https://") and len(picture) < 2_000
        return GoogleProfile(str(claims["sub"]), email.strip(), picture if is_safe else None)

    async def _signed_claims(self, id_token: str) -> dict[str, Any]:
        keys, age_s = await self._cached_keys()
        try:
            return dict(jwt.decode(id_token, keys, algorithms=_ALGORITHMS).claims)
        except (JoseError, ValueError):
            if age_s < _MIN_KEY_AGE_S:
                raise
            # The provider may have rotated its keys.
            self._keys = None
            keys, _ = await self._cached_keys()
            return dict(jwt.decode(id_token, keys, algorithms=_ALGORITHMS).claims)

    async def _cached_keys(self) -> tuple[KeySet, float]:
        now = self._clock()
        if self._keys is None or now - self._keys[0] > _CACHE_S:
            self._keys = (now, KeySet.import_key_set(await self._get((await self.metadata())["jwks_uri"])))
        return self._keys[1], now - self._keys[0]

    async def _get(self, url: str) -> Any:
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT_S) as client:
                response = await client.get(url)
                response.raise_for_status()
                return response.json()
        except (httpx2.HTTPError, ValueError) as error:
            log.warning("google_unreachable", error=type(error).__name__)
            raise Unavailable("Google does not answer; try again in a moment", 5.0) from None
