"""`python -m models.migrations`: migrate the database whose SQLAlchemy URL is the line on standard input."""

from __future__ import annotations

import sys

from models.migrations.run import migrate

if __name__ == "__main__":
    migrate(sys.stdin.readline().strip())
