"""Part ``lag_decay``: the same feature rebuilt one vintage older. Honest signals fade, leaks collapse.

Lives here: the paired comparison and its verdicts. Not here: rebuilding the features (the caller).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.audit.statistics import caps, measures
from leadscore_dagster.core.audit.statistics.columns import Column, bins, encode
from leadscore_dagster.core.audit.statistics.prepared import MOST_BINS, Prepared, by_other_half, prepare
from leadscore_dagster.core.audit.verdict import FeatureVerdict
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.table.features.catalogue import Feature

PART = "lag_decay"


def lag_decay_verdicts(
    rows: pa.Table,
    older: pa.Table,
    features: Sequence[Feature],
    *,
    proven: Collection[str] = (),
    seed: int,
) -> list[FeatureVerdict]:
    """One verdict per feature, from its strength now and as it was one vintage earlier, on the same decisions.

    Parameters
    ----------
    rows : training rows: decision_id, decision_at, label, features.
    older : decision_id and the features of the same decisions from the vintage before; decisions that had none are
        left out of it. A missing value in it is a value that was not there yet.
    proven : features whose history shows no late change.

    suspect: strong enough now to be above the cap that applies to it, and less than `caps.KEPT_SHARE` of its IV was
    there one vintage earlier. unproven: nothing to compare. Raises InputError where decision_id repeats.
    """
    paired, before = _aligned(rows, older)
    table = prepare(paired, features, proven, seed)
    known = [feature for feature in features if feature.name in older.column_names]
    if not table.enough or not known:
        text = f"nothing to compare: {paired.num_rows:,} decisions have both vintages"
        return [FeatureVerdict(feature.name, PART, "unproven", text) for feature in features]
    earlier = {column.name: column for column in encode(before, known)}
    strong = _above_the_cap(table)
    return [_verdict(table, column, earlier.get(column.name), column.name in strong) for column in table.columns]


def _aligned(rows: pa.Table, older: pa.Table) -> tuple[pa.Table, pa.Table]:
    if len(pc.unique(older["decision_id"])) != older.num_rows:
        raise InputError("a decision occurs twice", where="older vintage", column="decision_id", rows=older.num_rows)
    kind = rows.schema.field("decision_id").type
    place = pc.index_in(rows["decision_id"].combine_chunks(), value_set=pc.cast(older["decision_id"], kind))
    place = place.combine_chunks() if isinstance(place, pa.ChunkedArray) else place
    both = pc.is_valid(place)
    return rows.filter(both), older.take(place.filter(both))


def _above_the_cap(table: Prepared) -> frozenset[str]:
    names = [column.name for column in table.columns]
    proven_iv = caps.proven_iv(table.blocks.base_rate)
    limits = [proven_iv if name in table.proven else caps.CAP for name in names]
    scores = [table.measured[name].best.score(cap) for name, cap in zip(names, limits, strict=True)]
    refused, _ = caps.holm(np.array(scores))
    return frozenset(name for name, over in zip(names, refused, strict=True) if over)


def _verdict(table: Prepared, now: Column, older: Column | None, strong: bool) -> FeatureVerdict:
    if older is None or not older.present:
        return FeatureVerdict(now.name, PART, "unproven", "nothing to compare: no value one vintage earlier")
    tables = [_binned(table, column) for column in (now, older)]
    found = [measures.strength(counts) for _, counts in tables]
    left = found[1].iv - caps.KEPT_SHARE * found[0].iv
    z = caps.level_z(1)
    upper = left + z * _paired_error(table, tables, found)
    kept = max(found[1].iv, 0.0) / found[0].iv if found[0].iv > 0 else float("nan")
    text = (
        f"IV within blocks {max(found[0].iv, 0):.2f} now and {max(found[1].iv, 0):.2f} one vintage older"
        f"{f' ({kept:.0%} kept)' if kept == kept else ''}, on {table.blocks.n:,} decisions"
    )
    if strong and upper < 0:
        text = f"{text}; above the cap now, and gone one vintage earlier: honest signals fade, they do not vanish"
        return FeatureVerdict(now.name, PART, "suspect", text, "share_kept", kept, caps.KEPT_SHARE)
    value = kept if kept == kept else None
    return FeatureVerdict(now.name, PART, "clear", text, "share_kept", value, caps.KEPT_SHARE)


def _binned(table: Prepared, column: Column) -> tuple[np.ndarray, np.ndarray]:
    """Bin of every row and the counts of bins."""
    most = min(table.most_bins, MOST_BINS)
    if column.is_category and column.levels > most:
        place, levels = by_other_half(column.codes, column.levels, table.blocks, table.seed, most)
        bin_of = place + 1
    else:
        bin_of, levels = bins(column, most), most + 1
    return bin_of, measures.count(bin_of, table.blocks.stratum, levels + 1, table.blocks.count)


def _paired_error(
    table: Prepared, tables: Sequence[tuple[np.ndarray, np.ndarray]], found: Sequence[measures.Strength]
) -> float:
    """Standard error of IV(older) - share * IV(now): the same rows are in both, so their influences are added first."""
    block, label = table.blocks.block, table.blocks.label.astype(np.int64)
    each = [
        measures.influence(counts, strength.ratio)[bin_of, block, label]
        for (bin_of, counts), strength in zip(tables, found, strict=True)
    ]
    return float(np.sqrt(((each[1] - caps.KEPT_SHARE * each[0]) ** 2).sum()))
