"""The numbers of a session agree between the list, the session and the receipt, also while it records."""

from __future__ import annotations

from tests.support.client import ApiUser
from tests.support.completed_session import recorded_events


async def test_the_list_counts_a_recording_as_its_own_page_does(ann: ApiUser) -> None:
    session_id = await ann.start()
    await ann.send(session_id, recorded_events())
    (listed,) = (await ann.ok("GET", "/v1/sessions"))["sessions"]
    session = (await ann.ok("GET", f"/v1/sessions/{session_id}"))["session"]
    names = ("page_count", "highlight_count", "event_count", "dwell_ms")
    assert {name: listed[name] for name in names} == {name: session[name] for name in names}
    assert listed["page_count"] == 5


async def test_the_receipt_contains_what_the_extension_excluded(ann: ApiUser) -> None:
    session_id = await ann.start()
    path = f"/v1/sessions/{session_id}"
    for count in (2, 3, 1):  # cumulative; the last report arrives late
        await ann.ok("PATCH", path, json={"excluded_on_device": count})
    receipt = (await ann.ok("GET", f"{path}/receipt"))["receipt"]
    assert receipt["excluded_on_device"] == 3
    assert receipt["excluded"] == receipt["seen"] == 0
    assert "title" not in (await ann.ok("GET", path))["session"]
    assert (await ann.call("PATCH", path, json={"excluded_on_device": -1})).status_code == 400
