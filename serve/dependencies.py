"""What routes declare as parameters: the application state, the database, and the caller."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from models.database import Connection
from serve.auth.authorization import Identity, authorize, check_anonymous_rate
from serve.database import session_connection
from serve.state import AppState


def app_state(request: Request) -> AppState:
    """The parts that all routes of this replica share."""
    state: AppState = request.app.state.parts
    return state


async def _state(request: Request) -> AppState:
    # A coroutine, as every dependency here: FastAPI calls plain functions in a thread, which costs more than most
    # routes do themselves.
    return app_state(request)


State = Annotated[AppState, Depends(_state)]


async def db_session(state: State) -> AsyncIterator[AsyncSession]:
    """A database session for one request. The route commits; uncommitted work is rolled back."""
    async with state.session_factory() as db:
        yield db


DbSession = Annotated[AsyncSession, Depends(db_session)]


async def db_connection(db: DbSession) -> Connection:
    """The psycopg connection of the request's transaction, for queries of `models` that take one.

    Declare it after the caller, because it takes a connection from the pool at once. It is valid until the route
    commits; flush the session before a query that must see its changes.
    """
    return await session_connection(db)


DbConnection = Annotated[Connection, Depends(db_connection)]


async def current_identity(state: State, request: Request) -> Identity:
    """The authenticated caller. Raises Unauthorized, Forbidden or RateLimited."""
    return await authorize(state, request)


CurrentIdentity = Annotated[Identity, Depends(current_identity)]


async def current_user_id(identity: CurrentIdentity) -> uuid.UUID:
    """The user id of the authenticated caller."""
    return identity.user_id


CurrentUserId = Annotated[uuid.UUID, Depends(current_user_id)]


async def limit_by_address(state: State, request: Request) -> None:
    """Count a call of a route without a login by its client address. Raises RateLimited."""
    await check_anonymous_rate(state, request)


RateLimitedByAddress = Depends(limit_by_address)
