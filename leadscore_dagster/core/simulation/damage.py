"""How data is made worse on purpose, and what has to come of it. Pure: Arrow tables in, tables and answers out.

Lives here: multiplying, thinning, emptying and cutting, and the rules of the answers. Not here: files, processes and
copies of a home (runs/stress).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: what one more row may cost at the peak, in bytes: some hundred features as float64, their reasons and their text,
#: a few times over while they are being put together
BYTES_PER_ROW = 40_000


def repeated(rows: pa.Table, identity: str, times: int) -> pa.Table:
    """The rows ``times`` times over; every copy's ``identity`` is another one (text or integer), the first its own."""
    column = rows[identity].combine_chunks()
    step = 0
    if pa.types.is_integer(column.type):
        step = (pc.max(column).as_py() or 0) - (pc.min(column).as_py() or 0) + 1
    copies = []
    for number in range(times):
        if number == 0:
            changed = column
        elif step:
            changed = pc.add(column, step * number)
        else:
            changed = pc.binary_join_element_wise(column.cast(pa.string()), f"copy{number}", "-")
        copies.append(rows.set_column(rows.column_names.index(identity), identity, changed))
    return pa.concat_tables(copies)


def emptied(rows: pa.Table, columns: Collection[str]) -> pa.Table:
    """The rows of a file read as text, with nothing in any of the columns."""
    for name in columns:
        rows = rows.set_column(rows.column_names.index(name), name, pa.repeat(pa.scalar(""), rows.num_rows))
    return rows


def thinned(rows: pa.Table, outcome: str, empty: str, keep_one_in: int) -> pa.Table:
    """Of the rows whose ``outcome`` is not ``empty`` every ``keep_one_in``-th keeps it."""
    values = np.array(rows[outcome].to_pylist(), dtype=object)
    positive = np.flatnonzero(values != empty)
    values[np.setdiff1d(positive, positive[::keep_one_in])] = empty
    return rows.set_column(rows.column_names.index(outcome), outcome, pa.array(values.tolist(), pa.string()))


def flooded(rows: pa.Table, outcome: str, filled_from: pa.ChunkedArray) -> pa.Table:
    """Every row has an outcome: what ``filled_from`` says, which is empty for a row nobody has decided on."""
    return rows.set_column(rows.column_names.index(outcome), outcome, filled_from.cast(pa.string()))


def memory_is_bounded(peak: int, peak_before: int, rows: int, rows_before: int) -> bool:
    """Whether more rows cost no more memory than so many bytes each."""
    return peak <= peak_before + BYTES_PER_ROW * (rows - rows_before)


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Names of the files that are gone, new or other than they were, given digests."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def names_a_column(text: str, columns: Collection[str]) -> bool:
    """Whether a message names one of the columns."""
    return any(name in text for name in columns)
