"""The track record: the model of each period on the decisions of the period after it, once their outcomes are known.

Lives here: which version is held against which decisions, and the measuring. Not here: training (modelling), who was
champion (champion), drawing (model_page, report), the truth of a simulated market, which nothing here can see (oracle).
A training table of period q holds only what was known at q, so the model of q could have scored the decisions after q
as they were taken: nothing here is a simulation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.intervals import Interval
from leadscore_dagster.core.measures.judged import Judged, entity_codes
from leadscore_dagster.core.measures.period import period_metrics
from leadscore_dagster.core.modelling.scoring import FoldFeatures
from leadscore_dagster.core.recipe.schema import Cadence, Recipe
from leadscore_dagster.core.state import State
from leadscore_dagster.core.state.tables import CANDIDATES
from leadscore_dagster.core.table.training import training_rows
from leadscore_dagster.core.versions import registry
from leadscore_dagster.core.versions.comparison import able_to_score
from leadscore_dagster.core.versions.gates import metrics_from_dict, metrics_to_dict
from leadscore_dagster.core.versions.ledger import champion_at
from leadscore_dagster.core.warehouse import Warehouse, table

TABLE = "track_record"
#: with fewer positives after a period its intervals say nothing
MINIMUM_POSITIVES = 20
MEASURED = ("top_decile_lift", "auc_pr", "auc_pr_over_base", "auc_roc", "decile_order", "ece", "brier_skill")


@dataclass(frozen=True)
class PeriodRecord:
    """How one period's candidate did on the decisions from ``as_of`` until ``ends`` (not included).

    ``role``: ``champion`` if it scored in life, else ``candidate``. ``metrics`` is empty with fewer than
    `MINIMUM_POSITIVES` positives, and where ``why`` says that the version cannot score these decisions as it would
    have. ``claimed``: the same metrics on its own test period, what it was judged by.
    """

    version: str
    as_of: date
    role: str
    ends: date
    n: int
    positives: int
    metrics: Mapping[str, Interval]
    claimed: Mapping[str, Interval]
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "version": self.version,
            "as_of": self.as_of.isoformat(),
            "role": self.role,
            "from": self.as_of.isoformat(),
            "until": self.ends.isoformat(),
            "n": self.n,
            "positives": self.positives,
            "metrics": metrics_to_dict(self.metrics),
            "claimed": metrics_to_dict(self.claimed),
            "why": self.why,
        }


def track_record(
    warehouse: Warehouse,
    state: State,
    models: Path,
    *,
    recipe: Recipe,
    as_of: date,
    fold_features: FoldFeatures | None,
) -> list[PeriodRecord]:
    """One record per earlier period that has a candidate, oldest first, judged with what is known at ``as_of``.

    Parameters
    ----------
    as_of : period whose training table gives the decisions, their features as known then, and matured outcomes.

    A version that is damaged, or of whose features the recipe has lost or redefined one, is not measured; its record
    says so. Raises InputError if the period has no training table.
    """
    rows = training_rows(warehouse, as_of)
    found = []
    for trained, version in _candidates(state, as_of):
        entry = champion_at(state, _instant(trained))
        role = "champion" if entry is not None and entry.version == version else "candidate"
        after = decisions_after(rows, trained, recipe.cadence)
        found.append(_record(models, recipe, trained, version, role, after, fold_features))
    return [record for record in found if record.n]


def decisions_after(rows: pa.Table, as_of: date, cadence: Cadence) -> pa.Table:
    """The training rows decided on in the period that begins on ``as_of``."""
    times, begins, ends = rows["decision_at"], _instant(as_of), _instant(cadence.next(as_of))
    return rows.filter(pc.and_(pc.greater_equal(times, pa.scalar(begins)), pc.less(times, pa.scalar(ends))))


def _record(
    models: Path,
    recipe: Recipe,
    trained: date,
    version: str,
    role: str,
    rows: pa.Table,
    fold_features: FoldFeatures | None,
) -> PeriodRecord:
    positives = int(pc.sum(rows["label"]).as_py() or 0)
    measured: dict[str, Interval] = {}
    claimed: dict[str, Interval] = {}
    why = ""
    try:
        manifest = registry.read_manifest(models, version)
        claimed = {name: one for name, one in metrics_from_dict(manifest["metrics"]).items() if name in MEASURED}
        model = able_to_score(models, recipe, version, fold_features=fold_features, rows=rows)
    except InputError as error:
        why = f"{error.what}."
    else:
        if positives >= MINIMUM_POSITIVES:
            scores = model.score(rows)
            measured = measure(
                rows, scores.margin, scores.probability, constant=calibration_rate(manifest), recipe=recipe
            )
    ends = recipe.cadence.next(trained)
    return PeriodRecord(version, trained, role, ends, rows.num_rows, positives, measured, claimed, why)


def calibration_rate(manifest: Mapping[str, Any]) -> float:
    """Share of positives in a version's calibration period: the constant its Brier skill is held against."""
    period = next(period for period in manifest["periods"] if period["name"] == "calibration")
    return float(period["positives"] / period["rows"])


def measure(
    rows: pa.Table, margin: np.ndarray, probability: np.ndarray, *, constant: float, recipe: Recipe
) -> dict[str, Interval]:
    """The metrics of `MEASURED` of a ranking [n] with probabilities [n] on training rows [n]."""
    codes = entity_codes(rows[recipe.decisions.entity])
    judged = Judged(rows["label"].to_numpy(), margin, probability, codes)
    found = period_metrics(judged, constant, recipe.model.bootstrap)
    return {name: found[name] for name in MEASURED}


def write_track_record(warehouse: Warehouse, as_of: date, records: Sequence[PeriodRecord]) -> None:
    """Keep the track record as known at a period's as_of: partition ``as_of`` of the table ``track_record``."""
    rows = [(record.version, record.as_of, json.dumps(record.to_dict(), sort_keys=True)) for record in records]
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    schema = pa.schema([("version", pa.string()), ("trained_as_of", pa.date32()), ("record_json", pa.string())])
    content = pa.table([pa.array(column, kind.type) for column, kind in zip(columns, schema, strict=True)], schema)
    dated = content.append_column("as_of", pa.repeat(pa.scalar(as_of, pa.date32()), content.num_rows))
    warehouse.write_partition(TABLE, as_of.isoformat(), dated)


def read_track_record(warehouse: Warehouse, as_of: date) -> list[dict[str, Any]]:
    """The records kept at a period's as_of, as `PeriodRecord.to_dict` made them; none when none were kept."""
    if as_of.isoformat() not in warehouse.partitions(TABLE):
        return []
    sql = f"SELECT record_json FROM {TABLE} WHERE as_of = @as_of"
    records = [json.loads(text) for text in table(warehouse, sql, {"as_of": as_of})["record_json"].to_pylist()]
    return sorted(records, key=lambda record: str(record["as_of"]))


def newest_track_record(warehouse: Warehouse) -> list[dict[str, Any]]:
    """The records kept at the newest period that has any."""
    kept = warehouse.partitions(TABLE)
    return read_track_record(warehouse, date.fromisoformat(max(kept))) if kept else []


def _candidates(state: State, as_of: date) -> list[tuple[date, str]]:
    return [(row["as_of"], row["version"]) for row in state.rows(CANDIDATES) if row["as_of"] < as_of]


def _instant(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), tzinfo=UTC)
