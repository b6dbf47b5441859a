"""From a judged candidate to the champion: gates first, then the paired comparison, then one ledger entry.

Lives here: the order of these steps. Not here: the gates and the comparison themselves (gates, comparison), the
ledger's rules (ledger), training (modelling).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.catalogue import phrase_of
from leadscore_dagster.core.measures.intervals import unmeasured
from leadscore_dagster.core.modelling.candidate import Candidate
from leadscore_dagster.core.modelling.judgement.judging import Known
from leadscore_dagster.core.modelling.scoring import FoldFeatures
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.state import State
from leadscore_dagster.core.state.tables import CANDIDATES
from leadscore_dagster.core.table.features.statements import statements_of
from leadscore_dagster.core.verdict import Reason, Verdict, from_json, to_json
from leadscore_dagster.core.versions import registry
from leadscore_dagster.core.versions.comparison import PROMOTION, compare
from leadscore_dagster.core.versions.gates import evaluate_gates, require_passed, sentence
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


@dataclass(frozen=True)
class Ruling:
    """What became of a candidate: ``action`` promote, keep or shadow, the champion from now on, and every verdict.
    ``reason``: that of the comparison with the champion."""

    action: str
    candidate: str
    champion: str
    results: tuple[Verdict, ...]
    reason: Reason
    why: str


def register_candidate(
    state: State,
    models: Path,
    recipe: Recipe,
    *,
    as_of: date,
    candidate: Candidate,
    vintages: dict[str, str],
    code_version: str,
    recorded_at: datetime,
) -> str:
    """Store a candidate: its files, its entry in ``model_versions``, and as the candidate of its period."""
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
        state,
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
    with state.writing() as writing:
        writing.replace(CANDIDATES, {"as_of": as_of, "version": version})
    return version


def known_before(state: State, models: Path, recipe: Recipe, *, as_of: date) -> Known:
    """What a period's candidate is held against while it is judged: the champion before it, the recipe's limit. A
    champion whose files cannot be read is held against nothing."""
    champion = champion_before(state, datetime.combine(as_of, datetime.min.time(), tzinfo=UTC))
    importances, absent = {}, unmeasured(Reason.NO_CHAMPION, "there is no champion yet")
    if champion is not None:
        absent = unmeasured(Reason.UNREADABLE_CHAMPION, f"champion {champion.version} cannot be read")
        try:
            importances = registry.read_manifest(models, champion.version)["importances"]
        except InputError:
            importances = {}
    asked = "importance_stability" in recipe.gates
    known = Known(importances, importance_stability=absent if asked and not importances else None)
    gate = recipe.gates.get("ece")
    return replace(known, ece_limit=gate.threshold) if gate else known


def candidate_of(state: State, as_of: date) -> str:
    """Version of a period's candidate. Raises InputError when none was trained."""
    found = state.rows(CANDIDATES, as_of=as_of)
    if not found:
        raise InputError(
            f"No candidate was trained for {as_of}", where=CANDIDATES.name, remedy=f"run the period {as_of} first"
        )
    return str(found[0]["version"])


def judge(state: State, models: Path, recipe: Recipe, *, version: str, on: date) -> list[Verdict]:
    """The recipe's gates over a version's stored metrics, computed afresh; what was waived on a day passes."""
    results = evaluate_gates(registry.load_metrics(models, version), recipe.gates)
    return judged(state, version, results, on=on)


def not_promoted(state: State, version: str) -> list[Verdict]:
    """The newest comparison with a champion that kept a version from being promoted, as the ledger has it: what a
    person may waive to replace that champion all the same. Empty for a version that was not held against one last."""
    about = [entry for entry in history(state) if entry.version == version]
    if not about or about[-1].action != "keep":
        return []
    return [verdict for verdict in from_json(about[-1].gates_json) if verdict.name == PROMOTION]


def rule(
    state: State,
    models: Path,
    recipe: Recipe,
    *,
    as_of: date,
    training: pa.Table,
    fold_features: FoldFeatures | None,
    recorded_at: datetime,
) -> Ruling:
    """Judge a period's candidate and write what became of it into the ledger.

    A candidate that is not better than the champion, or cannot be compared with it, replaces it where somebody has
    waived that comparison: at once, for a person has decided.

    Raises
    ------
    GateRefused : a gate failed; nothing is written, and whoever was champion stays champion.
    """
    version = candidate_of(state, as_of)
    day, instant = recorded_at.date(), datetime.combine(as_of, datetime.min.time(), tzinfo=UTC)
    champion = champion_before(state, instant)
    other = champion if champion is not None and champion.version != version else None
    results = judge(state, models, recipe, version=version, on=day)
    if other is not None:
        results = [_against(other, state, version, result, day) for result in results]
    require_passed(results, f"Candidate {version}")
    compared = compare(
        models,
        recipe,
        as_of,
        version=version,
        champion=champion.version if champion else None,
        training=training,
        fold_features=fold_features,
    )
    waived = other is not None and any(waiver.gate == PROMOTION for waiver in waivers_of(state, version, day))
    comparison = compared.told(promoted=compared.verdict.passed or waived)
    if other is not None:
        (comparison,) = judged(state, version, [comparison], on=day)
    action, waiting = instead_of_promotion(comparison, None if comparison.waived else champion, recipe.shadow)
    verdicts = (*results, comparison, *waiting)
    why = " ".join(verdict.why for verdict in (comparison, *waiting))
    append_entry(
        state,
        LedgerEntry(
            recipe=recipe.name,
            version=version,
            action=action,
            effective_from=instant,
            recorded_at=recorded_at,
            why=why,
            gates_json=to_json(verdicts),
            waiver=_waiver_text(state, version, day),
        ),
    )
    holder = version if action == "promote" or champion is None else champion.version
    return Ruling(action, version, holder, verdicts, comparison.reason, why)


def _against(champion: LedgerEntry, state: State, version: str, result: Verdict, on: date) -> Verdict:
    """A verdict over a candidate that passed for want of a champion, now that there is one: periods may be run in
    any order."""
    if result.reason is not Reason.NO_CHAMPION:
        return result
    told = (
        f"{phrase_of(result.name)} was not measured: {champion.version} became champion after the candidate was "
        "trained; train it again: refused"
    )
    failed = replace(result, passed=False, reason=Reason.CHAMPION_SINCE_TRAINING, why=sentence(told))
    return judged(state, version, [failed], on=on)[0]


def _waiver_text(state: State, version: str, on: date) -> str | None:
    return "; ".join(waiver.text() for waiver in waivers_of(state, version, on)) or None
