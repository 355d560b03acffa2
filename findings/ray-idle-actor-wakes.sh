#!/usr/bin/env bash
# Ray: an actor that does nothing wakes 70 to 90 times a second.
#
# Versions:    Ray 2.60.0, Linux, CPython 3.11 or newer.
# Expectation: an actor whose method has returned waits for the next call without using the processor, so an idle cluster costs
#              nothing per actor.
# Behaviour:   the main thread of each worker process wakes about every 10 ms to see whether Python has received a signal. That is
#              about a quarter of a CPU second a minute for each process, on top of its heartbeats; no option of `ray.init` or
#              environment variable was found that changes it.
# Consequence: on a machine that is idle most of the time the number of worker processes is a cost. Start fewer actors, put small
#              ones into one process (an async actor), and end idle workers early (RAY_idle_worker_killing_time_threshold_ms).
# Output seen:
#   wake-ups of the main thread in a second without a call: 88   (71 beside other programs)
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ray==2.60.0
"$work/venv/bin/python" - <<'PY'
import os
import time
from pathlib import Path

import ray

ray.init(num_cpus=1, include_dashboard=False, logging_level="ERROR")


@ray.remote(num_cpus=0)
class Idle:
    def pid(self) -> int:
        return os.getpid()


def wakeups(pid: int) -> int:
    """How often the main thread has given up the processor by itself."""
    lines = Path(f"/proc/{pid}/task/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


idle = Idle.remote()
pid = ray.get(idle.pid.remote())
time.sleep(3)
before = wakeups(pid)
time.sleep(10)
per_second = (wakeups(pid) - before) / 10
print(f"wake-ups of the main thread in a second without a call: {per_second:.0f}")
ray.shutdown()
# A busy machine wakes it less often.
raise SystemExit(0 if per_second > 30 else 1)
PY
