"""One day of scores: who is scored, their features as known that morning, the champion's verdict.

Lives here: the steps of a day over the warehouse. Not here: ranking and reasons (score), the SQL of who is scored
(the recipe's scoring statements), who is champion (core/versions/ledger).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadscore_dagster.core.errors import GateRefused, InputError
from leadscore_dagster.core.recipe.schema import Recipe, VintageSource
from leadscore_dagster.core.scoring.loaded import LoadedVersion, load_to_score
from leadscore_dagster.core.scoring.matured import base_rate_of_day
from leadscore_dagster.core.scoring.never import NEVER_LISTED, counted, never_listed, without
from leadscore_dagster.core.scoring.reference import at_reference
from leadscore_dagster.core.scoring.score import score_decisions
from leadscore_dagster.core.sources import ingest_log
from leadscore_dagster.core.sources.checks import require_partition
from leadscore_dagster.core.sources.connectors import Connector
from leadscore_dagster.core.sources.report import IngestReport
from leadscore_dagster.core.state import State
from leadscore_dagster.core.table.decisions import decisions_of_day
from leadscore_dagster.core.table.features.fold import fold_features_of
from leadscore_dagster.core.table.features.serving import served_features
from leadscore_dagster.core.table.features.sets import features_of
from leadscore_dagster.core.table.features.statements import statements_of
from leadscore_dagster.core.versions import registry
from leadscore_dagster.core.versions.gates import evaluate_gates, metrics_from_dict, require_passed
from leadscore_dagster.core.versions.ledger import champion_at
from leadscore_dagster.core.versions.waivers import judged
from leadscore_dagster.core.warehouse import Relation, Warehouse, table

DECISIONS, PROSPECTS = "decisions_of_day", "prospects_of_day"
LEAD_SCORES, PROSPECT_SCORES = "lead_scores_daily", "prospect_scores"


@dataclass(frozen=True)
class Taken:
    """Who is to be scored on a day: the account of the extract, how many decisions and prospects, and how many of them
    are never listed, by reason."""

    report: IngestReport
    decisions: int
    prospects: int
    never: dict[str, int]


def take_decisions(warehouse: Warehouse, recipe: Recipe, day: date, *, connector: Connector) -> Taken:
    """Read the decision source as it stands on ``day`` and write who is to be scored.

    The log is read up to the end of the day; the recipe's statement decides what counts as known by the hour it
    scores. Whom the recipe never lists is left out and kept in table ``never_listed`` with the reason.
    """
    source = recipe.decision_source.model_copy(update={"table": daily_log_table(recipe)})
    report = ingest_log(warehouse, recipe.decisions.source, source, connector, day + timedelta(days=1))
    prospects, unlisted = 0, []
    if recipe.scoring.prospects:
        prospects, never = _write_decisions(warehouse, recipe, day, recipe.scoring.prospects, PROSPECTS)
        unlisted.append(never)
    decisions, never = _write_decisions(warehouse, recipe, day, recipe.scoring.decisions, DECISIONS)
    never = pa.concat_tables([never, *unlisted])
    warehouse.write_partition(NEVER_LISTED, day.isoformat(), never)
    return Taken(report, decisions, prospects, counted(never))


def champion_of_day(
    state: State, models: Path, recipe: Recipe, *, day: date, recorded_until: datetime | None = None
) -> LoadedVersion:
    """The champion at the start of ``day``, its files verified and its gates, and who let it past one, evaluated again.

    ``recorded_until``: when the run began that asks; it finishes with the champion it began with, whatever is written
    into the ledger meanwhile.

    Raises
    ------
    GateRefused : nobody is champion on that day, or the champion's stored evidence does not pass the gates.
    InputError : the version's files are not what its digests say, or its features are no longer computed as they were.
    """
    entry = champion_at(state, datetime.combine(day, datetime.min.time(), tzinfo=UTC), recorded_until)
    if entry is None:
        raise GateRefused(
            f"No champion of {recipe.name!r} on {day}: no candidate had passed its gates by then. "
            f"Run `leadscore run {recipe.name}` for a {recipe.cadence.value} that begins on or before that day."
        )
    manifest = registry.read_manifest(models, entry.version)
    results = evaluate_gates(metrics_from_dict(manifest["metrics"]), recipe.gates)
    require_passed(judged(state, entry.version, results, on=day), f"Champion {entry.version} on {day}")
    return load_to_score(models, entry.version, fold_features_of(recipe), statements=statements_of(recipe))


def score_day(
    warehouse: Warehouse,
    recipe: Recipe,
    champion: LoadedVersion,
    *,
    day: date,
    decisions: str,
    target: str,
    scored_at: datetime,
) -> pa.Table:
    """Score the day's partition of ``decisions`` and write it as the day's partition of ``target``.

    With ``model.base_rate`` in the recipe the probabilities are held against matured outcomes first: kept, corrected
    or left out (see `matured`).
    """
    require_partition(warehouse, decisions, day)
    who = f"SELECT decision_id, {recipe.decisions.entity}, decision_at FROM {decisions} WHERE score_day = @day"
    rows = at_reference(served_features(warehouse, recipe, who, log_of_day(recipe), {"day": day}), recipe)
    ids = table(warehouse, f"SELECT decision_id FROM {decisions} WHERE score_day = @day", {"day": day})
    settings = recipe.model.base_rate
    base_rate = (
        base_rate_of_day(warehouse, recipe, champion, day=day, base_rate=settings, log_of_day=log_of_day(recipe))
        if settings
        else None
    )
    scores = score_decisions(
        rows,
        champion,
        recipe,
        day=day,
        vintage_as_of=_newest_vintage(warehouse, recipe, day),
        scored_at=scored_at,
        # the words are today's; what a version was trained with stands in for features the recipe no longer has
        catalogue={**champion.catalogue, **{feature.name: feature for feature in features_of(recipe)}},
        decisions=ids["decision_id"],
        base_rate=base_rate,
    )
    warehouse.write_partition(target, day.isoformat(), scores)
    return scores


def score_histogram(probability: npt.NDArray[np.float64]) -> str:
    """Distribution of the day's scores as a Markdown table; NaN is no score."""
    probability = probability[~np.isnan(probability)]
    edges = np.quantile(probability, [0, 0.25, 0.5, 0.75, 0.9, 0.99, 1]) if len(probability) else np.zeros(0)
    names = ("lowest", "25%", "median", "75%", "90%", "99%", "highest")
    rows = "\n".join(f"| {name} | {edge:.2%} |" for name, edge in zip(names, edges, strict=False))
    return f"| quantile | score |\n|---|---|\n{rows}\n"


def base_rate_of(scores: pa.Table) -> dict[str, str | float]:
    """What matured outcomes said of a day's probabilities; empty where nobody asked, or nobody was scored."""
    names = [name for name in scores.column_names if name.startswith("base_rate_")]
    return {name: scores[name][0].as_py() for name in names} if scores.num_rows else {}


def _write_decisions(warehouse: Warehouse, recipe: Recipe, day: date, name: str, target: str) -> tuple[int, pa.Table]:
    """Write those who may be listed; returns their number, and who may not."""
    found = decisions_of_day(warehouse, recipe, name, day, day + timedelta(days=1), log_of_day(recipe))
    never = never_listed(warehouse, recipe, found, day=day, log=log_of_day(recipe))
    rows = without(found, never)
    rows = rows.append_column("score_day", pa.repeat(pa.scalar(day, pa.date32()), rows.num_rows))
    return warehouse.write_partition(target, day.isoformat(), rows), never


def daily_log_table(recipe: Recipe) -> str:
    return f"{recipe.decision_source.table}_of_day"


def log_of_day(recipe: Recipe) -> dict[str, Relation]:
    """The log as it stood that day takes the place of its partitions of periods."""
    log = f"SELECT * FROM {daily_log_table(recipe)} WHERE as_of = DATE_ADD(@day, INTERVAL 1 DAY)"
    return {recipe.decision_source.table: log}


def _newest_vintage(warehouse: Warehouse, recipe: Recipe, day: date) -> date | None:
    """The oldest of the sources' newest vintages that had arrived before the day began."""
    newest = []
    for source in recipe.sources.values():
        if isinstance(source, VintageSource):
            sql = f"SELECT MAX(as_of) AS as_of FROM {source.table} WHERE available_at <= TIMESTAMP(@day)"
            newest.append(table(warehouse, sql, {"day": day})["as_of"][0].as_py())
    if any(as_of is None for as_of in newest):
        raise InputError(f"A source had no vintage on {day}", remedy="ingest the earlier drops first")
    return min(newest, default=None)
