"""Accounts: sign up, log in, who am I."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy.exc import IntegrityError

from models.api import AuthReply, Credentials, LoginBody, UserEnvelope, UserReply
from models.errors import Conflict, Unauthorized
from models.users import User, active_user, user_by_email
from serve.passwords import hash_password, verify_password
from serve.state import AppState, Caller, Db, State

router = APIRouter(prefix="/v1/auth", tags=["auth"])


def user_reply(user: User) -> UserReply:
    """The account as its owner sees it."""
    return UserReply(id=str(user.id), email=user.email, created_at=user.created_at, updated_at=user.updated_at)


def auth_reply(state: AppState, user: User) -> AuthReply:
    """A fresh login for `user`."""
    return AuthReply(
        user=user_reply(user),
        token=state.tokens.issue(user.id, "access", token_version=user.token_version),
        refresh_token=state.tokens.issue(user.id, "refresh", token_version=user.token_version),
        expires_in=state.tokens.access_ttl_s,
    )


@router.post("/signup", status_code=201, response_model_exclude_none=True)
async def signup(body: Credentials, state: State, db: Db) -> AuthReply:
    """Make an account."""
    if await user_by_email(db, body.email) is not None:
        raise Conflict("email already exists")
    user = User(email=body.email, password_hash=await hash_password(body.password))
    db.add(user)
    try:
        await db.commit()
    except IntegrityError:
        raise Conflict("email already exists") from None
    return auth_reply(state, user)


@router.post("/login", response_model_exclude_none=True)
async def login(body: LoginBody, state: State, db: Db) -> AuthReply:
    """Log in."""
    user = await user_by_email(db, body.email.strip()) if "\x00" not in body.email else None
    usable = user is not None and user.status == "active"
    matches = await verify_password(body.password, user.password_hash if user is not None and usable else None)
    if user is None or not usable or not matches:
        raise Unauthorized("invalid email or password")
    return auth_reply(state, user)


@router.get("/me", response_model_exclude_none=True)
async def me(user_id: Caller, db: Db) -> UserEnvelope:
    """Who am I."""
    user = await active_user(db, user_id)
    if user is None:
        raise Unauthorized("user not found")
    return UserEnvelope(user=user_reply(user))
