"""A parsed batch arrives at its shard as it left the replica."""

from __future__ import annotations

import json
import pickle
import uuid
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from ray import cloudpickle

from models.errors import NotFound
from models.recording.event_writer import BatchOutcome
from models.recording.ingest import parse_batch

#: As Ray encodes the arguments of a call.
dumps: Callable[[object], bytes] = cloudpickle.dumps
_TEXT = st.text(max_size=12)
_EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["page_visit", "scroll", "", "유형"]), "timestamp": st.integers(0, 2**53)},
    optional={
        "event_id": st.one_of(st.uuids().map(str), _TEXT, st.integers()),
        "seq": st.integers(-5, 2**40),
        "url": st.sampled_from(["https://e.com/?token=abcdefghijklmnopq", "chrome://about", "https://chase.com/login"]),
        "content": _TEXT,
        "title": _TEXT,
        "more": st.lists(
            st.one_of(st.integers(-(2**80), 2**80), st.floats(allow_nan=False, allow_infinity=False), _TEXT), max_size=3
        ),
    },
)


@given(st.lists(_EVENTS, min_size=1, max_size=6))
def test_a_batch_is_the_same_after_a_call(sent: list[dict[str, object]]) -> None:
    body = json.dumps({"events": sent}).encode()
    batch = parse_batch(body, user_id=uuid.UUID(int=1), session_id=uuid.UUID(int=2))
    received = pickle.loads(dumps(batch))
    assert received == batch
    assert [type(row) for row in received.rows] == [type(row) for row in batch.rows]


def test_an_outcome_is_the_same_after_a_call() -> None:
    sent = BatchOutcome(None, frozenset({1, 3}), {2: "yours: e.com"}, 512)
    assert pickle.loads(dumps(sent)) == sent
    refused = pickle.loads(dumps(BatchOutcome(NotFound("session not found"))))
    assert isinstance(refused.error, NotFound)
    assert str(refused.error) == "session not found"
