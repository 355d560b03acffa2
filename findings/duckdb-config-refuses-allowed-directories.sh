#!/usr/bin/env bash
# DuckDB: the folders that a database may use cannot be given when it is opened.
#
# Versions:    duckdb 2.0.1 for Python.
# Expectation: `duckdb.connect(config={...})` takes every configuration option; with `allowed_directories` or `allowed_paths`
#              a database is opened for one folder only, as `enable_external_access` can be given there.
# Behaviour:   both are refused with "Cannot change/set allowed_directories before the database is started". They have to be
#              set by SET on the open database, and before `enable_external_access = false`: with the latter in the config,
#              the later SET is refused too. The same two options work in one order and not in the other.
# Consequence: open, SET allowed_directories, SET enable_external_access = false, and only then run statements of others.
# Output seen:
#   config allowed_directories: refused
#   config allowed_paths: refused
#   config enable_external_access: accepted
#   SET after enable_external_access=false: refused
#   SET, then enable_external_access=false: accepted
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "duckdb==2.0.1"
"$work/venv/bin/python" - "$work" <<'PY'
import sys

import duckdb

folder = sys.argv[1]


def outcome(action):
    try:
        action()
    except duckdb.Error:
        return "refused"
    return "accepted"


def set_after_closing():
    connection = duckdb.connect(config={"enable_external_access": "false"})
    connection.execute(f"SET allowed_directories = ['{folder}']")


def set_before_closing():
    connection = duckdb.connect()
    connection.execute(f"SET allowed_directories = ['{folder}']")
    connection.execute("SET enable_external_access = false")


seen = [
    f"config allowed_directories: {outcome(lambda: duckdb.connect(config={'allowed_directories': [folder]}))}",
    f"config allowed_paths: {outcome(lambda: duckdb.connect(config={'allowed_paths': [folder]}))}",
    f"config enable_external_access: {outcome(lambda: duckdb.connect(config={'enable_external_access': 'false'}))}",
    f"SET after enable_external_access=false: {outcome(set_after_closing)}",
    f"SET, then enable_external_access=false: {outcome(set_before_closing)}",
]
print("\n".join(seen))
assert [line.rpartition(" ")[2] for line in seen] == ["refused", "refused", "accepted", "refused", "accepted"]
PY
