"""From a judged candidate to the champion: gates first, then the paired comparison, then one ledger entry.

Lives here: the order of these steps. Not here: the gates and the comparison themselves (gates), the ledger's rules
(champion), training (modelling).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.catalogue import METRICS, phrase_of
from leadscore_dagster.core.modelling.candidate import Candidate
from leadscore_dagster.core.modelling.judgement.judging import Known
from leadscore_dagster.core.modelling.scoring import FoldFeatures, ScoringModel
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.statements import statements_of
from leadscore_dagster.core.table.training import require_features
from leadscore_dagster.core.table.training_rows import rows_of
from leadscore_dagster.core.versions import registry
from leadscore_dagster.core.versions.gates import (
    NO_CHAMPION,
    PROMOTION,
    GateResult,
    compare_with_champion,
    evaluate_gates,
    require_passed,
    to_json,
)
from leadscore_dagster.core.versions.ledger import (
    LedgerEntry,
    ModelVersion,
    append_entry,
    champion_before,
    history,
    record_version,
)
from leadscore_dagster.core.versions.shadow import instead_of_promotion
from leadscore_dagster.core.versions.waivers import judged, waivers_of
from leadscore_dagster.core.warehouse import Warehouse, table

CANDIDATES = "candidate_model"
#: fewer positives decided on after the champion was trained do not allow a comparison
MINIMUM_COMPARED_POSITIVES = 30
_UNCHANGED = ": unchanged."


@dataclass(frozen=True)
class Ruling:
    """What became of a candidate: ``action`` promote, keep or shadow, the champion from now on, and every verdict."""

    action: str
    candidate: str
    champion: str
    results: tuple[GateResult, ...]
    why: str


def register_candidate(
    warehouse: Warehouse,
    models: Path,
    recipe: Recipe,
    as_of: date,
    candidate: Candidate,
    *,
    vintages: dict[str, str],
    code_version: str,
    recorded_at: datetime,
) -> str:
    """Store a candidate: its files, its entry in ``model_versions``, and as the candidate of its quarter."""
    version = registry.save_version(
        models,
        candidate,
        recipe=recipe.name,
        as_of=as_of,
        vintages=vintages,
        code_version=code_version,
        statements=statements_of(recipe).digests,
    )
    manifest = registry.read_manifest(models, version)
    record_version(
        warehouse,
        ModelVersion(
            recipe=recipe.name,
            version=version,
            as_of=as_of,
            recorded_at=recorded_at,
            digest=version[-12:],
            metrics_json=json.dumps(manifest["metrics"], sort_keys=True),
            lineage_json=json.dumps({"vintages": vintages, "code_version": code_version}, sort_keys=True),
        ),
    )
    warehouse.write_partition(CANDIDATES, as_of.isoformat(), pa.table({"as_of": [as_of], "version": [version]}))
    return version


def known_before(warehouse: Warehouse, models: Path, recipe: Recipe, as_of: date) -> Known:
    """What a quarter's candidate is held against while it is judged: the champion before it, the recipe's limit. A
    champion whose files cannot be read is held against nothing."""
    champion = champion_before(warehouse, datetime.combine(as_of, datetime.min.time(), tzinfo=UTC))
    importances, absent = {}, NO_CHAMPION
    if champion is not None:
        try:
            importances = registry.read_manifest(models, champion.version)["importances"]
        except InputError:
            absent = f"champion {champion.version} cannot be read"
    asked = "importance_stability" in recipe.gates
    known = Known(importances, no_importances=absent if asked and not importances else "")
    gate = recipe.gates.get("ece")
    return replace(known, ece_limit=gate.threshold) if gate else known


def candidate_of(warehouse: Warehouse, as_of: date) -> str:
    """Version of a quarter's candidate. Raises InputError when none was trained."""
    if as_of.isoformat() not in warehouse.partitions(CANDIDATES):
        raise InputError(
            f"No candidate was trained for {as_of}", where=CANDIDATES, remedy=f"run the quarter {as_of} first"
        )
    found = table(warehouse, f"SELECT version FROM {CANDIDATES} WHERE as_of = @as_of", {"as_of": as_of})
    return str(found["version"][0].as_py())


def judge(warehouse: Warehouse, models: Path, recipe: Recipe, version: str, on: date) -> list[GateResult]:
    """The recipe's gates over a version's stored metrics, computed afresh; what was waived on a day passes."""
    results = evaluate_gates(registry.load_metrics(models, version), recipe.gates)
    return judged(warehouse, version, results, on)


def not_promoted(warehouse: Warehouse, version: str) -> list[GateResult]:
    """The newest comparison with a champion that kept a version from being promoted, as the ledger has it: what a
    person may waive to replace that champion all the same. Empty for a version that was not held against one last."""
    about = [entry for entry in history(warehouse) if entry.version == version]
    if not about or about[-1].action != "keep":
        return []
    kept = [GateResult(**stored) for stored in json.loads(about[-1].gates_json)]
    return [result for result in kept if result.name == PROMOTION]


def rule(
    warehouse: Warehouse,
    models: Path,
    recipe: Recipe,
    as_of: date,
    training: pa.Table,
    fold_features: FoldFeatures | None,
    recorded_at: datetime,
) -> Ruling:
    """Judge a quarter's candidate and write what became of it into the ledger.

    A candidate that is not better than the champion, or cannot be compared with it, replaces it where somebody has
    waived that comparison: at once, for a person has decided.

    Raises
    ------
    GateRefused : a gate failed; nothing is written, and whoever was champion stays champion.
    """
    version = candidate_of(warehouse, as_of)
    day, instant = recorded_at.date(), datetime.combine(as_of, datetime.min.time(), tzinfo=UTC)
    champion = champion_before(warehouse, instant)
    results = judge(warehouse, models, recipe, version, day)
    if champion is not None and champion.version != version:
        results = [_against(champion, warehouse, version, result, day) for result in results]
    require_passed(results, f"Candidate {version}")
    comparison = _compare(models, recipe, as_of, version, champion, training, fold_features)
    if champion is not None and champion.version != version:
        comparison = _waived(warehouse, version, comparison, day)
    action, waiting = instead_of_promotion(comparison, None if comparison.waived else champion, recipe.shadow)
    verdicts = (*results, comparison, *waiting)
    why = " ".join(verdict.why for verdict in (comparison, *waiting))
    append_entry(
        warehouse,
        LedgerEntry(
            recipe=recipe.name,
            version=version,
            action=action,
            effective_from=instant,
            recorded_at=recorded_at,
            why=why,
            gates_json=to_json(verdicts),
            waiver=_waiver_text(warehouse, version, day),
        ),
    )
    holder = version if action == "promote" or champion is None else champion.version
    return Ruling(action, version, holder, verdicts, why)


def _against(champion: LedgerEntry, warehouse: Warehouse, version: str, result: GateResult, on: date) -> GateResult:
    """A verdict over a candidate that passed for want of a champion, now that there is one: quarters may be run in
    any order."""
    if not METRICS[result.name].against_champion or not result.why.startswith(NO_CHAMPION):
        return result
    why = (
        f"{phrase_of(result.name)} was not measured: {champion.version} became champion after the candidate was trained"
    )
    failed = replace(result, passed=False, why=f"{why[0].upper()}{why[1:]}; train the quarter again: refused.")
    return judged(warehouse, version, [failed], on)[0]


def _waiver_text(warehouse: Warehouse, version: str, on: date) -> str | None:
    return "; ".join(waiver.text() for waiver in waivers_of(warehouse, version, on)) or None


def _compare(
    models: Path,
    recipe: Recipe,
    as_of: date,
    version: str,
    champion: LedgerEntry | None,
    training: pa.Table,
    fold_features: FoldFeatures | None,
) -> GateResult:
    """Candidate against champion on the decisions of the candidate's test period neither was trained on."""
    scored = registry.load_test_scores(models, version)
    label, margin = scored["label"].to_numpy(), scored["margin"].to_numpy()
    if champion is None:
        return compare_with_champion(label, margin, None, None, recipe.promotion, 0)
    if champion.version == version:
        return GateResult(PROMOTION, False, 0.0, 0.0, 0.0, 0.0, "The candidate is the champion already: unchanged.")
    rows = rows_of(training, scored["decision_id"])
    try:
        model = able_to_score(models, recipe, champion.version, fold_features, rows)
    except InputError as error:
        return _not_comparable(recipe, as_of, version, champion.version, error)
    seen_until = _trained_until(models, champion.version)
    fresh = np.flatnonzero(pc.greater(rows["decision_at"], pa.scalar(seen_until)).to_numpy(zero_copy_only=False))
    if int(label[fresh].sum()) < MINIMUM_COMPARED_POSITIVES:
        why = (
            f"Only {int(label[fresh].sum())} positives were decided on after champion {champion.version} was trained; "
            f"{MINIMUM_COMPARED_POSITIVES} are needed to compare: unchanged."
        )
        return GateResult(PROMOTION, False, None, None, None, 0.0, why)
    champion_margin = model.score(rows.take(pa.array(fresh))).margin
    return compare_with_champion(
        label[fresh],
        margin[fresh],
        champion_margin,
        rows[recipe.decisions.entity].take(pa.array(fresh)),
        recipe.promotion,
        _quarters_between(champion.version, as_of),
        recipe.model.bootstrap_replicates,
        recipe.model.seed,
    )


def able_to_score(
    models: Path, recipe: Recipe, version: str, fold_features: FoldFeatures | None, rows: pa.Table
) -> ScoringModel:
    """A version, to score training rows of today's recipe as it would have scored these decisions.

    Raises InputError if its files are damaged, the recipe or the rows no longer have a feature it needs, or one is
    computed otherwise than when it was trained.
    """
    model = registry.load_version(models, version, fold_features, statements_of(recipe))
    require_features(rows, version, model.features)
    return model


def _not_comparable(recipe: Recipe, as_of: date, version: str, champion: str, error: InputError) -> GateResult:
    reason = error.what.replace(f"model {champion}", f"champion {champion}")
    what_to_do = [f"To compare them, {error.remedy}."] if error.remedy else []
    what_to_do.append(
        f"To replace the champion on purpose, `leadscore waive {recipe.name} --version {version} --gate {PROMOTION} "
        f"--until DATE --why WHY --by WHO`, then `leadscore run {recipe.name} --as-of {as_of}`."
    )
    why = f"Cannot be compared: {reason}{_UNCHANGED} {' '.join(what_to_do)}"
    return GateResult(PROMOTION, False, None, None, None, 0.0, why)


def _waived(warehouse: Warehouse, version: str, comparison: GateResult, on: date) -> GateResult:
    """The comparison as it stands after waivers; what was measured stays in the reason."""
    (found,) = judged(warehouse, version, [comparison], on)
    measured, unchanged, _ = found.why.partition(_UNCHANGED)
    return replace(found, why=f"{measured}: promoted.") if found.waived and unchanged else found


def _trained_until(models: Path, version: str) -> datetime:
    """The last decision a version was fitted or calibrated on."""
    periods = registry.read_manifest(models, version)["periods"]
    return max(datetime.fromisoformat(period["last"]) for period in periods if period["name"] != "test")


def _quarters_between(version: str, as_of: date) -> int:
    trained = registry.trained_as_of(version)
    return (as_of.year - trained.year) * 4 + (as_of.month - trained.month) // 3
