"""Gates: pure functions from evidence to a verdict. The check shows it; every consumer calls it again.

Lives here: metrics against thresholds, candidate against champion, the JSON of verdicts. Not here: measuring
(core/modelling), the champion's ledger, anything that blocks (Dagster layer).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.errors import GateRefused
from leadscore_dagster.core.measures.catalogue import METRICS, curve_metrics, phrase_of
from leadscore_dagster.core.measures.intervals import Interval, entity_codes, paired_difference
from leadscore_dagster.core.measures.metrics import curve, rank
from leadscore_dagster.core.recipe.schema import Gate, Promotion

PROMOTION = "better_than_champion"
#: why there is nothing to compare with; as an interval's ``method`` it lets a candidate past such a metric's gate
NO_CHAMPION = "There is no champion yet"


@dataclass(frozen=True)
class GateResult:
    """One verdict: value and interval (None when unknown), threshold, and why, as a sentence.

    ``waived``: it passes because somebody let it pass (waivers), not by what was measured.
    """

    name: str
    passed: bool
    value: float | None
    low: float | None
    high: float | None
    threshold: float
    why: str
    waived: bool = False

    @property
    def verdict(self) -> str:
        """In one word."""
        return "waived" if self.waived else "passed" if self.passed else "refused"


def evaluate_gates(metrics: Mapping[str, Interval], gates: Mapping[str, Gate]) -> list[GateResult]:
    """Hold every gate's metric against its threshold, in the recipe's order.

    The unfavourable end of the interval decides unless the gate says ``use: point``. A metric that is missing
    or has no value or end there fails: what was not measured has not passed. A comparison with the champion passes
    where there was none.
    """
    return [_evaluate(name, metrics.get(name), gate) for name, gate in gates.items()]


def refused(results: Sequence[GateResult]) -> list[GateResult]:
    """The verdicts that did not pass."""
    return [result for result in results if not result.passed]


def require_passed(results: Sequence[GateResult], what: str) -> None:
    """Raise GateRefused naming every failed gate; also when there is no verdict at all."""
    failed = refused(results)
    if failed:
        raise GateRefused(f"{what} was refused. " + " ".join(result.why for result in failed))
    if not results:
        raise GateRefused(f"{what} was refused. No gate was evaluated.")


def compare_with_champion(
    label: np.ndarray,
    candidate_margin: np.ndarray,
    champion_margin: np.ndarray | None,
    entity: pa.ChunkedArray | pa.Array | np.ndarray | None,
    promotion: Promotion,
    champion_age_quarters: int,
    replicates: int = 1000,
    seed: int = 0,
) -> GateResult:
    """Whether the candidate replaces the champion: ``passed`` means promoted, otherwise unchanged.

    Both score the same rows [n], which neither was trained on. The paired interval of the difference must lie
    above 0. A champion older than ``promotion.stale_after_quarters`` is replaced unless the interval's low
    end loses more than ``promotion.tolerance`` of its value. Without a champion (``champion_margin`` None)
    the candidate is the first.
    """
    metric, phrase = promotion.metric, phrase_of(promotion.metric)
    if champion_margin is None:
        return GateResult(PROMOTION, True, None, None, None, 0.0, f"{NO_CHAMPION}: promoted.")
    label = np.asarray(label)
    codes = entity_codes(entity)
    difference = paired_difference(label, candidate_margin, champion_margin, metric, codes, replicates, seed)
    champion, candidate = (curve_metrics()[metric](curve(rank(label, m))) for m in (champion_margin, candidate_margin))
    stale = champion_age_quarters > promotion.stale_after_quarters
    # a champion that gained the benefit of the doubt by age may be replaced by its near equal
    threshold = -promotion.tolerance * champion if stale else 0.0
    known = bool(np.isfinite(difference.low) and np.isfinite(threshold))
    passed = known and (difference.low >= threshold if stale else difference.low > 0)
    facts = (
        f"On the same {difference.n:,} decisions with {difference.positives:,} positives, {phrase} is "
        f"{_number(candidate)} for the candidate and {_number(champion)} for the champion, a difference of "
        f"{difference.value:+.4f} (95% interval {difference.low:+.4f} to {difference.high:+.4f})"
    )
    if not known:
        ruling = "The rows do not allow a comparison: unchanged."
    elif stale:
        limit = promotion.stale_after_quarters
        age = f"The champion is {champion_age_quarters} quarters old, more than {limit}"
        ruling = (
            f"{age}, and the candidate is not clearly worse: promoted."
            if passed
            else f"{age}, but the candidate may be more than {promotion.tolerance:.0%} worse: unchanged."
        )
    elif passed:
        ruling = "The improvement is larger than chance explains: promoted."
    elif difference.high < 0:
        ruling = "The candidate is worse: unchanged."
    else:
        ruling = "The difference may be noise: unchanged."
    ends = (_known(difference.value), _known(difference.low), _known(difference.high))
    return GateResult(PROMOTION, passed, *ends, threshold if np.isfinite(threshold) else 0.0, f"{facts}. {ruling}")


def to_json(results: Sequence[GateResult]) -> str:
    """Verdicts as a JSON list; ``waived`` stands only where it is true."""
    stored = [{name: value for name, value in asdict(one).items() if name != "waived" or value} for one in results]
    return json.dumps(stored, allow_nan=False)


def metrics_to_dict(metrics: Mapping[str, Interval]) -> dict[str, dict[str, Any]]:
    """Metrics ready for JSON, so that stored evidence can be judged again."""
    return {name: interval.to_dict() for name, interval in metrics.items()}


def metrics_from_dict(stored: Mapping[str, Mapping[str, Any]]) -> dict[str, Interval]:
    """Inverse of ``metrics_to_dict``."""
    return {name: Interval.from_dict(value) for name, value in stored.items()}


def _evaluate(name: str, measured: Interval | None, gate: Gate) -> GateResult:
    phrase, against_champion = phrase_of(name), METRICS[name].against_champion
    if measured is None:
        return GateResult(name, False, None, None, None, gate.threshold, _sentence(f"{phrase} was not measured"))
    if against_champion and measured.method == NO_CHAMPION:
        return GateResult(name, True, None, None, None, gate.threshold, f"{NO_CHAMPION}: passed.")
    at_least = gate.at_least is not None
    if gate.use == "point":
        deciding, which = measured.value, "the value"
    else:
        deciding, which = (measured.low, "the low end") if at_least else (measured.high, "the high end")
    known = np.isfinite(deciding) and np.isfinite(measured.value)
    passed = bool(known and (deciding >= gate.threshold if at_least else deciding <= gate.threshold))
    rule = f"{'at least' if at_least else 'at most'} {_number(gate.threshold, deciding)}"
    counts = _counts(name, measured)
    if not known:
        reason = f" ({measured.method})" if against_champion else ""
        why = f"{phrase} cannot be measured on {counts}{reason}, but must be {rule}"
    elif measured.low == measured.high:
        why = f"{phrase}: {_number(measured.value, gate.threshold)} ({counts}); it must be {rule}"
    else:
        value, low, high = (_number(end, gate.threshold) for end in (measured.value, measured.low, measured.high))
        why = (
            f"{phrase} is {value} (95% interval {low} to {high}; {counts}); {which}"
            f"{'' if gate.use == 'point' else ', ' + _number(deciding, gate.threshold) + ','} must be {rule}"
        )
    ends = (_known(measured.value), _known(measured.low), _known(measured.high))
    return GateResult(name, passed, *ends, gate.threshold, _sentence(f"{why}: {'passed' if passed else 'refused'}"))


def _counts(name: str, measured: Interval) -> str:
    """What a metric rests on."""
    if METRICS[name].rests_on == "features":
        return f"{measured.n:,} features"
    if METRICS[name].rests_on == "scores":
        return f"{measured.n:,} decisions"
    return f"{measured.n:,} decisions, {measured.positives:,} positives"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _number(value: float, other: float | None = None) -> str:
    """Three digits or so; as many more as it takes not to read like ``other``, from which it differs."""
    for more in range(15):
        text = _rounded(value, more)
        if other is None or not np.isfinite([value, other]).all() or value == other:
            break
        if float(text.replace(",", "")) != float(_rounded(other, more).replace(",", "")):
            break
    return text


def _rounded(value: float, more: int) -> str:
    size = abs(value)
    return f"{value:,.{more}f}" if size >= 100 else f"{value:.{3 + more}g}" if size >= 1 else f"{value:.{3 + more}f}"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
