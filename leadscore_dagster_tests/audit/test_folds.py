"""Folds: silent on those training uses, loud on each way a fold can look ahead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.audit.folds import RULES, Fold, fold_findings
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Periods
from leadscore_dagster.core.table.periods import split_periods, time_folds
from leadscore_dagster.core.verdict import Verdict

ROWS, WINDOW, GAP = 400, 30, 30


def decided(seed: int = 0, rows: int = ROWS) -> np.ndarray:
    """Decisions over two years, in no order, many of one day at one instant."""
    days = np.random.default_rng(seed).integers(0, 730, rows)
    return np.datetime64("2023-01-01", "us") + days * np.timedelta64(1, "D")


def folds_of(times: np.ndarray) -> list[Fold]:
    return [(fold.training, fold.validation) for fold in time_folds(times, 4, WINDOW, GAP)]


def found(folds: list[Fold], times: np.ndarray, entity: object = None, **other: object) -> dict[str, Verdict]:
    entity = np.arange(len(times)) if entity is None else entity
    findings = fold_findings(times, entity, folds, WINDOW, GAP, **other)  # type: ignore[arg-type]
    assert [finding.name for finding in findings] == list(RULES)
    return {finding.name: finding for finding in findings}


def broken(findings: dict[str, Verdict]) -> set[str]:
    return {name for name, finding in findings.items() if not finding.passed}


@pytest.mark.parametrize("seed", range(5))
def test_the_folds_of_training_pass_in_any_order_of_the_rows(seed: int) -> None:
    times = decided(seed)
    findings = found(folds_of(times), times)
    assert broken(findings) == set()
    assert not any(finding.blocks for finding in findings.values())
    distance = findings["folds_embargoed"]
    assert distance.value is not None
    assert distance.value >= GAP == distance.threshold


def test_the_periods_of_training_pass() -> None:
    times = decided(1)
    split = split_periods(times, Periods(), WINDOW)
    fitted = np.concatenate([split.development, split.calibration])
    pairs = [(split.development, split.calibration), (fitted, split.test)]
    assert broken(found(pairs, times)) == set()


def test_shuffled_rows_give_the_same_findings() -> None:
    times = decided(2)
    folds = folds_of(times)
    order = np.random.default_rng(0).permutation(len(times))
    place = np.argsort(order)
    shuffled = [(place[train], place[test]) for train, test in folds]
    assert found(shuffled, times[order], order) == found(folds, times, np.arange(len(times)))


def _first(fold: Fold, times: np.ndarray) -> int:
    """Position of the first judged row."""
    return int(fold[1][np.argmin(times[fold[1]])])


def _later_row(fold: Fold, times: np.ndarray) -> tuple[Fold, set[str]]:
    later = np.setdiff1d(np.flatnonzero(times > times[_first(fold, times)]), fold[1])
    return (np.append(fold[0], later[:1]), fold[1]), {"folds_in_time_order", "folds_purged", "folds_embargoed"}


def _row_of_one_instant(fold: Fold, times: np.ndarray) -> tuple[Fold, set[str]]:
    first, second = fold[1][np.argsort(times[fold[1]])][:2]
    times[second] = times[first]
    test = np.setdiff1d(fold[1], [second])
    return (np.append(fold[0], second), test), {"folds_in_time_order", "folds_purged", "folds_embargoed"}


def _unpurged_row(fold: Fold, times: np.ndarray) -> tuple[Fold, set[str]]:
    start = times[_first(fold, times)]
    near = np.flatnonzero((times < start) & (times > start - np.timedelta64(WINDOW, "D")))
    return (np.append(fold[0], near[:1]), fold[1]), {"folds_purged", "folds_embargoed"}


def _shared_row(fold: Fold, times: np.ndarray) -> tuple[Fold, set[str]]:
    both = {"folds_share_no_row", "folds_in_time_order", "folds_purged", "folds_embargoed"}
    return (np.append(fold[0], fold[1][:1]), fold[1]), both


def _row_twice(fold: Fold, _: np.ndarray) -> tuple[Fold, set[str]]:
    return (np.append(fold[0], fold[0][:1]), fold[1]), {"folds_share_no_row"}


def _nothing_to_judge(fold: Fold, _: np.ndarray) -> tuple[Fold, set[str]]:
    return (fold[0], fold[1][:0]), {"folds_not_empty"}


@pytest.mark.parametrize(
    "plant", [_later_row, _row_of_one_instant, _unpurged_row, _shared_row, _row_twice, _nothing_to_judge]
)
def test_a_planted_fault_in_one_fold_is_found(
    plant: Callable[[Fold, np.ndarray], tuple[Fold, set[str]]],
) -> None:
    times = decided(3)
    folds = folds_of(times)
    entity = pa.nulls(len(times), pa.int64())  # nobody is anybody: the other rules alone
    folds[1], expected = plant(folds[1], times)
    findings = found(folds, times, entity)
    assert broken(findings) == expected
    assert all(findings[name].severity == "error" for name in expected)


def test_a_label_window_that_ends_at_the_first_judged_decision_is_known() -> None:
    times = np.array(["2024-01-01", "2024-01-31"], "datetime64[us]")
    fold = [(np.array([0]), np.array([1]))]
    assert broken(found(fold, times)) == set()
    times[1] -= np.timedelta64(1, "us")
    assert broken(found(fold, times)) == {"folds_purged", "folds_embargoed"}


def test_labels_known_later_than_the_window_says_are_not_purged() -> None:
    times = decided(4)
    known = times + np.timedelta64(WINDOW, "D")
    assert broken(found(folds_of(times), times, label_known_at=known)) == set()
    known[folds_of(times)[0][0][0]] += np.timedelta64(700, "D")
    late = found(folds_of(times), times, label_known_at=known)
    assert broken(late) == {"folds_purged"}
    assert late["folds_purged"].value == 4  # it is trained on in every fold


def test_no_fold_at_all_judges_nothing() -> None:
    findings = found([], decided(0))
    assert broken(findings) == {"folds_not_empty"}


def test_a_few_shared_entities_are_told_and_many_are_a_warning() -> None:
    times = decided(5)
    folds = folds_of(times)
    entity = np.array([f"e{number}" for number in range(len(times))])
    train, test = folds[0]
    entity[test[0]] = entity[train[0]]
    few = found(folds, times, entity)["folds_share_no_entity"]
    assert few.passed
    assert few.why.startswith("1 entities are on both sides")
    entity[test] = np.resize(entity[train], len(test))
    many = found(folds, times, entity)["folds_share_no_entity"]
    assert (many.passed, many.severity, many.blocks) == (False, "warn", False)
    assert many.value == 1
    assert "pairs an AUC counts" in many.why


def test_one_shared_entity_is_an_error_where_entities_must_be_apart() -> None:
    times = decided(5)
    folds = folds_of(times)
    entity = np.arange(len(times))
    assert not found(folds, times, entity, entities_apart=True)["folds_share_no_entity"].blocks
    entity[folds[0][1][0]] = entity[folds[0][0][0]]
    assert found(folds, times, entity, entities_apart=True)["folds_share_no_entity"].blocks


def test_missing_entities_are_not_each_other() -> None:
    times = decided(6)
    entity = pa.chunked_array([pa.array([None] * len(times), pa.string())])
    assert found(folds_of(times), times, entity, entities_apart=True)["folds_share_no_entity"].value == 0


@pytest.mark.parametrize(
    ("folds", "times", "message"),
    [
        ([(np.array([0]), np.array([9]))], decided(0, 5), "a row that does not exist"),
        ([(np.array([True, False]), np.array([False, True]))], decided(0, 2), "not of a mask"),
        ([], np.array(["NaT"], "datetime64[us]"), "an instant is missing"),
        ([], np.arange(3), "not a column of instants"),
    ],
)
def test_what_is_no_fold_is_refused(folds: list[Fold], times: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fold_findings(times, np.arange(len(times)), folds, WINDOW, GAP)
