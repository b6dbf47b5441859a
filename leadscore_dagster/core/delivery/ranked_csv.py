"""The file sales opens: the day's scores with the CRM's own columns, in the order to call.

Lives here: one CSV that a spreadsheet opens properly and that cannot run a formula. Not here: who gets which
lead (delivery), the scores (score)."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.files import whole_file

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # without it Excel reads UTF-8 as the local code page
#: what makes a spreadsheet read a cell as a formula; the wide forms are read so by East Asian versions
_FORMULA = r"^[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
_FIRST = ("rank", "percentile", "bucket", "action")
_LAST = ("decision_id", "model_version", "vintage_as_of")


def write_ranked_csv(table: pa.Table, carry_table: pa.Table | None, path: Path) -> int:
    """Write the list: rank, percentile, bucket, action, the carried columns, expected rate, narrative,
    reasons, decision_id, entity, model version, vintage. Returns the rows written.

    UTF-8 with a byte order mark, ISO dates, probabilities as "3.9%". A text cell that starts like a formula
    gets an apostrophe in front. The file is complete under ``path`` or not there: it is written beside and
    renamed.

    Parameters
    ----------
    table : as `score_decisions` returns it, in any order.
    carry_table : decision_id and the columns to carry, one row for every decision of ``table`` (others are
        left out); None carries nothing.

    Raises
    ------
    InputError : a decision is missing from ``carry_table`` or there twice, a carried column has the name of
        one of ours, the folder does not exist.
    """
    table = table.sort_by("rank")
    entity = _entity(table)
    carried = _carried(table, carry_table) if carry_table is not None else {}
    columns: dict[str, pa.ChunkedArray | pa.Array] = {name: table[name] for name in _FIRST}
    # rounded down, so that nobody stands at 95.0 in the band below 95
    columns["percentile"] = pa.array(np.floor(table["percentile"].to_numpy() * 10) / 10)
    columns |= carried
    columns["expected_rate"] = _expected_text(table)
    # the reasons in words; the drivers' own names and values stay in the table
    reasons = [name for name in table.column_names if name.startswith("reason_")]
    columns |= {name: table[name] for name in ["narrative", *reasons] if name in table.column_names}
    last = [name for name in (_LAST[0], entity, *_LAST[1:]) if name not in carried]
    columns |= {name: table[name] for name in last}
    safe = pa.table({name: _cell(column) for name, column in columns.items()})
    if safe.num_rows != table.num_rows:
        raise ValueError(f"{safe.num_rows} rows in the list for {table.num_rows} scores")
    _write(safe, Path(path))
    return safe.num_rows


def _carried(table: pa.Table, carry_table: pa.Table) -> dict[str, pa.ChunkedArray]:
    """The carried columns in the order of ``table``."""
    ids = carry_table["decision_id"].cast(pa.string())
    twice = len(ids) - ids.null_count - pc.count_distinct(ids, mode="only_valid").as_py()
    if twice:
        raise InputError("a decision has more than one row to carry", column="decision_id", rows=twice)
    places = pc.index_in(table["decision_id"], value_set=ids.combine_chunks())
    if places.null_count:
        raise InputError("decisions have no row to carry columns from", column="decision_id", rows=places.null_count)
    names = [name for name in carry_table.column_names if name != "decision_id"]
    taken = {"score", "expected_rate", *table.column_names} - {_entity(table)}
    for name in names:
        if name in taken:
            raise InputError("a carried column has the name of a column of the list", column=name)
    return {name: carry_table[name].take(places) for name in names}


def _entity(table: pa.Table) -> str:
    """Name of the entity column: it stands behind decision_id, or is decision_id."""
    second = table.column_names[1]
    return "decision_id" if second == "score_day" else second


def percent_text(share: npt.NDArray[np.floating]) -> pa.Array:
    """Shares of 0 … 1 as text that spreadsheets read as a number: 0.0387 is "3.9%", 0.00042 is "0.042%". NaN:
    null."""
    known = ~np.isnan(share)
    percent = np.where(known, share, 0) * 100
    digits = np.select([percent >= 1, percent >= 0.1], [1, 2], 3)
    shown = np.round(percent * 10.0**digits).astype(np.int64)
    # few different texts for many rows: each is made once
    keys = pa.array(shown * 4 + digits, mask=~known).dictionary_encode()
    text = [f"{key // 4 / 10 ** (key % 4):.{key % 4}f}%" for key in keys.dictionary.to_pylist()]
    return pa.array(text, pa.string()).take(keys.indices)


def _expected_text(table: pa.Table) -> pa.Array:
    """As "4.1% (3.2% to 5.3%)": what the model's test period had at this place of its list."""
    names = ("expected_rate", "expected_rate_low", "expected_rate_high")
    rate, low, high = (percent_text(table[name].to_numpy()) for name in names)
    interval = pc.binary_join_element_wise(low, high, " to ")
    return pc.binary_join_element_wise(rate, pc.binary_join_element_wise(" (", interval, ")", ""), "")


def _cell(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """A column as cells: instants as ISO text, text that would be a formula with an apostrophe in front."""
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column.cast(pa.timestamp("s", tz=column.type.tz)), format="%Y-%m-%dT%H:%M:%SZ")
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    risky = pc.match_substring_regex(column, _FORMULA)
    return pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)


def _write(table: pa.Table, path: Path) -> None:
    if not path.parent.is_dir():
        raise InputError("the folder for the list does not exist", where=path.parent, remedy="create it")
    with whole_file(path) as file:
        _write_to(table, file)


def _write_to(table: pa.Table, file: BinaryIO) -> None:
    file.write(_BYTE_ORDER_MARK)
    pacsv.write_csv(table, file)
