"""What routes depend on is computed on the event loop."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

import serve.routes


def _routes() -> Iterator[APIRoute]:
    for module in pkgutil.iter_modules(serve.routes.__path__):
        for value in vars(importlib.import_module(f"serve.routes.{module.name}")).values():
            if isinstance(value, APIRouter):
                yield from (route for route in value.routes if isinstance(route, APIRoute))


def _functions(dependant: Dependant) -> set[str]:
    """The plain functions among what a route depends on, which FastAPI calls in a thread."""
    found = {each.call.__qualname__ for each in dependant.dependencies if inspect.isfunction(each.call)}
    coroutines = {
        each.call.__qualname__
        for each in dependant.dependencies
        if inspect.iscoroutinefunction(each.call) or inspect.isasyncgenfunction(each.call)
    }
    return (found - coroutines).union(*(_functions(each) for each in dependant.dependencies))


def test_no_route_depends_on_a_function_that_runs_in_a_thread() -> None:
    # The thread for the state of the app, on which nearly every route depends, took a third of a webhook's CPU time.
    routes = list(_routes())
    assert len(routes) > 100
    assert {route.path: found for route in routes if (found := _functions(route.dependant))} == {}
