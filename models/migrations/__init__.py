"""Alembic migrations. Each suits both the code before it and the code after it."""
