"""Measures how the time of a function grows with its input.

A function is called with inputs of size n and 8 n in turn, and its time is the least CPU time of several calls. From
both follows the exponent of growth: 1 for a linear function, 2 for a quadratic one. The wide span makes the decision
insensitive to noise: from n to 8 n a linear function takes 8 times as long, a quadratic one 64 times. A disturbance
that lasts slows neighbouring calls alike, so the median over pairs of neighbours must not contradict the least times.
While the decision may be noise, more calls are measured, and the result says how many.

`COARSE` only tells linear from quadratic time, so the test suite uses it on any machine. `EXACT` is the rule of
`make bench-growth`: it needs a quiet machine, because what the caches of the processor hold moves a linear function by
more than it allows.

`measuring_process` runs the measurement where the memory allocator keeps its memory. By default Python returns
large blocks to the kernel after each call, which clears them again for the next one; at some size that doubles the
time per character of a linear function.
"""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import _lru_cache_wrapper, cache, partial
from statistics import median
from typing import Any, Final
from unittest import mock

SPAN: Final = 8
#: A disturbance lasts a while, so undecided repeats are spread over time.
_PAUSE_S = 0.02

CpuClock = Callable[[Callable[[], Any]], float]


@dataclass(frozen=True, slots=True)
class Rule:
    """Which growth is accepted, and how many calls the decision takes."""

    max_exponent: float
    #: Noise does not make the times of a linear function grow with this exponent several times,
    clearly_too_large: float
    #: and those of a function that is refused not once with this one.
    clearly_linear: float
    min_repeats: int
    max_repeats: int
    #: Calls with the small input before and again after each one with the large input: a disturbance that slows both
    #: has slowed the large one, too.
    small_calls: int
    #: At one size no more repeats are made than fit in this time.
    enough_s: float
    #: Whether growth is accepted, too, that is only small between neighbouring calls, where a long disturbance slowed
    #: every large call but not every small one.
    trusts_neighbours: bool


#: Twice the input takes at most 2.2 times as long; clearly too large is 17 times from n to 8 n.
EXACT: Final = Rule(
    math.log2(2.2), 1.36, 0.0, min_repeats=3, max_repeats=40, small_calls=2, enough_s=6.0, trusts_neighbours=False
)
#: Linear and n log n pass, quadratic does not: from n to 8 n at most 28 times.
COARSE: Final = Rule(1.6, 1.6, 1.4, min_repeats=3, max_repeats=24, small_calls=3, enough_s=20.0, trusts_neighbours=True)


@dataclass(frozen=True, slots=True)
class Growth:
    """How the time grows from `size` to `SPAN` times `size`. `seconds` is the least CPU time at `size`.

    `is_accepted` says whether the growth is within the rule that it was measured by. The exponent is 0
    and there are no repeats when the function is too fast to measure at every size, because it reads a bounded part.
    """

    size: int
    seconds: float
    exponent: float
    num_repeats: int
    is_accepted: bool

    @property
    def ratio(self) -> float:
        """By which factor the time grows when the input doubles."""
        return 2**self.exponent if self.num_repeats else 0.0

    def __str__(self) -> str:
        if not self.num_repeats:
            return "reads a bounded part"
        measured = f"n^{self.exponent:.2f} from {self.size}, {self.num_repeats} repeats"
        return f"x{self.ratio:.2f} for twice the input ({measured})"


@cache
def _argument_caches() -> tuple[Any, ...]:
    """The caches of the product that keep results by argument: they would answer a repeated call at once."""
    packages = {"cluster", "models", "serve", "telemetry", "urllib"}
    # `get_objects` does not see what an earlier test has frozen.
    gc.unfreeze()
    # By `type`: `isinstance` asks a weak proxy for the class of what it stands for, and raises when that is gone.
    found = (item for item in gc.get_objects() if type(item) is _lru_cache_wrapper)
    return tuple(
        item
        for item in found
        if str(item.__module__).partition(".")[0] in packages and (item.cache_parameters()["maxsize"] or 0) > 1
    )


def cpu_s(call: Callable[[], Any]) -> float:
    """The CPU time of this process during `call`, which finds no earlier result in a cache."""
    for found in _argument_caches():
        found.cache_clear()
    began = time.process_time()
    call()
    return time.process_time() - began


def measure_growth(
    function: Callable[[Any], Any],
    make_input: Callable[[int], Any],
    sizes: Sequence[tuple[int, float]],
    rule: Rule,
    clock: CpuClock = cpu_s,
) -> Growth:
    """The growth of `function` at the first of `sizes` where `rule` accepts it, else at the last size.

    `sizes` are (n, seconds): a size is measured if a call at n takes at least that long. A cost that jumps once, where
    the memory outgrows a cache of the processor, is not there at a larger size; quadratic time is quadratic at every
    size, and more clearly so at a larger one.
    """
    result = Growth(sizes[-1][0], 0.0, 0.0, 0, is_accepted=True)
    for size, min_s in sizes:
        small, large = partial(function, make_input(size)), partial(function, make_input(SPAN * size))
        best_small = min(clock(small) for _ in range(2))
        if best_small < min_s:
            continue
        best_large, spent_s, of_pairs = math.inf, 0.0, list[float]()
        for repeat in range(1, rule.max_repeats + 1):
            before = [clock(small) for _ in range(rule.small_calls)]
            large_s = clock(large)
            small_s = min(*before, *(clock(small) for _ in range(rule.small_calls)))
            best_small, best_large, spent_s = min(best_small, small_s), min(best_large, large_s), spent_s + large_s
            of_pairs.append(math.log(large_s / small_s, SPAN))
            exponent, of_pair = math.log(best_large / best_small, SPAN), median(of_pairs)
            if rule.trusts_neighbours:
                exponent = min(exponent, of_pair)
            is_accepted = exponent <= rule.max_exponent
            result = Growth(size, best_small, exponent, repeat, is_accepted)
            if exponent <= rule.clearly_linear:
                return result
            if repeat < rule.min_repeats:
                continue
            if is_accepted and of_pair <= rule.clearly_too_large:
                return result
            is_long = repeat > 2 * rule.min_repeats and spent_s > rule.enough_s
            is_clear = min(exponent, of_pair) > rule.clearly_too_large
            if is_clear and (is_long or repeat >= rule.max_repeats // 2):
                return result
            if is_long:
                break
            time.sleep(min(repeat * _PAUSE_S, spent_s))
    return result


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """The collector's own time depends on all objects of the process, not on the function that is measured."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def measuring_process() -> Iterator[ProcessPoolExecutor]:
    """A process whose allocator (glibc's) keeps its memory; elsewhere the variables have no effect."""
    keep = str(2**30)
    variables = {"PYTHONMALLOC": "malloc", "MALLOC_TRIM_THRESHOLD_": keep, "MALLOC_MMAP_THRESHOLD_": keep}
    with (
        mock.patch.dict(os.environ, variables),
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process,
    ):
        # Started here, while the variables are set.
        process.submit(os.getpid).result()
        yield process
