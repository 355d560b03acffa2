"""The transition tables: every status is reachable, and every function does exactly what its table row declares."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.lifecycle import state
from models.lifecycle.state import (
    JOINT_MAP_TRANSITIONS,
    MAP_START,
    MAP_TRANSITIONS,
    SESSION_START,
    SESSION_TRANSITIONS,
    MapAction,
    SessionAction,
    Transition,
)
from models.mindmap.versions import MapStatus
from models.recording.browsing_sessions import OPEN_STATUSES, SessionStatus

ID = uuid.uuid4()


class RecordingConnection:
    """Accepts every statement, reports one changed row, and keeps the parameters."""

    rowcount = 1

    def __init__(self, *, has_version: bool = False) -> None:
        self._has_version = has_version
        self.changes: list[tuple[tuple[str, ...], str]] = []

    async def execute(self, _statement: str, parameters: Mapping[str, Any]) -> RecordingConnection:
        if "target" in parameters:
            self.changes.append((tuple(parameters["sources"]), parameters["target"]))
        return self

    async def fetchone(self) -> tuple[bool]:
        return (self._has_version,)

    @asynccontextmanager
    async def transaction(self) -> Any:
        yield


def row(transition: Transition[Any]) -> tuple[tuple[str, ...], str]:
    return tuple(map(str, transition.sources)), str(transition.target)


SESSION, MAP, JOINT = SESSION_TRANSITIONS, MAP_TRANSITIONS, JOINT_MAP_TRANSITIONS
FUNCTIONS: dict[Callable[..., Awaitable[Any]], tuple[list[Any], list[Transition[Any]]]] = {
    state.pause_session: ([], [SESSION[SessionAction.PAUSE]]),
    state.resume_session: ([], [SESSION[SessionAction.RESUME]]),
    state.stop_session: ([], [SESSION[SessionAction.STOP]]),
    state.expire_session: ([], [SESSION[SessionAction.EXPIRE]]),
    state.discard_empty_session: (["empty"], [SESSION[SessionAction.DISCARD_EMPTY]]),
    state.begin_map: ([], [MAP[MapAction.BEGIN]]),
    state.advance_map: (["reading", 5], [MAP[MapAction.ADVANCE]]),
    state.complete_map: ([], [SESSION[SessionAction.COMPLETE], MAP[MapAction.COMPLETE]]),
    state.fail_map: (["why"], [SESSION[SessionAction.FAIL], MAP[MapAction.FAIL]]),
    state.keep_map: (["why"], [SESSION[SessionAction.COMPLETE], MAP[MapAction.KEEP]]),
    state.settle_map: ([], [MAP[MapAction.SETTLE]]),
    state.retry_map: ([], [SESSION[SessionAction.RETRY], MAP[MapAction.RETRY]]),
    state.begin_joint_map: ([], [JOINT[MapAction.BEGIN]]),
    state.advance_joint_map: (["reading", 5], [JOINT[MapAction.ADVANCE]]),
    state.complete_joint_map: ([], [JOINT[MapAction.COMPLETE]]),
    state.fail_joint_map: (["why"], [JOINT[MapAction.FAIL]]),
    state.settle_joint_map: ([], [JOINT[MapAction.SETTLE]]),
    state.invalidate_joint_maps: ([], [JOINT[MapAction.INVALIDATE]]),
}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
async def test_each_function_makes_the_declared_transitions(function: Callable[..., Awaitable[Any]]) -> None:
    arguments, transitions = FUNCTIONS[function]
    connection = RecordingConnection()
    await function(connection, ID, *arguments)
    assert connection.changes == [row(transition) for transition in transitions]


@pytest.mark.parametrize(
    ("function", "transitions"),
    [
        (state.fail_map, [SESSION[SessionAction.COMPLETE], MAP[MapAction.KEEP]]),
        (state.fail_joint_map, [JOINT[MapAction.KEEP]]),
    ],
)
async def test_a_failed_remake_keeps_the_map(
    function: Callable[..., Awaitable[Any]], transitions: list[Transition[Any]]
) -> None:
    connection = RecordingConnection(has_version=True)
    await function(connection, ID, "why")
    assert connection.changes == [row(transition) for transition in transitions]


def test_every_declared_transition_has_a_function() -> None:
    used = [transition for _, transitions in FUNCTIONS.values() for transition in transitions]
    used.append(JOINT[MapAction.KEEP])  # by `fail_joint_map`, see above
    for table in (SESSION, MAP, JOINT):
        for action, transition in table.items():
            assert any(transition is other for other in used), action


def reachable(start: str, transitions: Iterable[Transition[Any]]) -> set[str]:
    known = {str(start)}
    while True:
        more = {str(t.target) for t in transitions if known & set(map(str, t.sources))} - known
        if not more:
            return known
        known |= more


def test_every_status_is_reachable() -> None:
    assert reachable(SESSION_START, SESSION.values()) == set(map(str, SessionStatus))
    assert reachable(MAP_START, MAP.values()) == set(map(str, MapStatus))
    assert reachable(MAP_START, JOINT.values()) == set(map(str, MapStatus))


@given(st.lists(st.sampled_from(SessionAction), max_size=12))
def test_a_closed_recording_never_opens_again(actions: list[SessionAction]) -> None:
    status = SESSION_START
    was_closed = False
    for action in actions:
        transition = SESSION[action]
        if status in transition.sources:
            status = transition.target
        was_closed = was_closed or status not in OPEN_STATUSES
        assert not (was_closed and status in OPEN_STATUSES)


def test_the_tables_are_read_only() -> None:
    for table in (SESSION, MAP, JOINT):
        with pytest.raises(TypeError):
            table["pause"] = None  # type: ignore[index]
