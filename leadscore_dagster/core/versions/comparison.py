"""The candidate beside the champion, on decisions neither was trained on: who is better, and what it comes to.

Lives here: which rows are compared, the paired interval, the verdict and its sentence. Not here: the gates that come
first (gates), what follows from a verdict (promotion), waivers (waivers).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.catalogue import curve_metrics, phrase_of
from leadscore_dagster.core.measures.intervals import Bootstrap, Interval
from leadscore_dagster.core.measures.judged import Judged, entity_codes
from leadscore_dagster.core.measures.metrics import curve, rank
from leadscore_dagster.core.measures.period import paired_difference
from leadscore_dagster.core.modelling.scoring import FoldFeatures, ScoringModel
from leadscore_dagster.core.recipe.schema import Cadence, Promotion, Recipe
from leadscore_dagster.core.table.features.statements import statements_of
from leadscore_dagster.core.table.training import require_features
from leadscore_dagster.core.table.training_rows import rows_of
from leadscore_dagster.core.verdict import Reason, Verdict
from leadscore_dagster.core.versions import registry
from leadscore_dagster.core.versions.gates import finite, number

PROMOTION = "better_than_champion"
#: fewer positives decided on after the champion was trained do not allow a comparison
MINIMUM_COMPARED_POSITIVES = 30


@dataclass(frozen=True)
class Comparison:
    """A verdict without its sentence, and what the sentence is made of: what was found, and what a person can do where
    nothing could be compared."""

    verdict: Verdict
    found: str
    remedy: str = ""

    def told(self, *, promoted: bool) -> Verdict:
        """The verdict with its sentence, which says what becomes of the candidate."""
        told = f"{self.found}: promoted." if promoted else f"{self.found}: unchanged. {self.remedy}".rstrip()
        return replace(self.verdict, why=told)


def compare(
    models: Path,
    recipe: Recipe,
    as_of: date,
    *,
    version: str,
    champion: str | None,
    training: pa.Table,
    fold_features: FoldFeatures | None,
) -> Comparison:
    """Candidate against champion on the decisions of the candidate's test period neither was trained on."""
    scored = registry.load_test_scores(models, version)
    if champion is None:
        return Comparison(Verdict(PROMOTION, True, Reason.NO_CHAMPION, threshold=0.0), "There is no champion yet")
    if champion == version:
        same = Verdict(PROMOTION, False, Reason.SAME_VERSION, value=0.0, low=0.0, high=0.0, threshold=0.0)
        return Comparison(same, "The candidate is already the champion")
    label, margin = scored["label"].to_numpy(), scored["margin"].to_numpy()
    rows = rows_of(training, scored["decision_id"])
    try:
        model = able_to_score(models, recipe, champion, fold_features=fold_features, rows=rows)
    except InputError as error:
        return _not_comparable(recipe, as_of, version, champion, error)
    seen_until = _trained_until(models, champion)
    fresh = np.flatnonzero(pc.greater(rows["decision_at"], pa.scalar(seen_until)).to_numpy(zero_copy_only=False))
    positives = int(label[fresh].sum())
    if positives < MINIMUM_COMPARED_POSITIVES:
        found = (
            f"Only {positives} positives were decided on after champion {champion} was trained; "
            f"{MINIMUM_COMPARED_POSITIVES} are needed to compare"
        )
        few = Verdict(PROMOTION, False, Reason.TOO_FEW_POSITIVES, threshold=0.0, n=len(fresh))
        return Comparison(few, found)
    entity = entity_codes(rows[recipe.decisions.entity].take(pa.array(fresh)))
    return compare_with_champion(
        Judged.ranked(label[fresh], margin[fresh], entity),
        model.score(rows.take(pa.array(fresh))).margin,
        recipe.promotion,
        champion_age=recipe.cadence.count(registry.trained_as_of(champion), as_of),
        bootstrap=recipe.model.bootstrap,
        cadence=recipe.cadence,
    )


def compare_with_champion(
    judged: Judged,
    champion_margin: np.ndarray,
    promotion: Promotion,
    *,
    champion_age: int,
    bootstrap: Bootstrap,
    cadence: Cadence = Cadence.QUARTER,
) -> Comparison:
    """Whether the candidate replaces the champion: ``passed`` means promoted, otherwise unchanged.

    Both score the same rows, ``judged`` by the candidate, which neither was trained on. The paired interval of the
    difference must lie above 0. A champion whose ``champion_age``, in periods of the cadence, is more than
    ``promotion.stale_after_periods`` is replaced unless the interval's low end loses more than
    ``promotion.tolerance`` of its value.
    """
    metric = promotion.metric
    difference = paired_difference(judged, champion_margin, metric, bootstrap=bootstrap)
    measure, margins = curve_metrics()[metric], (champion_margin, judged.margin)
    champion, candidate = (measure(curve(rank(judged.label, margin))) for margin in margins)
    stale = champion_age > promotion.stale_after_periods
    # a champion that gained the benefit of the doubt by age may be replaced by its near equal
    threshold = -promotion.tolerance * champion if stale else 0.0
    reason = _reason(difference, threshold, stale)
    verdict = Verdict(
        PROMOTION,
        reason in (Reason.BETTER, Reason.CHAMPION_STALE),
        reason,
        value=finite(difference.value),
        low=finite(difference.low),
        high=finite(difference.high),
        threshold=finite(threshold) or 0.0,
        n=difference.n,
    )
    facts = (
        f"On the same {difference.n:,} decisions with {difference.positives:,} positives, {phrase_of(metric)} is "
        f"{number(candidate)} for the candidate and {number(champion)} for the champion, a difference of "
        f"{difference.value:+.4f} (95% interval {difference.low:+.4f} to {difference.high:+.4f})"
    )
    return Comparison(verdict, f"{facts}. {_ruling(reason, promotion, f'{champion_age} {cadence.value}s')}")


def _reason(difference: Interval, threshold: float, stale: bool) -> Reason:
    if not np.isfinite([difference.low, threshold]).all():
        return Reason.NOT_MEASURABLE
    if stale:
        return Reason.CHAMPION_STALE if difference.low >= threshold else Reason.PERHAPS_WORSE
    if difference.low > 0:
        return Reason.BETTER
    return Reason.WORSE if difference.high < 0 else Reason.WITHIN_CHANCE


def _ruling(reason: Reason, promotion: Promotion, age: str) -> str:
    """What the interval says, in words."""
    old = f"The champion is {age} old, more than {promotion.stale_after_periods}"
    return {
        Reason.NOT_MEASURABLE: "The rows do not allow a comparison",
        Reason.CHAMPION_STALE: f"{old}, and the candidate is not clearly worse",
        Reason.PERHAPS_WORSE: f"{old}, but the candidate may be more than {promotion.tolerance:.0%} worse",
        Reason.BETTER: "The improvement is larger than chance explains",
        Reason.WORSE: "The candidate is worse",
        Reason.WITHIN_CHANCE: "The difference may be noise",
    }[reason]


def able_to_score(
    models: Path, recipe: Recipe, version: str, *, fold_features: FoldFeatures | None, rows: pa.Table
) -> ScoringModel:
    """A version, to score training rows of today's recipe as it would have scored these decisions.

    Raises InputError if its files are damaged, the recipe or the rows no longer have a feature it needs, or one is
    computed otherwise than when it was trained.
    """
    model = registry.load_version(models, version, fold_features, statements=statements_of(recipe))
    require_features(rows, version, model.features)
    return model


def _not_comparable(recipe: Recipe, as_of: date, version: str, champion: str, error: InputError) -> Comparison:
    what = error.what.replace(f"model {champion}", f"champion {champion}")
    what_to_do = [f"To compare them, {error.remedy}."] if error.remedy else []
    what_to_do.append(
        f"To replace the champion on purpose, `leadscore waive {recipe.name} --version {version} --gate {PROMOTION} "
        f"--until DATE --why WHY --by WHO`, then `leadscore run {recipe.name} --as-of {as_of}`."
    )
    verdict = Verdict(PROMOTION, False, Reason.NOT_COMPARABLE, threshold=0.0)
    return Comparison(verdict, f"Cannot be compared: {what}", " ".join(what_to_do))


def _trained_until(models: Path, version: str) -> datetime:
    """The last decision a version was fitted or calibrated on."""
    periods = registry.read_manifest(models, version)["periods"]
    return max(datetime.fromisoformat(period["last"]) for period in periods if period["name"] != "test")
