"""The ranking nobody has in life, beside a track record: by the true probabilities of a simulated market.

Lives here: reading a file of true probabilities, and measuring the ranking they give on the decisions each model was
held against. Not here: any model (track_record). No asset and no gate may import this: the truth is for readers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.training import training_rows
from leadscore_dagster.core.versions import registry
from leadscore_dagster.core.versions.gates import metrics_to_dict
from leadscore_dagster.core.versions.track_record import calibration_rate, decisions_after, measure
from leadscore_dagster.core.warehouse import Warehouse

#: what the identifier of a decision may be called; the second is the demo market's
IDENTIFIERS = ("decision_id", "lead_id")
PROBABILITY = "propensity"


def read_truth(path: Path) -> pa.Table:
    """The true probability of each decision: ``decision_id`` (string) and ``propensity`` (double), one row each.

    Raises
    ------
    InputError : no such file, not Parquet, a missing column or one of another type, a missing value, a probability
        outside 0 to 1, a decision that stands twice.
    """
    remedy = f"give a Parquet file with the columns {IDENTIFIERS[0]} and {PROBABILITY}"
    if not path.is_file():
        raise InputError("There is no such file of true probabilities", where=path, remedy=remedy)
    try:
        with pq.ParquetFile(path) as stored:
            schema = stored.schema_arrow
            identifier = next((name for name in IDENTIFIERS if name in schema.names), None)
            if identifier is None or PROBABILITY not in schema.names:
                absent = PROBABILITY if identifier else " or ".join(IDENTIFIERS)
                raise InputError("a column is missing", where=path, column=absent, remedy=remedy)
            _refuse_types(schema, identifier, path, remedy)
            read = stored.read([identifier, PROBABILITY])
    except (pa.ArrowException, OSError) as error:
        problem = "unreadable Parquet file: truncated, damaged or another format"
        raise InputError(problem, where=path, remedy=remedy) from error
    identifiers = pc.cast(read[identifier], pa.string())
    truth = pa.table({"decision_id": identifiers, PROBABILITY: pc.cast(read[PROBABILITY], pa.float64())})
    _refuse_bad_rows(truth, identifier, path)
    return truth


def _refuse_types(schema: pa.Schema, identifier: str, path: Path, remedy: str) -> None:
    kind, key = schema.field(PROBABILITY).type, schema.field(identifier).type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        raise InputError(f"a probability is a number, not {kind}", where=path, column=PROBABILITY, remedy=remedy)
    if not (pa.types.is_string(key) or pa.types.is_large_string(key) or pa.types.is_integer(key)):
        raise InputError(
            f"an identifier is a text or a whole number, not {key}", where=path, column=identifier, remedy=remedy
        )


def _refuse_bad_rows(truth: pa.Table, identifier: str, path: Path) -> None:
    for name, shown in (("decision_id", identifier), (PROBABILITY, PROBABILITY)):
        if truth[name].null_count:
            remedy = "give every decision its identifier and its true probability"
            raise InputError("a value is missing", where=path, column=shown, rows=truth[name].null_count, remedy=remedy)
    inside = pc.and_(pc.greater_equal(truth[PROBABILITY], 0.0), pc.less_equal(truth[PROBABILITY], 1.0))
    outside = truth.num_rows - (pc.sum(inside).as_py() or 0)  # NaN is neither, so it counts as outside
    if outside:
        remedy = "give probabilities, not scores or percentages"
        raise InputError("lies outside 0 to 1", where=path, column=PROBABILITY, rows=outside, remedy=remedy)
    repeated = truth.num_rows - pc.count_distinct(truth["decision_id"]).as_py()
    if repeated:
        remedy = "keep one row per decision"
        raise InputError("a decision occurs twice", where=path, column=identifier, rows=repeated, remedy=remedy)


def beside_oracle(
    warehouse: Warehouse,
    models: Path,
    recipe: Recipe,
    *,
    as_of: date,
    records: Sequence[Mapping[str, Any]],
    truth: pa.Table,
) -> list[dict[str, Any]]:
    """The records kept at period ``as_of``, each with ``oracle``: the metrics its own has, of the true ranking.

    ``oracle`` is empty where ``metrics`` is. Outcomes are drawn from the true probabilities, so a model can be the
    better one by chance, on few positives.

    Raises
    ------
    InputError : a decision that a model was held against has no true probability; the period has no training table.
    """
    rows = training_rows(warehouse, as_of)
    place = pc.index_in(rows["decision_id"], value_set=truth["decision_id"].combine_chunks())
    known = rows.append_column(PROBABILITY, truth[PROBABILITY].take(place))
    return [dict(record) | {"oracle": _oracle(models, recipe, record, known)} for record in records]


def _oracle(models: Path, recipe: Recipe, record: Mapping[str, Any], rows: pa.Table) -> dict[str, Any]:
    if not record["metrics"]:
        return {}
    after = decisions_after(rows, date.fromisoformat(record["as_of"]), recipe.cadence)
    unknown = after[PROBABILITY].null_count
    if unknown:
        raise InputError(
            f"decisions after {record['as_of']} have no true probability",
            where="--truth",
            rows=unknown,
            remedy="give the true probability of every decision; the identifiers are those of the training table",
        )
    propensity = after[PROBABILITY].to_numpy()
    constant = calibration_rate(registry.read_manifest(models, record["version"]))
    return metrics_to_dict(measure(after, propensity, propensity, constant=constant, recipe=recipe))
