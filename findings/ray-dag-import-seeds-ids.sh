#!/usr/bin/env bash
# Ray: a process that has imported `ray.dag` (which `ray.serve` imports) gives all its forked children the same random ids.
#
# Versions:    ray 2.60.0 (CPython 3.11, Linux).
# Expectation: ids that Ray makes "from random" differ between processes. That holds for children of a process that has only
#              imported `ray`: the generator, one for each thread, is seeded at its first use, which is after the fork.
# Behaviour:   importing `ray.dag` draws an id. A child that is forked afterwards starts with the parent's seeded generator, and
#              every child draws the same sequence of ids. Python's own `random` and `uuid` do not have this fault: `random` seeds
#              itself again in a child, and `uuid4` reads from the kernel.
# Consequence: a server that preloads its application and forks (pre-fork servers, multiprocessing with "fork", zygotes) must
#              import `ray.serve` in the children; else the ids that Ray draws in two children are equal.
# Output seen:
#   after import ray: two children draw different ids
#   after import ray.util.queue: two children draw different ids
#   after import ray.dag: two children draw the same id
#   after import ray.dag, ids of Python's random and uuid: different
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ray==2.60.0
cat > "$work/show.py" <<'PY'
import importlib
import os
import random
import sys
import uuid

import ray

name, expected = sys.argv[1:]
importlib.import_module(name)


def drawn_in_a_child() -> tuple[str, str]:
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writer, f"{ray.NodeID.from_random().hex()} {random.random()}{uuid.uuid4()}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    ray_id, python_id = os.read(reader, 1000).decode().split()
    return ray_id, python_id


(first, first_python), (second, second_python) = drawn_in_a_child(), drawn_in_a_child()
found = "the same id" if first == second else "different ids"
print(f"after import {name}: two children draw {found}")
assert found == expected, found
assert first_python != second_python
if name == "ray.dag":
    print("after import ray.dag, ids of Python's random and uuid: different")
PY
"$work/venv/bin/python" "$work/show.py" ray "different ids"
"$work/venv/bin/python" "$work/show.py" ray.util.queue "different ids"
"$work/venv/bin/python" "$work/show.py" ray.dag "the same id"
