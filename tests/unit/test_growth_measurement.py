"""The measurement of `tests.support.growth`: noise makes no linear function fail and no quadratic one pass.

The clocks are simulated, except where a test says that the function is real.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from models.urls import page_url
from tests.support import growth
from tests.support.growth import COARSE, EXACT, CpuClock, Growth, Rule, cpu_s, measure_growth

_SIZES = ((8_000, 0.002), (64_000, 0.001))


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "_PAUSE_S", 0.0)


def _busy_machine(seed: int) -> CpuClock:
    """A clock on which most calls take up to 2.6 times as long as their cost, and many in a row 2.5 times."""
    noise = random.Random(seed)
    num_left_in_burst = 0

    def clock(call: Callable[[], Any]) -> float:
        nonlocal num_left_in_burst
        if not num_left_in_burst and noise.random() < 0.02:
            num_left_in_burst = noise.randrange(5, 60)
        num_left_in_burst = max(0, num_left_in_burst - 1)
        factor = 2.5 if num_left_in_burst else 1 + 2 * max(0.0, noise.random() - 0.2)
        return float(call()) * factor

    return clock


def _measured(cost_s: Callable[[int], float], seed: int, rule: Rule) -> Growth:
    return measure_growth(cost_s, int, _SIZES, rule, _busy_machine(seed))


LINEAR: dict[str, Callable[[int], float]] = {
    "n": lambda n: 3e-7 * n,
    "n log n": lambda n: 3e-8 * n * math.log2(n),
    "n and a fixed cost": lambda n: 2e-3 + 1e-7 * n,
    "n, 25 % dearer beyond the cache": lambda n: 3e-7 * n * (1.25 if n > 20_000 else 1),
    "constant": lambda n: 3e-3,
}
NOT_LINEAR: dict[str, Callable[[int], float]] = {
    "n^2": lambda n: 1e-9 * n**2,
    "n^1.5": lambda n: 1e-8 * n**1.5,
    "n^2 of a cheap step": lambda n: 1e-8 * n + 1e-12 * n**2,
}


#: What moves the exact rule on a machine whose caches others use, and must not move the coarse one.
COARSELY_LINEAR: dict[str, Callable[[int], float]] = LINEAR | {
    "n, twice as dear beyond the cache": lambda n: 3e-7 * n * (2 if n > 20_000 else 1),
    "n^1.33": lambda n: 2e-8 * n**1.33,
}


def _without_noise(call: Callable[[], Any]) -> float:
    return float(call())


@pytest.mark.parametrize("name", LINEAR)
def test_no_noise_makes_a_linear_function_fail(name: str) -> None:
    assert [seed for seed in range(200) if not _measured(LINEAR[name], seed, EXACT).is_accepted] == []


@pytest.mark.parametrize("name", COARSELY_LINEAR)
def test_no_noise_makes_a_function_look_quadratic(name: str) -> None:
    assert [seed for seed in range(1_000) if not _measured(COARSELY_LINEAR[name], seed, COARSE).is_accepted] == []


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_no_noise_makes_another_function_pass(name: str) -> None:
    assert [seed for seed in range(200) if _measured(NOT_LINEAR[name], seed, EXACT).is_accepted] == []


@pytest.mark.parametrize("name", ["n^2", "n^2 of a cheap step"])
def test_no_noise_makes_a_quadratic_function_look_linear(name: str) -> None:
    assert [seed for seed in range(1_000) if _measured(NOT_LINEAR[name], seed, COARSE).is_accepted] == []


@pytest.mark.parametrize(
    "cost_s", [lambda n: 1e-7 * n**1.16, lambda n: 1e-6 * n + 1e-11 * n**2], ids=["n^1.16", "n and a small n^2"]
)
def test_the_exact_rule_is_strict_without_noise(cost_s: Callable[[int], float]) -> None:
    assert not measure_growth(cost_s, int, _SIZES, EXACT, _without_noise).is_accepted


def test_undecided_results_take_more_repeats_and_say_so() -> None:
    quiet = measure_growth(LINEAR["n"], int, _SIZES, EXACT, _without_noise)
    assert str(quiet) == "x2.00 for twice the input (n^1.00 from 8000, 3 repeats)"
    repeats = {_measured(LINEAR["n"], seed, EXACT).num_repeats for seed in range(200)}
    assert min(repeats) == 3
    assert max(repeats) > 3


@pytest.mark.parametrize("rule", [COARSE, EXACT], ids=["coarse", "exact"])
def test_a_fast_function_is_not_measured(rule: Rule) -> None:
    bounded = measure_growth(lambda n: 1e-5, int, _SIZES, rule, _without_noise)
    assert bounded.is_accepted
    assert str(bounded) == "reads a bounded part"


@pytest.mark.slow
@pytest.mark.parametrize(
    "quadratic",
    [re.compile(r"\s+$").search, re.compile(r"a*b").search, lambda text: [text.count(c) for c in text[::5]]],
    ids=["spaces at the end", "a repetition that fails", "a scan for each character"],
)
def test_real_quadratic_functions_fail(quadratic: Callable[[str], object]) -> None:
    def make_input(n: int) -> str:
        return (" " * n + "b") if quadratic("  ") else "a" * n

    measured = measure_growth(quadratic, make_input, ((1_000, 0.00002),), COARSE)
    assert measured.num_repeats
    assert not measured.is_accepted, measured


def test_a_cached_result_is_not_measured() -> None:
    address = "https://e.com/?" + "a=b&" * 2_000
    first_s = cpu_s(lambda: page_url(address))
    assert min(cpu_s(lambda: page_url(address)) for _ in range(3)) > first_s / 20


def test_a_real_linear_function_passes() -> None:
    measured = measure_growth(
        lambda text: re.sub(r"\s+", " ", text), lambda n: "a " * (n // 2), ((4_000, 0.0001),), COARSE
    )
    assert measured.num_repeats
    assert measured.is_accepted, measured
