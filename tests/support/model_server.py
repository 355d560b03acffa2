"""Mock servers of the vendors: llmock on a real socket, with a model that responds to the prompt's document.

llmock 0.2.2 fills a schema with examples; this one derives a usable response from the document in the prompt. `brain`
replaces the responses, and every request is recorded.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import llmock.completion
from llmock.testing import LLMockServer
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.providers.configuration import ProviderEndpoint
from tests.support.conditions import PATIENCE_S

Brain = Callable[[dict[str, Any], str], Any]
_DOCUMENT = re.compile(r"<data-([0-9a-f]{12})>\n(.*)\n</data-\1>", re.DOTALL)


def document_in(prompt: str) -> dict[str, Any]:
    """The JSON document of a prompt."""
    match = _DOCUMENT.search(prompt)
    assert match is not None, "the prompt has no document between markers"
    document: dict[str, Any] = json.loads(match.group(2))
    return document


def sensible(document: dict[str, Any], prompt: str) -> Any:
    """A valid response, as a good model would give."""
    if "topics" in document:
        topics = document["topics"]
        return {
            "title": "A long session",
            "summary": "Brought together.",
            "topics": [{"ids": [t["id"]], "label": t["label"], "summary": "", "keywords": []} for t in topics],
            "links": [],
        }
    if "outline" in document:
        return _outline(document)
    return {
        "pages": [
            {
                "id": page["id"],
                "label": f"About {page['title']}"[:60],
                "summary": "A page a model has read.",
                "keywords": page["title"].split()[:3],
                "quote": page["text"].split("\n")[0].split(". ")[0],
            }
            for page in document["pages"]
        ]
    }


def _outline(document: dict[str, Any]) -> Any:
    def topic(draft: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": draft["id"],
            "label": f"{draft['label']} (model)",
            "summary": f"What was read on {draft['label']}.",
            "keywords": draft.get("keywords", []),
            "pages": draft["pages"],
            "quotes": [],
        }

    return {
        "title": " and ".join(draft["label"] for draft in document["outline"][:3]) + ", by a model",
        "summary": "Summed up by a model.",
        "topics": [
            {**topic(draft), "subtopics": [topic(part) for part in draft.get("subtopics", [])]}
            for draft in document["outline"]
        ],
        "links": [],
    }


class _RunningRequests:
    """The requests that a server answers just now. A client that disconnects does not end its request."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], asyncio.AbstractEventLoop] = {}

    def watched(self, app: ASGIApp) -> ASGIApp:
        """`app`, whose requests are known here."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks[task] = asyncio.get_running_loop()
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                pass  # by `end`
            finally:
                del self._tasks[task]

        return answer

    def end(self) -> None:
        """Cancel them all, from another thread, and wait until they have ended."""
        for task, loop in list(self._tasks.items()):
            loop.call_soon_threadsafe(task.cancel)
        deadline = time.monotonic() + PATIENCE_S
        while self._tasks:
            assert time.monotonic() < deadline, "a request of an earlier test does not end"
            time.sleep(0.01)


class ModelServer:
    """A running llmock with its recorded requests and billed tokens."""

    def __init__(self, server: LLMockServer, running: _RunningRequests) -> None:
        self.server = server
        self._running = running
        self.brain: Brain = sensible
        self.num_answers = 0
        self.tokens_billed = 0

    def endpoints(self, *providers: str) -> dict[str, ProviderEndpoint]:
        """The endpoints of these vendors on this server."""
        key = SecretStr("a key for tests")
        return {name: ProviderEndpoint(key, self.server.base_url(name)) for name in providers}

    def add(self, *behaviours: Any) -> None:
        """Queue llmock's behaviours (`llmock.scenarios`)."""
        self.server.state.scenarios.add(*behaviours)

    def requests(self) -> list[Any]:
        """All requests in order."""
        return list(self.server.state.journal.records(wait=2.0))

    def bodies(self) -> str:
        """The bodies of all requests as one text."""
        return "\n".join(json.dumps(record.body, ensure_ascii=False) for record in self.requests())

    def reset(self) -> None:
        """Remove behaviours, requests, limits and the replaced `brain`, and end the requests that still run."""
        from llmock.chaos import ChaosSettings
        from llmock.ratelimit import LimitSettings

        # Otherwise they would be billed to the next test.
        self._running.end()
        state = self.server.state
        state.reset()
        state.chaos = self.server.app.state.chaos_settings = ChaosSettings()
        state.limiter.configure(LimitSettings())
        self.brain, self.num_answers, self.tokens_billed = sensible, 0, 0

    def slow(self, latency_ms: int, **error_rates: float) -> None:
        """Delay every response by `latency_ms`; fail a share of them (`error_rate_429=0.1`)."""
        from llmock.chaos import ChaosSettings

        settings = ChaosSettings(latency_ms=latency_ms, error_rates=None, **error_rates)
        self.server.state.chaos = self.server.app.state.chaos_settings = settings

    def answer(self, structured: Any, settings: Any, model: str, prompt: str) -> str:
        """Replaces llmock's examples."""
        self.num_answers += 1
        said = self.brain(document_in(prompt), prompt)
        return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """A model server on a free port."""
    original_text, original_schema = llmock.completion._structured_text, llmock.completion.structured_output
    original_resolve = llmock.completion.resolve

    def schema(dialect: str, body: Any) -> Any:
        if dialect == "anthropic" and isinstance(body, dict) and "output_config" in body:
            # llmock expects the field name of the beta API.
            return body["output_config"]["format"]["schema"]
        return original_schema(dialect, body)

    def resolve(**kwargs: Any) -> Any:
        completion = original_resolve(**kwargs)
        models.tokens_billed += completion.total_tokens
        return completion

    server, running = LLMockServer(), _RunningRequests()
    server.app.add_middleware(running.watched)
    with server:
        models = ModelServer(server, running)
        llmock.completion.resolve = resolve
        llmock.completion._structured_text = models.answer
        llmock.completion.structured_output = schema
        try:
            yield models
        finally:
            llmock.completion._structured_text = original_text
            llmock.completion.structured_output = original_schema
            llmock.completion.resolve = original_resolve
