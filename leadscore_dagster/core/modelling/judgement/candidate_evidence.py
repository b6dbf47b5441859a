"""What a report says about a candidate beyond its metrics, computed once when it is judged and kept with the version.

Lives here: putting the parts together as one JSON-ready mapping. Not here: the parts (explanation, cohorts, impact,
reliability), where it is stored (core/versions/registry), how it is shown (core/pages/model,
core/pages/model/markdown).

    n, positives, replicates   what everything rests on
    importance                 every feature (explanation.Importance), largest first
    summary                    contribution against value of the strongest features (explanation.contribution_summary)
    reference                  the ranking held against model.reference_ranking (`ranking_record`), or None
    reliability                curve, slope, calibration error overall and by segment (reliability.Reliability)
    expected                   sum of the probabilities, to be held against positives
    histogram                  edges of the probability, and how many rows, positive and negative, lie between
    months, segments           cohorts.Cell by month, and by part of each of model.segments
    lists                      impact.CallList by length
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np

from leadscore_dagster.core.measures.impact import call_lists
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.modelling.judgement.cohorts import cohort_cells, months
from leadscore_dagster.core.modelling.judgement.explanation import (
    compare_rankings,
    contribution_summary,
    importance_table,
    private,
)
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.modelling.reliability import measure_reliability, segments_of
from leadscore_dagster.core.recipe.schema import Model
from leadscore_dagster.core.table.features.catalogue import Feature

#: the file beside the manifest
EVIDENCE = "evidence.json"
FORMAT = 1
#: features whose contributions are shown against their values
SHOWN = 20
_HISTOGRAM_BINS = 30
_DIGITS = 6


def candidate_evidence(
    judged: Judged,
    matrix: np.ndarray,
    contributions: np.ndarray,
    *,
    columns: Columns,
    features: Sequence[Feature],
    decision_at: np.ndarray,
    model: Model,
    constant_rate: float,
) -> dict[str, Any]:
    """Evidence on the n test rows, JSON-ready (NaN is None) and the same for the same input. Holds no row.

    Parameters
    ----------
    matrix, contributions : float32 [n, k] per feature, in the order of ``columns``.
    decision_at : datetime64 [n], UTC.
    model : segments, reference ranking and bootstrap of the recipe.
    constant_rate : the rate somebody without a model would have said: that of the calibration period.
    """
    importance = importance_table(matrix, contributions, columns, codes=judged.entity, bootstrap=model.bootstrap)
    ranking = [row.feature for row in importance]
    shown = [name for name in ranking[:SHOWN] if name not in private(features)]
    parts = segments_of(matrix, columns, model.segments)
    reliability = measure_reliability(judged, constant_rate, parts)
    return _plain(
        {
            "format": FORMAT,
            "n": len(judged),
            "positives": judged.positives,
            "replicates": model.bootstrap.replicates,
            "importance": importance,
            "summary": contribution_summary(matrix, contributions, columns, features=shown),
            "reference": ranking_record(ranking, model.reference_ranking) if model.reference_ranking else None,
            "reliability": reliability.to_dict(),
            "expected": float(judged.probability.sum()),
            "histogram": _histogram(judged.label, judged.probability),
            "months": cohort_cells(judged, *months(decision_at)),
            "segments": {
                name: {"feature": model.segments[name].feature, "parts": cohort_cells(judged, *part)}
                for name, part in parts.items()
            },
            "lists": call_lists(judged, model.bootstrap),
        }
    )


def ranking_record(first: Sequence[str], second: Sequence[str]) -> dict[str, Any]:
    """Two rankings compared, JSON-ready: what only the first knows as a count, and the ten that moved most."""
    found = compare_rankings(first, second)
    return dict(_plain(asdict(found) | {"only_first": len(found.only_first), "movers": found.movers[:10]}))


def _histogram(label: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    """Counts between equal steps up to the 99.5th percentile; what lies above is in the last one."""
    low, high = float(probability.min()), float(np.quantile(probability, 0.995))
    edges = np.linspace(low, high if high > low else low + 1e-9, _HISTOGRAM_BINS + 1)
    inside = np.clip(np.searchsorted(edges, probability, side="right") - 1, 0, _HISTOGRAM_BINS - 1)
    return {
        "edges": edges,
        "positives": np.bincount(inside, label, _HISTOGRAM_BINS).astype(int),
        "negatives": np.bincount(inside, 1 - label, _HISTOGRAM_BINS).astype(int),
    }


def _plain(value: Any) -> Any:
    """Dataclasses, arrays and NaN as JSON has them; numbers to six significant digits, which no reader misses."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.{_DIGITS}g}") if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
