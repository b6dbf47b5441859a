"""Scores of a day: features in, one ranked row for every decision out.

Lives here: streaming features through a model, then ranking. Not here: which decisions are scored (SQL),
which model is champion (champion), the file sales opens (ranked_csv), storing the result (assets)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring import drivers as driving
from leadscore_dagster.core.scoring.expected import Heat, heat
from leadscore_dagster.core.scoring.loaded import LoadedVersion
from leadscore_dagster.core.scoring.matured import DayBaseRate
from leadscore_dagster.core.scoring.narrative import narrative, reason_columns, reason_fields
from leadscore_dagster.core.scoring.ranking import bucket_places, rank_leads
from leadscore_dagster.core.table.features.catalogue import Feature

#: rows given to the model at a time, however the input was cut: memory stays the same for any number of leads, and the
#: sums inside a model cannot depend on the input's batches
CHUNK_ROWS = 65_536
#: drivers looked at for each reason that is told: most of those that cannot be told are passed over for one of these
_DEPTH = 4
_INSTANT = pa.timestamp("us", tz="UTC")


@dataclass
class _Collected:
    """What is kept of each chunk: the small columns of the result."""

    keys: list[pa.Table] = field(default_factory=list)
    margin: list[npt.NDArray[np.float64]] = field(default_factory=list)
    probability: list[npt.NDArray[np.float64]] = field(default_factory=list)
    explained: list[pa.Table] = field(default_factory=list)


def score_decisions(
    features: pa.RecordBatchReader | pa.Table,
    model: LoadedVersion,
    recipe: Recipe,
    *,
    day: date,
    vintage_as_of: date | None,
    scored_at: datetime,
    catalogue: Mapping[str, Feature],
    with_drivers: bool = True,
    decisions: pa.Array | pa.ChunkedArray | None = None,
    base_rate: DayBaseRate | None = None,
) -> pa.Table:
    """Score and rank every decision.

    Parameters
    ----------
    features : decision_id STRING, the recipe's entity, decision_at TIMESTAMP and the model's features.
        Read once.
    day : the day the list is for.
    vintage_as_of : the newest vintage the features were computed from; None for a recipe without vintages.
    scored_at : the instant of the run (an aware datetime: the clock is an argument).
    catalogue : features by name, for the words of the narrative.
    with_drivers : False leaves the driver and narrative columns out, and their cost.
    decisions : ids that must come back, each exactly once; None takes the ids in ``features`` as they are.
    base_rate : what matured outcomes say about the probabilities; None serves them as they are and leaves its columns
        out. Ranks never depend on it.

    Returns
    -------
    Table of `score_schema`, best lead first; the same however ``features`` is cut into batches. No rows in,
    no rows out.

    Raises
    ------
    InputError : a column is missing, or a decision is missing, twice, or lost.
    ValueError : the model's answer does not fit its own promise (length, finite numbers, additivity).
    """
    if scored_at.tzinfo is None:
        raise InputError("scored_at is a time without a zone", remedy="pass an aware datetime")
    keys = _key_names(features.schema, recipe.decisions.entity)
    top = recipe.scoring.drivers if with_drivers else 0
    collected = _Collected()
    for chunk in _chunks(features):
        _score_chunk(chunk, model, keys, catalogue, top, collected)
    entity_type = features.schema.field(recipe.decisions.entity).type
    schema = score_schema(recipe.decisions.entity, entity_type, top, with_base_rate=base_rate is not None)
    if not collected.keys:
        _assert_each_once(pa.chunked_array([], pa.string()), decisions)
        return schema.empty_table()
    identity = pa.concat_tables(collected.keys)["decision_id"]
    _assert_each_once(identity, decisions)
    constants = {
        "score_day": pa.scalar(day, pa.date32()),
        "model_version": pa.scalar(model.version, pa.string()),
        "vintage_as_of": pa.scalar(vintage_as_of, pa.date32()),
        "scored_at": pa.scalar(scored_at, _INSTANT),
    }
    return _ranked(collected, recipe, heat(model.outcomes, recipe.scoring.buckets), base_rate, constants, schema)


def _ranked(
    collected: _Collected,
    recipe: Recipe,
    found: Heat,
    base_rate: DayBaseRate | None,
    constants: Mapping[str, pa.Scalar],
    schema: pa.Schema,
) -> pa.Table:
    """The second pass: place on the list, bucket, expected rate and narrative, best lead first."""
    keys = pa.concat_tables(collected.keys)
    margin = np.concatenate(collected.margin)
    ranking = rank_leads(margin, keys["decision_id"])
    place, probability = (
        bucket_places(ranking.percentile, recipe.scoring.buckets),
        np.concatenate(collected.probability),
    )
    rates = found.expected(ranking, place)
    if base_rate is not None:
        verdict, probability = base_rate.verdict, base_rate.verdict.serve(probability)
        if verdict.verdict == "correct":
            rates = heat(base_rate.outcomes, recipe.scoring.buckets, found.group).expected(ranking, place)
        elif verdict.verdict == "rank_only":
            rates = np.full_like(rates, np.nan)
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        **{name: keys[name] for name in keys.column_names},
        **{name: pa.repeat(value, len(margin)) for name, value in constants.items()},
        # NaN, where only ranks are served, becomes NULL: nobody can take it for a probability
        "score": pa.array(probability, from_pandas=True),
        "margin": pa.array(margin),
        "rank": pa.array(ranking.rank),
        "percentile": pa.array(ranking.percentile),
        "decile": pa.array(ranking.decile),
        "bucket": pa.array(found.name).take(pa.array(place)),
        "action": pa.array(found.action).take(pa.array(place)),
        # a bucket the test period never saw is NaN, which becomes NULL
        "expected_rate": pa.array(rates[:, 0], from_pandas=True),
        "expected_rate_low": pa.array(rates[:, 1], from_pandas=True),
        "expected_rate_high": pa.array(rates[:, 2], from_pandas=True),
    }
    if base_rate is not None:
        columns |= {
            "base_rate_verdict": pa.repeat(pa.scalar(verdict.verdict, pa.string()), len(margin)),
            "base_rate_offset": pa.repeat(pa.scalar(verdict.offset, pa.float64()), len(margin)),
            "base_rate_why": pa.repeat(pa.scalar(verdict.why, pa.string()), len(margin)),
        }
    if collected.explained:
        explained = pa.concat_tables(collected.explained)
        columns |= {name: explained[name] for name in explained.column_names}
        columns["narrative"] = narrative(ranking, columns.pop("reasons"))
    best_first = np.full(len(margin), -1)
    best_first[ranking.rank - 1] = np.arange(len(margin))
    if (best_first < 0).any():
        raise ValueError("a rank was given twice: ranking would lose a decision")
    table = pa.table([columns[name] for name in schema.names], schema=schema)
    return table.take(pa.array(best_first)).combine_chunks()


def score_schema(entity: str, entity_type: pa.DataType, drivers: int, *, with_base_rate: bool = False) -> pa.Schema:
    """Columns of the scores, in order: who, when, score, place on the list, why, what to expect, made from
    what.

    ``entity`` may be decision_id itself. ``drivers`` 0: without drivers and narrative. ``with_base_rate``: at the end,
    what matured outcomes said: keep, correct or rank_only, the shift in log-odds that ``score`` holds, and why.
    """
    who = [pa.field("decision_id", pa.string())]
    who += [pa.field(entity, entity_type)] if entity != "decision_id" else []
    why = (
        [*driving.driver_fields(drivers), *reason_fields(drivers), pa.field("narrative", pa.string())]
        if drivers
        else []
    )
    judged = [
        pa.field("base_rate_verdict", pa.string()),
        pa.field("base_rate_offset", pa.float64()),
        pa.field("base_rate_why", pa.string()),
    ]
    return pa.schema(
        [
            *who,
            pa.field("score_day", pa.date32()),
            pa.field("decision_at", _INSTANT),
            pa.field("score", pa.float64()),
            pa.field("margin", pa.float64()),
            pa.field("rank", pa.int64()),
            pa.field("percentile", pa.float64()),
            pa.field("decile", pa.int64()),
            pa.field("bucket", pa.string()),
            pa.field("action", pa.string()),
            *(why if drivers else []),
            pa.field("expected_rate", pa.float64()),
            pa.field("expected_rate_low", pa.float64()),
            pa.field("expected_rate_high", pa.float64()),
            pa.field("model_version", pa.string()),
            pa.field("vintage_as_of", pa.date32()),
            pa.field("scored_at", _INSTANT),
            *(judged if with_base_rate else []),
        ]
    )


def _score_chunk(
    chunk: pa.Table,
    model: LoadedVersion,
    keys: list[str],
    catalogue: Mapping[str, Feature],
    top: int,
    collected: _Collected,
) -> None:
    chunk = model.prepare(chunk)
    scores = model.score(chunk, contributions=top > 0)
    if len(scores.margin) != chunk.num_rows or len(scores.probability) != chunk.num_rows:
        raise ValueError(f"the model gave {len(scores.margin)} margins for {chunk.num_rows} rows")
    if not np.isfinite(scores.probability).all():
        raise ValueError("the model gave a probability that is not a finite number")
    kinds = {"decision_id": pa.string(), "decision_at": _INSTANT}
    collected.keys.append(pa.table({name: chunk[name].cast(kinds.get(name, chunk[name].type)) for name in keys}))
    collected.margin.append(np.asarray(scores.margin, dtype=np.float64))
    collected.probability.append(np.asarray(scores.probability, dtype=np.float64))
    if not top:
        return
    names, contributions = list(model.feature_names), scores.contributions
    if contributions is None or scores.bias is None or contributions.shape != (chunk.num_rows, len(names)):
        raise ValueError(f"the model gave no contribution for each of {chunk.num_rows} rows and {len(names)} features")
    driving.assert_additive(scores.margin, contributions, scores.bias)
    deep = driving.top_drivers(contributions, _DEPTH * top)
    values = driving.driver_values(chunk, names, deep)
    columns = driving.driver_columns(names, deep, values, top=top)
    told = reason_columns(chunk, names, catalogue, drivers=deep, values=values, top=top)
    collected.explained.append(pa.table({**columns, **told}))


def _chunks(features: pa.RecordBatchReader | pa.Table) -> Iterator[pa.Table]:
    """The input in tables of exactly CHUNK_ROWS rows; only the last is shorter."""
    batches = features.to_batches() if isinstance(features, pa.Table) else features
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        while rows >= CHUNK_ROWS:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, CHUNK_ROWS)
            waiting = table.slice(CHUNK_ROWS).to_batches()
            rows -= CHUNK_ROWS
    if rows:
        yield pa.Table.from_batches(waiting)


def _key_names(schema: pa.Schema, entity: str) -> list[str]:
    """The key columns of the features: decision_id, entity, decision_at."""
    names = list(dict.fromkeys(["decision_id", entity, "decision_at"]))
    for name in names:
        if name not in schema.names:
            raise InputError("the features to score lack a column", column=name, remedy="select it in the decisions")
    if not (pa.types.is_string(kind := schema.field("decision_id").type) or pa.types.is_large_string(kind)):
        raise InputError(f"decision_id is {kind}, not text", column="decision_id", remedy="CAST(... AS STRING)")
    return names


def _assert_each_once(scored: pa.ChunkedArray, wanted: pa.Array | pa.ChunkedArray | None) -> None:
    """Every wanted decision is scored exactly once, and nothing else is: joins lose and multiply leads
    silently."""
    where, column = "the scores", "decision_id"
    if scored.null_count:
        raise InputError("decisions without an id", where=where, column=column, rows=scored.null_count)
    distinct = pc.count_distinct(scored).as_py()
    if distinct != len(scored):
        twice = len(scored) - distinct
        raise InputError("a decision is scored more than once", where=where, column=column, rows=twice)
    if wanted is None:
        return
    asked = wanted.cast(pa.string()).unique()
    found = int(np.count_nonzero(pc.is_in(asked, value_set=scored.combine_chunks())))
    if found != len(asked):
        raise InputError("decisions have no score", where=where, column=column, rows=len(asked) - found)
    if found != len(scored):
        extra = len(scored) - found
        raise InputError("decisions are scored that were not asked for", where=where, column=column, rows=extra)
