"""A recorded session with its map on a running product."""

from __future__ import annotations

import time
from typing import Any

import httpx2

from launch.replay import ReplayClient, shift_to_end_at
from tests.support.client import PASSWORD


def record(origin: str, email: str, events: list[dict[str, Any]]) -> str:
    """Record `events` for `email` (signed up when new) and wait for the map; the session's id."""
    with httpx2.Client(base_url=origin, timeout=120.0, trust_env=False) as client:
        recorder = ReplayClient(client)
        reply = client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
        if reply.status_code == 200:
            recorder.headers = {"Authorization": f"Bearer {reply.json()['token']}"}
        else:
            recorder.sign_up(email, PASSWORD)
        session = str(recorder.call("start", "POST", "/v1/sessions/start")["session"]["id"])
        moved = shift_to_end_at(events, int(time.time() * 1000))
        recorder.send(session, moved, repeat_batch=-1, on_progress=lambda *_: None)
        recorder.call("stop", "POST", f"/v1/sessions/{session}/stop")
        for _ in range(300):
            if (
                client.get(f"/v1/sessions/{session}", headers=recorder.headers).json()["session"]["session_status"]
                == "completed"
            ):
                return session
            time.sleep(0.2)
    raise SystemExit("the session was not finished within a minute")
