"""Arithmetic of billing periods, in UTC as Stripe counts.

A paid period runs from a day of one month to the same day of the next, or to the last day of a month without that day:
31 January, 28 February, 31 March. Periods of the free plan are 30 days long.
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
    """Consecutive periods, given one of them, `[start, end)`. A period of several months counts as monthly periods.

    With `is_fixed` every period has the length of the given one, even if that is a month by chance.
    """

    start: datetime
    end: datetime
    is_fixed: bool = False

    def period(self, number: int) -> Period:
        """The period `number` periods after the given one, or before it if negative."""
        if self._num_months:
            return self._month(number), self._month(number + 1)
        if number == 0:
            return self.start, self.end
        anchor, steps = (self.end, number - 1) if number > 0 else (self.start, number)
        # In UTC: in another zone, 30 days are an hour more or less when clocks change between them.
        anchor = anchor.astimezone(UTC)
        return anchor + steps * FREE_PERIOD, anchor + (steps + 1) * FREE_PERIOD

    def period_number_at(self, moment: datetime) -> int:
        """The number of the period that contains `moment`."""
        begin = self.start.astimezone(UTC)
        number = (moment - begin) // FREE_PERIOD
        while self.period(number)[0] > moment:
            number -= 1
        while self.period(number)[1] <= moment:
            number += 1
        return number

    @property
    def _num_months(self) -> int:
        """The whole months of the given period; 0 if it is not a number of whole months."""
        if self.is_fixed:
            return 0
        start, end = self.start.astimezone(UTC), self.end.astimezone(UTC)
        months = (end.year - start.year) * 12 + end.month - start.month
        return months if months > 0 and self._month(months) == end else 0

    def _month(self, number: int) -> datetime:
        start, end = self.start.astimezone(UTC), self.end.astimezone(UTC)
        year, month = divmod(start.year * 12 + start.month - 1 + number, 12)
        # At the end of a short month only one of the two days is the billing day: the later one.
        day = min(max(start.day, end.day), calendar.monthrange(year, month + 1)[1])
        return start.replace(year=year, month=month + 1, day=day)


@dataclass(frozen=True, slots=True)
class PlanPhase:
    """A time under one plan: its billing cycle, start, and end if it has ended.

    `cuts_first` is for a cycle that is older than the phase: the first period then begins with the phase.
    """

    cycle: BillingCycle
    since: datetime
    until: datetime | None = None
    cuts_first: bool = False

    def periods(self, now: datetime) -> Iterator[Period]:
        """The periods from `now` backwards; the newest is cut at the end of the phase."""
        last = now if self.until is None else min(now, self.until - timedelta(microseconds=1))
        # A phase that begins a moment later by Stripe's clock than by ours has its first period.
        last = max(last, self.since)
        number = self.cycle.period_number_at(last)
        while True:
            start, end = self.cycle.period(number)
            begin = max(start, self.since) if self.cuts_first else start
            yield begin, end if self.until is None else min(end, self.until)
            if start <= self.since:
                return
            number -= 1


def free_cycle(anchor: datetime) -> BillingCycle:
    """Periods of 30 days from `anchor`."""
    anchor = anchor.astimezone(UTC)
    return BillingCycle(anchor, anchor + FREE_PERIOD, is_fixed=True)


def merged_periods(phases: Sequence[PlanPhase], now: datetime, max_periods: int) -> list[Period]:
    """The periods of all phases without overlaps, newest first, at most `max_periods`. `phases` are newest first."""
    periods: list[Period] = []
    for phase in phases:
        for start, end in phase.periods(now):
            if len(periods) == max_periods:
                return periods
            if periods:
                end = min(end, periods[-1][0])
            if start < end:
                periods.append((start, end))
    return periods
