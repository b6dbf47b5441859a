"""Gates: pure functions from evidence to a verdict. The check shows it; every consumer calls it again.

Lives here: metrics against thresholds. Not here: measuring (core/modelling), candidate against champion (comparison),
anything that blocks (Dagster layer).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from leadscore_dagster.core.errors import GateRefused
from leadscore_dagster.core.measures.catalogue import METRICS, phrase_of
from leadscore_dagster.core.measures.intervals import Interval
from leadscore_dagster.core.recipe.schema import Gate
from leadscore_dagster.core.verdict import Reason, Verdict


def evaluate_gates(metrics: Mapping[str, Interval], gates: Mapping[str, Gate]) -> list[Verdict]:
    """Hold every gate's metric against its threshold, in the recipe's order.

    The unfavourable end of the interval decides unless the gate says ``use: point``. A metric that is missing
    or has no value or end there fails: what was not measured has not passed. A comparison with the champion passes
    where there was none.
    """
    return [_evaluate(name, metrics.get(name), gate) for name, gate in gates.items()]


def refused(results: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts that did not pass."""
    return [result for result in results if not result.passed]


def require_passed(results: Sequence[Verdict], what: str) -> None:
    """Raise GateRefused naming every failed gate; also when there is no verdict at all."""
    failed = refused(results)
    if failed:
        raise GateRefused(f"{what} was refused. " + " ".join(result.why for result in failed))
    if not results:
        raise GateRefused(f"{what} was refused. No gate was evaluated.")


def metrics_to_dict(metrics: Mapping[str, Interval]) -> dict[str, dict[str, Any]]:
    """Metrics ready for JSON, so that stored evidence can be judged again."""
    return {name: interval.to_dict() for name, interval in metrics.items()}


def metrics_from_dict(stored: Mapping[str, Mapping[str, Any]]) -> dict[str, Interval]:
    """Inverse of ``metrics_to_dict``."""
    return {name: Interval.from_dict(value) for name, value in stored.items()}


def _evaluate(name: str, measured: Interval | None, gate: Gate) -> Verdict:
    """The verdict of one gate, its sentence last."""
    absent = _absent(name, measured)
    if measured is None or absent is Reason.NO_CHAMPION:
        verdict = Verdict(name, absent is Reason.NO_CHAMPION, absent, threshold=gate.threshold)
        return replace(verdict, why=_sentence(name, verdict, measured, gate))
    deciding = _deciding(measured, gate)
    known = bool(np.isfinite(deciding) and np.isfinite(measured.value))
    kept = deciding >= gate.threshold if gate.at_least is not None else deciding <= gate.threshold
    passed = known and bool(kept)
    verdict = Verdict(
        name,
        passed,
        absent if not known else Reason.MET if passed else Reason.MISSED,
        value=finite(measured.value),
        low=finite(measured.low),
        high=finite(measured.high),
        threshold=gate.threshold,
        n=measured.n,
    )
    return replace(verdict, why=_sentence(name, verdict, measured, gate))


def _absent(name: str, measured: Interval | None) -> Reason:
    """Why there is no value, where there is none. What was measured before intervals had a reason and rests on nothing
    had no champion; that there is one by now, promotion finds out."""
    if measured is None:
        return Reason.NOT_MEASURED
    if METRICS[name].against_champion and measured.reason is None and measured.n == 0:
        return Reason.NO_CHAMPION
    return measured.reason or Reason.NOT_MEASURABLE


def _deciding(measured: Interval, gate: Gate) -> float:
    """The value, or the unfavourable end of its interval."""
    if gate.use == "point":
        return measured.value
    return measured.low if gate.at_least is not None else measured.high


def _sentence(name: str, verdict: Verdict, measured: Interval | None, gate: Gate) -> str:
    phrase = phrase_of(name)
    if measured is None:
        return sentence(f"{phrase} was not measured")
    if verdict.reason is Reason.NO_CHAMPION:
        return "There is no champion yet: passed."
    return sentence(f"{_facts(phrase, verdict, measured, gate)}: {verdict.word}")


def _facts(phrase: str, verdict: Verdict, measured: Interval, gate: Gate) -> str:
    """What was measured, and the rule it was held against."""
    rule, counts = asked_of(measured, gate), _counts(verdict.name, measured)
    if verdict.reason not in (Reason.MET, Reason.MISSED):
        told = f" ({measured.method})" if METRICS[verdict.name].against_champion else ""
        return f"{phrase} cannot be measured on {counts}{told}, but must be {_limit(measured, gate)}"
    if measured.low == measured.high:
        return f"{phrase}: {number(measured.value, gate.threshold)} ({counts}); {rule}"
    value, low, high = (number(end, gate.threshold) for end in (measured.value, measured.low, measured.high))
    return f"{phrase} is {value} (95% interval {low} to {high}; {counts}); {rule}"


def asked_of(measured: Interval, gate: Gate) -> str:
    """What a gate asks of what was measured: which end must be at least, or at most, what."""
    limit = _limit(measured, gate)
    if measured.low == measured.high:
        return f"it must be {limit}"
    if gate.use == "point":
        return f"the value must be {limit}"
    end = "low" if gate.at_least is not None else "high"
    return f"the {end} end, {number(_deciding(measured, gate), gate.threshold)}, must be {limit}"


def _limit(measured: Interval, gate: Gate) -> str:
    side = "at least" if gate.at_least is not None else "at most"
    return f"{side} {number(gate.threshold, _deciding(measured, gate))}"


def _counts(name: str, measured: Interval) -> str:
    """What a metric rests on."""
    if METRICS[name].rests_on == "features":
        return f"{measured.n:,} features"
    if METRICS[name].rests_on == "scores":
        return f"{measured.n:,} decisions"
    return f"{measured.n:,} decisions, {measured.positives:,} positives"


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[0].upper() + text[1:] + "."


def number(value: float, other: float | None = None) -> str:
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


def finite(value: float) -> float | None:
    """None for what is no number."""
    return float(value) if np.isfinite(value) else None
