"""An in-memory implementation of the API that the extension uses, with injected faults.

It keeps what a real one keeps (idempotent events, rotating refresh tokens whose reuse ends the family, sessions that
take events only while open), so that a test can ask afterwards what was stored. State outlives `stop` and `start`,
which is what a restart of a server with a database looks like from outside.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import secrets
import socket
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

MAX_EVENTS = 1_000
MAX_BYTES = 4 * 1024 * 1024


@dataclass
class Fault:
    """What happens to the next `times` requests whose `METHOD path` matches `pattern`.

    `refuse` answers with `status` and does nothing; `lose` does the work and cuts the connection instead of
    answering; `cut` cuts it at once.
    """

    pattern: str
    action: Literal["refuse", "lose", "cut"]
    times: int = 1
    status: int = 500
    #: The response looks like one of a proxy between the browser and the server.
    is_from_proxy: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    hits: int = 0


@dataclass
class Session:
    """One browsing session. `events` is by id, in order of arrival."""

    id: str
    user: str
    client_id: str | None
    title: str | None
    status: str = "recording"
    started_at: str = ""
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    duplicates: int = 0
    excluded: dict[str, str] = field(default_factory=dict)
    map_polls: int = 0


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class HttpError(Exception):
    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(status, message, code)
        self.status, self.message, self.code = status, message, code


class FakeServer:
    """Listens on 127.0.0.1 between `start` and `stop`; the port stays the same across restarts."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.port = 0
        self.users: dict[str, dict[str, str]] = {}
        self.access_tokens: dict[str, tuple[str, float]] = {}
        self.valid_refresh_tokens: dict[str, tuple[str, str]] = {}
        self.used_refresh_tokens: dict[str, str] = {}
        #: A refresh may be repeated with the same idempotency key, because its response may have been lost.
        self.last_refresh: dict[str, Any] = {}
        self.sessions: dict[str, Session] = {}
        self.codes: dict[str, tuple[str, str]] = {}
        self.faults: list[Fault] = []
        self.calls: Counter[str] = Counter()
        self.token_ttl_s = 900.0
        self.max_bytes = MAX_BYTES
        self.max_events = MAX_EVENTS
        self.map_status = "completed"
        #: Event ids in the order of their responses, one entry per verdict `stored`.
        self.acknowledged: list[str] = []
        self._http: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._open: set[socket.socket] = set()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> FakeServer:
        server = self

        class Handler(_Handler):
            fake = server

        class Http(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Ignore disconnected clients: the tests disconnect them."""

        self._http = Http(("127.0.0.1", self.port), Handler)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop like a killed server: open connections are closed, the state is kept."""
        if self._http is None:
            return
        self._http.shutdown()
        self._http.server_close()
        with self.lock:
            for connection in self._open:
                _shut_down(connection)
            self._open.clear()
        self._http = None

    def inject_fault(
        self,
        pattern: str,
        action: Literal["refuse", "lose", "cut"],
        *,
        times: int = 1,
        status: int = 500,
        is_from_proxy: bool = False,
        headers: dict[str, str] | None = None,
    ) -> Fault:
        """Apply a fault to the next matching requests; see `Fault`."""
        fault = Fault(pattern, action, times, status, is_from_proxy, headers or {})
        with self.lock:
            self.faults.append(fault)
        return fault

    def sign_up(self, email: str, password: str = "correct horse") -> None:
        with self.lock:
            self.users[email] = {"id": str(uuid.uuid4()), "password": password}

    def expire_tokens(self) -> None:
        """Expire all access tokens; refresh tokens stay valid."""
        with self.lock:
            self.access_tokens.clear()

    def only_session(self) -> Session:
        with self.lock:
            if len(self.sessions) != 1:
                raise RuntimeError(f"{len(self.sessions)} sessions")
            return next(iter(self.sessions.values()))

    # Called by the routes.

    def issue_tokens(self, email: str, family: str | None = None) -> dict[str, Any]:
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.access_tokens[access] = (email, time.time() + self.token_ttl_s)
        self.valid_refresh_tokens[refresh] = (email, family or secrets.token_hex(8))
        return {"token": access, "refresh_token": refresh, "expires_in": int(self.token_ttl_s), "token_type": "bearer"}

    def login_reply(self, email: str) -> dict[str, Any]:
        user = {"id": self.users[email]["id"], "email": email, "created_at": _now(), "updated_at": _now()}
        return {"user": user, **self.issue_tokens(email)}

    def refresh_tokens(self, token: str, key: str | None) -> dict[str, Any]:
        if key is not None and key == self.last_refresh.get("key") and token == self.last_refresh["token"]:
            return dict(self.last_refresh["answer"])
        if family := self.used_refresh_tokens.get(token):
            self.valid_refresh_tokens = {t: v for t, v in self.valid_refresh_tokens.items() if v[1] != family}
            raise HttpError(401, "invalid or expired refresh token")
        known = self.valid_refresh_tokens.pop(token, None)
        if known is None:
            raise HttpError(401, "invalid or expired refresh token")
        self.used_refresh_tokens[token] = known[1]
        answer = self.issue_tokens(*known)
        self.last_refresh = {"key": key, "token": token, "answer": answer}
        return answer

    def user_of(self, token: str) -> str:
        email, until = self.access_tokens.get(token, ("", 0.0))
        if until < time.time():
            raise HttpError(401, "invalid or expired access token")
        return email

    def session(self, session_id: str, email: str) -> Session:
        session = self.sessions.get(session_id)
        if session is None:
            raise HttpError(404, "session not found")
        if session.user != email:
            raise HttpError(403, "access denied")
        return session

    def session_json(self, session: Session) -> dict[str, Any]:
        pages = sum(e["type"] == "page_visit" for e in session.events.values())
        shown = {"id": session.id, "title": session.title, "session_status": session.status}
        times = {"started_at": session.started_at, "created_at": session.started_at, "updated_at": session.started_at}
        return {k: v for k, v in {**shown, **times, "page_count": pages}.items() if v is not None}

    def start_session(self, email: str, body: dict[str, Any]) -> Session:
        client_id = body.get("client_session_id")
        for session in self.sessions.values():
            if client_id and session.user == email and session.client_id == client_id:
                return session
        session = Session(str(uuid.uuid4()), email, client_id, body.get("title"), started_at=_now())
        self.sessions[session.id] = session
        return session

    def store_events(self, session: Session, raw: bytes) -> dict[str, Any]:
        if len(raw) > self.max_bytes:
            raise HttpError(413, "the request is larger than allowed")
        events = json.loads(raw)["events"]
        if len(events) > self.max_events:
            raise HttpError(413, "too many events")
        if session.status not in ("recording", "paused"):
            raise HttpError(400, "session is not accepting events")
        verdicts, counts = [], Counter[str]()
        for event in events:
            key = event.get("event_id")
            verdict: dict[str, Any] = {"event_id": key}
            if not event.get("type") or not isinstance(event.get("timestamp"), int):
                verdict |= {"verdict": "invalid", "reason": "`timestamp` is no integer"}
            elif "excluded-by-server" in (event.get("url") or ""):
                verdict |= {"verdict": "excluded", "reason": "default: test"}
                session.excluded[key] = "test"
            elif key in session.events:
                verdict["verdict"] = "duplicate"
                session.duplicates += 1
            else:
                verdict["verdict"] = "stored"
                session.events[key] = event
            counts[verdict["verdict"]] += 1
            verdicts.append(verdict)
        return {"processed": counts["stored"], "total": len(events), **counts, "verdicts": verdicts}

    def change_status(self, session: Session, action: str) -> Session:
        sources = {"pause": ("recording",), "resume": ("paused",), "stop": ("recording", "paused")}[action]
        if session.status not in sources:
            raise HttpError(400, f"session cannot be {action}d from current state")
        session.status = {"pause": "paused", "resume": "recording", "stop": "processing"}[action]
        return session

    def mindmap(self, session: Session) -> dict[str, Any]:
        """The map, one stage further with every call."""
        if session.status not in ("processing", "completed"):
            raise HttpError(404, "mindmap not found for this session")
        session.map_polls += 1
        if session.map_polls < 3 or self.map_status == "generating":
            return {"mindmap": {"status": "generating", "stage": "grouping", "percent": 20 * session.map_polls}}
        session.status = "completed"
        return {"mindmap": {"status": self.map_status, "data": {"nodes": [], "edges": []}}}


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    fake: FakeServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        with self.fake.lock:
            self.fake._open.add(self.connection)

    def finish(self) -> None:
        with self.fake.lock:
            self.fake._open.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_OPTIONS(self) -> None:
        self.send_response(204)
        self._cors()
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PATCH = do_DELETE = do_GET

    def _handle(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0].removeprefix("/v1")
        name = f"{self.command} {path}"
        fake = self.fake
        with fake.lock:
            fake.calls[re.sub(r"/[0-9a-f-]{36}", "/{id}", name)] += 1
            fault = next((f for f in fake.faults if f.times > 0 and re.search(f.pattern, name)), None)
            if fault:
                fault.times -= 1
                fault.hits += 1
            if fault and fault.action == "refuse":
                message: Any = {"error": {"message": "a fault on request", "code": "fault"}}
                if fault.is_from_proxy:
                    message = "No route here yet."
                return self._answer(fault.status, message, fault.headers)
            if fault and fault.action == "cut":
                return self._cut()
            try:
                status, body = self._route(name, raw)
            except HttpError as refusal:
                status, body = refusal.status, {"error": {"message": refusal.message, "code": refusal.code}}
            if fault and fault.action == "lose":
                return self._cut()
            if status == 200 and name.endswith("/events"):
                fake.acknowledged += [v["event_id"] for v in body["verdicts"] if v["verdict"] == "stored"]
        return self._answer(status, body, {})

    def _route(self, name: str, raw: bytes) -> tuple[int, Any]:
        fake = self.fake
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        body = json.loads(raw) if raw and not name.endswith("/events") else {}
        match name:
            case "POST /auth/signup":
                if body["email"] in fake.users:
                    raise HttpError(409, "email already exists")
                fake.sign_up(body["email"], body["password"])
                return 201, fake.login_reply(body["email"])
            case "POST /auth/login":
                user = fake.users.get(body["email"])
                if user is None or user["password"] != body["password"]:
                    raise HttpError(401, "invalid email or password")
                return 200, fake.login_reply(body["email"])
            case "POST /auth/refresh":
                return 200, fake.refresh_tokens(bearer, self.headers.get("Idempotency-Key"))
            case "POST /auth/extension/exchange":
                challenge, email = fake.codes.pop(body["code"], ("", ""))
                digest = hashlib.sha256(body["code_verifier"].encode()).digest()
                if not email or base64.urlsafe_b64encode(digest).decode().rstrip("=") != challenge:
                    raise HttpError(401, "invalid code")
                return 200, fake.login_reply(email)
        email = fake.user_of(bearer)
        match name.split("/"):
            case ["POST ", "auth", "logout"]:
                fake.access_tokens.pop(bearer, None)
                return 200, {"message": "successfully logged out"}
            case ["POST ", "sessions", "start"]:
                return 201, {"session": fake.session_json(fake.start_session(email, body))}
            case ["GET ", "sessions"]:
                mine = [fake.session_json(s) for s in fake.sessions.values() if s.user == email]
                return 200, {"sessions": mine[::-1][:10], "total": len(mine)}
            case ["GET ", "sessions", session_id]:
                return 200, {"session": fake.session_json(fake.session(session_id, email))}
            case ["PATCH ", "sessions", session_id]:
                session = fake.session(session_id, email)
                session.title = body.get("title", session.title)
                return 200, {"session": fake.session_json(session)}
            case ["DELETE ", "sessions", session_id]:
                fake.session(session_id, email)
                del fake.sessions[session_id]
                return 204, None
            case ["POST ", "sessions", session_id, "events"]:
                return 200, fake.store_events(fake.session(session_id, email), raw)
            case ["PATCH " | "POST ", "sessions", session_id, "pause" | "resume" | "stop" as action]:
                return 200, {"session": fake.session_json(fake.change_status(fake.session(session_id, email), action))}
            case ["GET ", "sessions", session_id, "mindmap"]:
                return 200, fake.mindmap(fake.session(session_id, email))
        raise HttpError(404, "not found")

    def _answer(self, status: int, body: Any, headers: dict[str, str]) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        try:
            self.send_response(status)
            self._cors()
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True

    def _cut(self) -> None:
        self.close_connection = True
        _shut_down(self.connection)

    def _cors(self) -> None:
        if origin := self.headers.get("Origin"):
            self.send_header("Access-Control-Allow-Origin", origin)
            self.send_header("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Trailmind-Client")
            self.send_header("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS")
