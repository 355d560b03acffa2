"""Operators: who has the role, granted and withdrawn from the command line.

No address in the configuration makes an operator: an attacker who signed up first with such an address would get the
role as soon as the owner of the address opened the confirmation mail.
"""

from __future__ import annotations

from typing import Final

from models.accounts.audit import insert_audit_entry
from models.database import Connection
from models.errors import Conflict, NotFound

LIST_OPERATORS: Final = "SELECT email FROM users WHERE role = 'admin' AND status = 'active' ORDER BY lower(email)"

FIND_ACTIVE_ACCOUNT: Final = """
    SELECT id, email, email_verified_at IS NOT NULL, role FROM users
    WHERE lower(email) = lower(%(email)s) AND status = 'active' FOR UPDATE
"""

GRANT_OPERATOR: Final = "UPDATE users SET role = 'admin', updated_at = now() WHERE id = %(user_id)s"

# The new token version ends the logins, which carry the role in caches.
WITHDRAW_OPERATOR: Final = """
    UPDATE users SET role = 'user', token_version = token_version + 1, updated_at = now() WHERE id = %(user_id)s
"""


async def list_operators(connection: Connection) -> list[str]:
    """The addresses of all operators."""
    cursor = await connection.execute(LIST_OPERATORS)
    return [row[0] for row in await cursor.fetchall()]


async def grant_operator(connection: Connection, email: str) -> str:
    """Make the account with this address an operator; return its address. The caller commits.

    Raises NotFound without such an account, and Conflict while its address is not confirmed: until then an attacker
    may have signed up with it.
    """
    user_id, address, is_verified, role = await _find_account(connection, email)
    if not is_verified:
        raise Conflict(
            f"{address} is not confirmed yet: its owner opens the link of the confirmation mail first"
            " (`trailmind mail links` prints it where no mail server is set)"
        )
    if role != "admin":
        await connection.execute(GRANT_OPERATOR, {"user_id": user_id})
        await insert_audit_entry(connection, "operator.granted", user_id, {})
    return address


async def withdraw_operator(connection: Connection, email: str) -> str:
    """Make the operator with this address an ordinary user and end the account's logins; return its address.

    The caller commits. Raises NotFound.
    """
    user_id, address, _, role = await _find_account(connection, email)
    if role == "admin":
        await connection.execute(WITHDRAW_OPERATOR, {"user_id": user_id})
        await insert_audit_entry(connection, "operator.withdrawn", user_id, {})
    return address


async def _find_account(connection: Connection, email: str) -> tuple[object, str, bool, str]:
    cursor = await connection.execute(FIND_ACTIVE_ACCOUNT, {"email": email.strip()})
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(f"there is no account with the address {email.strip()}")
    return row[0], row[1], row[2], row[3]
