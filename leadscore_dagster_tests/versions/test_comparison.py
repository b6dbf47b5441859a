"""The comparison with the champion: when it falls, when it stays, and for which reason."""

from __future__ import annotations

import numpy as np
import pytest

from leadscore_dagster.core.measures.intervals import Bootstrap
from leadscore_dagster.core.measures.judged import Judged, entity_codes
from leadscore_dagster.core.recipe.schema import Promotion
from leadscore_dagster.core.verdict import Reason, Verdict, from_json, to_json
from leadscore_dagster.core.versions.comparison import PROMOTION, Comparison, compare_with_champion


def compared(
    label: np.ndarray,
    candidate: np.ndarray,
    champion: np.ndarray,
    people: np.ndarray | None,
    rules: Promotion,
    age: int,
    replicates: int,
) -> Verdict:
    """The verdict with its sentence, nobody having waived anything."""
    judged = Judged.ranked(label, candidate, entity_codes(people))
    bootstrap = Bootstrap(replicates, 0)
    found = compare_with_champion(judged, champion, rules, champion_age=age, bootstrap=bootstrap)
    return found.told(promoted=found.verdict.passed)


def test_the_sentence_follows_from_the_verdict_and_not_the_other_way_round() -> None:
    found = Comparison(Verdict(PROMOTION, False, Reason.NOT_COMPARABLE), "Cannot be compared: x: unchanged", "Do this.")
    assert found.told(promoted=False).why == "Cannot be compared: x: unchanged: unchanged. Do this."
    assert found.told(promoted=True).why == "Cannot be compared: x: unchanged: promoted."


def scores(rows: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label = (rng.random(rows) < 0.1).astype(int)
    good = rng.normal(size=rows) + 1.2 * label
    return label, good, good + 1.5 * rng.normal(size=rows)


RULES = Promotion(metric="auc_pr", stale_after_periods=2, tolerance=0.1)


def test_a_clearly_better_candidate_replaces_the_champion() -> None:
    label, good, worse = scores()
    result = compared(label, good, worse, None, RULES, 1, 300)
    assert result.passed
    assert result.low is not None
    assert result.low > 0
    assert result.reason is Reason.BETTER
    assert result.why.endswith("The improvement is larger than chance explains: promoted.")


def test_an_improvement_that_may_be_noise_leaves_the_champion_and_says_so() -> None:
    label, good, _ = scores()
    nearly = good + 0.1 * np.random.default_rng(4).normal(size=len(good))
    result = compared(label, nearly, good, None, RULES, 1, 300)
    assert not result.passed
    assert result.reason is Reason.WITHIN_CHANCE
    assert result.why.endswith("The difference may be noise: unchanged.")
    assert not compared(label, good, good, None, RULES, 1, 300).passed


def test_a_stale_champion_yields_to_its_near_equal_but_not_to_a_worse_one() -> None:
    label, good, worse = scores()
    nearly = good + 0.1 * np.random.default_rng(4).normal(size=len(good))
    assert not compared(label, nearly, good, None, RULES, 2, 300).passed
    stale = compared(label, nearly, good, None, RULES, 3, 300)
    assert stale.passed
    assert "3 quarters old" in stale.why
    assert "not clearly worse: promoted." in stale.why
    refused = compared(label, worse, good, None, RULES, 3, 300)
    assert not refused.passed
    assert (stale.reason, refused.reason) == (Reason.CHAMPION_STALE, Reason.PERHAPS_WORSE)
    assert refused.why.endswith("may be more than 10% worse: unchanged.")


def test_a_worse_candidate_is_named_worse() -> None:
    label, good, worse = scores()
    result = compared(label, worse, good, None, RULES, 0, 300)
    assert result.reason is Reason.WORSE
    assert result.why.endswith("The candidate is worse: unchanged.")


@pytest.mark.parametrize("age", [0, 9])
def test_rows_without_positives_promote_nobody(age: int) -> None:
    label, good, worse = scores()
    result = compared(np.zeros_like(label), good, worse, None, RULES, age, 100)
    assert not result.passed
    assert "do not allow a comparison" in result.why
    assert result.reason is Reason.NOT_MEASURABLE
    assert from_json(to_json([result])) == [result]


def test_repeated_entities_widen_the_comparison() -> None:
    label, good, worse = scores(400)
    repeat = np.repeat(np.arange(400), 8)
    naive = compared(label[repeat], good[repeat], worse[repeat], None, RULES, 0, 200)
    honest = compared(label[repeat], good[repeat], worse[repeat], repeat, RULES, 0, 200)
    assert honest.low is not None
    assert naive.low is not None
    assert honest.low < naive.low
