"""No function that reads untrusted text takes quadratic time.

The suite only tells linear from quadratic time, which no busy machine confuses; `make bench-growth` measures the exact
rule, on larger inputs and more of them. `pytest -rP tests/unit/test_growth.py` prints the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pytest

from models.recording.ingest import MAX_BODY_BYTES
from tests.support.growth import COARSE, cpu_s, measuring_process
from tests.support.untrusted_text_readers import (
    COUNT_READERS,
    TEXT_READERS,
    count_growth,
    event_body,
    parse,
    shapes,
    text_growth,
)

#: Sizes, each with the time from which it is measured: shorter calls read a bounded part of their input.
_CHARS = ((1_000, 0.002), (8_000, 0.002), (64_000, 0.001))
_COUNTS = ((500, 0.001), (3_000, 0.001))
_NUM_SHAPES = 2


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    with measuring_process() as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("name", list(TEXT_READERS))
def test_time_is_not_quadratic_in_the_text(name: str, process: ProcessPoolExecutor) -> None:
    measured = process.submit(text_growth, name, COARSE, _CHARS, _NUM_SHAPES).result()
    for shape, growth in measured:
        print(f"{name:36} {shape:44} {growth.seconds * 1e9 / growth.size:8.0f} ns/char  {growth}")
    assert [f"{name} on {shape}: {growth}" for shape, growth in measured if not growth.is_accepted] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", list(COUNT_READERS))
def test_time_is_not_quadratic_in_the_number_of_events_or_nodes(name: str, process: ProcessPoolExecutor) -> None:
    growth = process.submit(count_growth, name, COARSE, _COUNTS).result()
    print(f"{name:36} {growth.seconds * 1e6 / growth.size:8.1f} us each  {growth}")
    assert growth.is_accepted, f"{name}: {growth}"


def test_a_largest_request_costs_little_cpu_whatever_it_contains() -> None:
    """No shape costs more than 100 times as much per byte as an honest recording of page texts."""
    page = {
        "type": "page_visit",
        "timestamp": 1_760_000_000_000,
        "url": "https://e.com/a",
        "content": "Bears eat honey and fish. " * 400,
    }
    honest = json.dumps({"events": [{**page, "event_id": str(i)} for i in range(24)]}).encode()

    def per_byte_s(body: bytes) -> float:
        return cpu_s(partial(parse, body)) / len(body)

    for shape, _, text in shapes(100_000):
        for body in (
            event_body(unread=text),
            event_body(content=text),
            event_body(unread=[text[i : i + 50] for i in range(0, len(text), 50)]),
        ):
            if len(body) > MAX_BODY_BYTES:
                continue
            # Both in turn: another program changes what a byte costs.
            ratios = (per_byte_s(body) / per_byte_s(honest) for _ in range(5))
            assert any(ratio <= 100 for ratio in ratios), f"{shape} costs more than 100 times as much"
