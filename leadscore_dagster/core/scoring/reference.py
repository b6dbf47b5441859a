"""Features that describe the call, not the lead, held at the recipe's reference values while a list is scored.

A weekday of contact is a fact about past decisions and a guess about today's: nobody has called yet. Left at the day of
scoring it moves the whole list up and down from day to day, and every lead says "contacted on a weekend". So such
features are learned from what happened and served at one reference value. Parity of the features themselves is
untouched: the audit compares them before this. Not here: which features those are (the recipe).
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.text import nearest_or


def at_reference(rows: pa.RecordBatchReader, recipe: Recipe) -> pa.RecordBatchReader:
    """The stream with the columns of ``scoring.reference`` held at their values.

    Raises
    ------
    InputError : a name is no column of the stream, or a value does not fit its type.
    """
    held = recipe.scoring.reference
    if not held:
        return rows
    values = {name: _scalar(rows.schema, name, value) for name, value in held.items()}
    places = {rows.schema.get_field_index(name): value for name, value in values.items()}

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in rows:
            columns = [
                pa.repeat(places[place], batch.num_rows) if place in places else column
                for place, column in enumerate(batch.columns)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=rows.schema)

    return pa.RecordBatchReader.from_batches(rows.schema, batches())


def _scalar(schema: pa.Schema, name: str, value: float | str) -> pa.Scalar:
    where = f"scoring.reference.{name}"
    if name not in schema.names:
        remedy = nearest_or(name, schema.names, "name one of the recipe's features")
        raise InputError(f"there is no feature {name!r}", where=where, remedy=remedy)
    kind = schema.field(name).type
    try:
        return pa.scalar(int(value) if pa.types.is_integer(kind) and value == int(value) else value, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError) as error:
        raise InputError(f"{value!r} is no value of a feature of type {kind}", where=where) from error
