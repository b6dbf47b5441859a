"""Rows of a log caught young: what is filled in within weeks is seen in them, though in few of all rows."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa

from leadscore_dagster.core.audit.restatement.result import ColumnRestatement, Fresh, caught_fresh
from leadscore_dagster.core.audit.restatement.verdicts import _of_log

SEEN = (date(2024, 4, 1), date(2024, 7, 1))


def groups(*rows: tuple[int, int, int]) -> pa.Table:
    """(age in days when first seen, changed, n) as the counted facts of ``measured``."""
    return pa.table(
        {
            "event_date": pa.array([SEEN[0] - timedelta(days=age) for age, _, _ in rows], pa.date32()),
            "changed": [changed for _, changed, _ in rows],
            "followed": [1] * len(rows),
            "n": [n for _, _, n in rows],
        }
    )


def column(fresh: Fresh | None, share: float = 0.0005) -> ColumnRestatement:
    return ColumnRestatement(
        "contacts", "wealth", "log", facts=10_000, changed=5, share=share, low=0.0002, high=0.001, fresh=fresh
    )


def test_changes_in_young_rows_are_found_among_many_old_ones() -> None:
    found = caught_fresh(groups((3, 1, 20), (5, 0, 180), (200, 0, 20_000)), SEEN)
    assert found is not None
    assert (found.age, found.facts, found.changed) == (7, 200, 20)
    assert 0.05 < found.low < 0.1


def test_a_row_first_seen_by_a_later_extract_is_as_old_as_it_was_then() -> None:
    found = caught_fresh(
        groups((-60, 1, 50)), SEEN
    )  # known two months after the first extract, 31 days before the next
    assert found is not None
    assert found.age == 90


def test_no_fresh_row_says_nothing() -> None:
    assert caught_fresh(groups((200, 1, 50)), SEEN) is None


def test_a_column_filled_in_after_the_row_is_a_leak_or_at_least_suspect() -> None:
    assert _of_log(column(caught_fresh(groups((3, 1, 60), (3, 0, 140)), SEEN))).answer == "leak"
    assert _of_log(column(caught_fresh(groups((3, 1, 4), (3, 0, 196)), SEEN))).answer == "suspect"


def test_one_correction_and_none_stay_silent() -> None:
    assert _of_log(column(caught_fresh(groups((3, 1, 1), (3, 0, 199)), SEEN))).answer == "clear"
    assert _of_log(column(caught_fresh(groups((3, 0, 200)), SEEN))).answer == "clear"
