"""The cadence of a recipe: how long a period is, a quarter or a month, and everything that is counted in periods.

Lives here: the arithmetic of first days, and how vendors write a period. Not here: which periods a recipe has (schema),
Dagster's partitions (leadscore_dagster/defs/partitions).

A period is known by its ``as_of``, the first day after it: what ``2024-04-01`` names may contain only what was known
before that day, so a vendor's drop for it describes the first quarter, or March, of 2024.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from enum import Enum


class Cadence(Enum):
    """How often vintages arrive and a model is trained. Its value is the word for one period."""

    QUARTER = "quarter"
    MONTH = "month"

    @property
    def months(self) -> int:
        """Months in a period."""
        return 3 if self is Cadence.QUARTER else 1

    @property
    def placeholder(self) -> str:
        """What stands for the period in a pattern of file names."""
        return f"{{{self.value}}}"

    @property
    def first_days(self) -> str:
        """The days on which a period begins, for a message."""
        days = "the first day of January, April, July or October"
        return days if self is Cadence.QUARTER else "the first day of a month"

    def is_first_day(self, day: date) -> bool:
        """Whether a period begins on ``day``."""
        return day == self.first_day(day)

    def first_day(self, day: date) -> date:
        """First day of the period that ``day`` lies in."""
        return self._from_number(self._number(day))

    def next(self, day: date) -> date:
        """First day of the period after the one that ``day`` lies in."""
        return self.back(day, -1)

    def back(self, day: date, periods: int) -> date:
        """First day of the period so many before the one that ``day`` lies in."""
        return self._from_number(self._number(day) - periods)

    def count(self, first: date, last: date) -> int:
        """Periods from the one ``first`` lies in to the one ``last`` lies in; negative where ``last`` is earlier."""
        return self._number(last) - self._number(first)

    def between(self, first: date, last: date) -> Iterator[date]:
        """First days of periods in ``first`` ... ``last``, both included, in order."""
        begun = first if self.is_first_day(first) else self.next(first)
        for number in range(self._number(begun), self._number(last) + 1):
            yield self._from_number(number)

    def label(self, as_of: date) -> str:
        """The period that ended at ``as_of`` as vendors write it: 2024-04-01 is ``2024_q1``, or ``2024_03``."""
        described = self.back(as_of, 1)
        if self is Cadence.QUARTER:
            return f"{described.year}_q{(described.month + 2) // 3}"
        return f"{described.year}_{described.month:02d}"

    def _number(self, day: date) -> int:
        return (day.year * 12 + day.month - 1) // self.months

    def _from_number(self, number: int) -> date:
        year, month = divmod(number * self.months, 12)
        return date(year, month + 1, 1)
