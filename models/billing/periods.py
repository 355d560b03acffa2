"""Billing periods as arithmetic: which one a moment is in, and which came before. All of it in UTC, as Stripe counts.

A paid period runs from a day of one month to the same day of the next, or to the month's last day when it has no such
day; the 31st comes back in the months that have one. A plan nobody pays for runs in periods of 30 days.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

FREE_PERIOD = timedelta(days=30)

Period = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class BillingCycle:
    """Periods in a row, of which `[start, end)` is one. A known period of several months is several periods."""

    start: datetime
    end: datetime

    def period(self, number: int) -> Period:
        """The period so many after the first month of the known one; before it when negative."""
        if self._num_months:
            return self._month(number), self._month(number + 1)
        if number == 0:
            return self.start, self.end
        anchor, steps = (self.end, number - 1) if number > 0 else (self.start, number)
        return anchor + steps * FREE_PERIOD, anchor + (steps + 1) * FREE_PERIOD

    def period_number_at(self, moment: datetime) -> int:
        """Which period `moment` is in."""
        begin = self.start.astimezone(UTC)
        number = (moment - begin) // FREE_PERIOD
        while self.period(number)[0] > moment:
            number -= 1
        while self.period(number)[1] <= moment:
            number += 1
        return number

    @property
    def _num_months(self) -> int:
        """How many whole months the known period has; 0 when it is something else."""
        start, end = self.start.astimezone(UTC), self.end.astimezone(UTC)
        months = (end.year - start.year) * 12 + end.month - start.month
        return months if months > 0 and self._month(months) == end else 0

    def _month(self, number: int) -> datetime:
        start, end = self.start.astimezone(UTC), self.end.astimezone(UTC)
        year, month = divmod(start.year * 12 + start.month - 1 + number, 12)
        # Of two neighbours of a short month one shows the day that is meant.
        day = min(max(start.day, end.day), calendar.monthrange(year, month + 1)[1])
        return start.replace(year=year, month=month + 1, day=day)


@dataclass(frozen=True, slots=True)
class PlanPhase:
    """A time under one plan: its cycle, since when, and until when if it is over."""

    cycle: BillingCycle
    since: datetime
    until: datetime | None = None

    def periods(self, now: datetime) -> Iterator[Period]:
        """Its periods from `now` backwards; the last one cut where it was left."""
        last = now if self.until is None else min(now, self.until - timedelta(microseconds=1))
        number = self.cycle.period_number_at(last)
        while True:
            start, end = self.cycle.period(number)
            yield start, end if self.until is None else min(end, self.until)
            if start <= self.since:
                return
            number -= 1


def free_cycle(anchor: datetime) -> BillingCycle:
    """Periods of 30 days from `anchor`."""
    return BillingCycle(anchor, anchor + FREE_PERIOD)


def merged_periods(eras: Sequence[PlanPhase], now: datetime, max_periods: int) -> list[Period]:
    """All periods, newest first, that do not overlap: `eras` from the latest to the first."""
    found: list[Period] = []
    for era in eras:
        for start, end in era.periods(now):
            if len(found) == max_periods:
                return found
            if found:
                end = min(end, found[-1][0])
            if start < end:
                found.append((start, end))
    return found
