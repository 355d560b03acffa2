"""Errors keep their type, sentence and values through pickle: they cross processes."""

from __future__ import annotations

import pickle

import pytest

from models import errors
from models.errors import TrailmindError


def _subclasses(kind: type[TrailmindError]) -> list[type[TrailmindError]]:
    return [kind, *(s for sub in kind.__subclasses__() for s in _subclasses(sub))]


EXAMPLES = [
    errors.ValidationFailed("no", [("title", "is too long")]),
    errors.RateLimited("slow down", 2.5),
    errors.BufferFull("slow down", 1.0),
    errors.LoginLocked(30.0),
    errors.Unavailable("later", 2.0),
    errors.IllegalTransition("pause", "completed"),
    errors.NotAcceptingEvents(),
    errors.NotFound("session not found"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda e: type(e).__name__)
def test_errors_survive_pickling(error: TrailmindError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert (copy.code, copy.status, copy.retry_after_s) == (error.code, error.status, error.retry_after_s)
    assert vars(copy) == vars(error)


def test_codes_and_statuses_are_declared() -> None:
    for kind in _subclasses(TrailmindError):
        assert kind.code == kind.code.upper()
        assert 400 <= kind.status < 600
