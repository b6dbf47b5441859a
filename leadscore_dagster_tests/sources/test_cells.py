"""What each contract type reads, and what it refuses to guess."""

from __future__ import annotations

from datetime import UTC, date, datetime

import duckdb
import pytest

from leadscore_dagster.core.sources.cells import present, typed

NOON = datetime(2024, 1, 5, 12, tzinfo=UTC)
READS = [
    ("text", " a ", "a"),
    ("text", "Null", "Null"),  # a surname
    ("key", "1234", 1234),
    ("key", "1234.0", 1234),  # a float's key is not ten times larger
    ("key", " CRD# 1234 ", 1234),
    ("integer", "12.0", 12),
    ("integer", "-3", -3),
    ("count", "< 5", 2),
    ("count", "<5", 2),
    ("count", "3,197,890", 3_197_890),
    ("number", "-1.5", -1.5),
    ("number", " 2 ", 2.0),
    ("money", "$1,295.31", 1295.31),
    ("money", "-$5", -5.0),
    ("money", "($5.50)", -5.5),
    ("money", "12", 12.0),
    ("flag", "Yes", 1),
    ("flag", "no", 0),
    ("flag", "TRUE", 1),
    ("flag", "0.0", 0),
    ("zip", "10001.0", "10001"),
    ("zip", "10001", "10001"),
    ("zip", "2138.0", "02138"),
    ("zip", "10001-1234", "10001"),
    ("date", "2024-01-05", date(2024, 1, 5)),
    ("date", "2024-01-05 00:00:00", date(2024, 1, 5)),
    ("timestamp", "2024-01-05T12:00:00Z", NOON),
    ("timestamp", "2024-01-05T12:00:00.000+0000", NOON),
    ("timestamp", "2024-01-05 07:00:00-05:00", NOON),
]
UNREADABLE = [
    ("key", "none at all"),
    ("key", "12.5"),
    ("key", "1e5"),
    ("key", "-5"),
    ("integer", "12.5"),
    ("integer", "Osseo"),
    ("count", "< 10"),
    ("count", "12,5"),
    ("number", "Osseo"),
    ("number", "12,5"),
    ("number", "inf"),
    ("money", "$1,2"),
    ("money", "5%"),
    ("flag", "Osseo"),
    ("zip", "Osseo"),
    ("date", "2024-02-30"),
    ("date", "01/05/2024"),
    ("date", "2024-01-05 12:00:00"),
    ("timestamp", "2024-01-05 12:00:00"),
    ("timestamp", "2024-13-05T12:00:00Z"),
]
MISSING = [
    ("number", "n/a"),
    ("integer", "NULL"),
    ("number", "nan"),
    ("flag", "Unknown"),
    ("date", "-"),
    ("text", "  "),
]


def _read(kind: str, text: str) -> tuple[str | None, object]:
    with duckdb.connect() as connection:
        connection.execute("SET timezone='UTC'")
        query = f"SELECT {present('v', kind)}, {typed('v', kind)} FROM (SELECT $1 AS v)"
        row = connection.execute(query, [text]).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize(("kind", "text", "value"), READS)
def test_a_cell_reads_as_its_contract_type(kind: str, text: str, value: object) -> None:
    assert _read(kind, text)[1] == value


@pytest.mark.parametrize(("kind", "text"), UNREADABLE)
def test_a_cell_that_does_not_read_is_present_but_has_no_value(kind: str, text: str) -> None:
    shown, value = _read(kind, text)
    assert shown is not None
    assert value is None


@pytest.mark.parametrize(("kind", "text"), MISSING)
def test_a_cell_that_says_nothing_is_missing_and_not_unreadable(kind: str, text: str) -> None:
    assert _read(kind, text) == (None, None)
