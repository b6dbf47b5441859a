"""Importances, contributions by value and compared rankings, against cases computed by hand."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict

import numpy as np
import pytest

from leadscore_dagster.core.measures.intervals import Bootstrap
from leadscore_dagster.core.modelling.judgement.explanation import (
    compare_rankings,
    contribution_summary,
    importance_csv,
    importance_table,
)
from leadscore_dagster.core.modelling.matrix import Columns

COLUMNS = Columns(("tenure", "kind", "flat"), ("number", "category", "number"), {"kind": ("a", "b")})
GENERATOR = np.random.default_rng(3)
MATRIX = np.stack(
    [GENERATOR.normal(size=400), GENERATOR.integers(0, 2, 400), np.full(400, 7.0)], axis=1
).astype(np.float32)  # fmt: skip
CONTRIBUTIONS = np.stack([-2 * MATRIX[:, 0], MATRIX[:, 1] - 0.5, np.zeros(400)], axis=1).astype(np.float32)


def test_importance_is_the_mean_size_of_the_contributions_with_share_rank_and_direction() -> None:
    first, second, third = importance_table(MATRIX, CONTRIBUTIONS, COLUMNS, codes=None, bootstrap=Bootstrap(200, 1))
    assert (first.feature, second.feature, third.feature) == ("tenure", "kind", "flat")
    assert first.value == pytest.approx(np.abs(CONTRIBUTIONS[:, 0]).mean(), rel=1e-6)
    assert second.value == second.low == second.high == 0.5
    assert first.share == pytest.approx(first.value / (first.value + 0.5))
    assert (first.direction, second.direction, third.direction) == ("falls", "levels", "none")
    assert (first.rank, first.rank_low, first.rank_high, third.rank) == (1, 1, 1, 3)


def test_the_interval_of_an_importance_is_about_two_standard_errors_wide_and_wider_for_clustered_rows() -> None:
    sizes = np.abs(CONTRIBUTIONS[:, 0])
    alone = importance_table(MATRIX, CONTRIBUTIONS, COLUMNS, codes=None, bootstrap=Bootstrap(500, 1))[0]
    assert alone.high - alone.low == pytest.approx(2 * 1.96 * sizes.std() / 20, rel=0.15)
    order = np.argsort(sizes)  # people whose rows are alike: forty of ten rows each
    codes = np.empty(400, dtype=np.int64)
    codes[order] = np.arange(400) // 10
    clustered = importance_table(MATRIX, CONTRIBUTIONS, COLUMNS, codes=codes, bootstrap=Bootstrap(500, 1))[0]
    assert clustered.high - clustered.low > 2 * (alone.high - alone.low)


def test_the_summary_has_tenths_of_a_number_levels_of_a_category_and_the_missing_apart() -> None:
    matrix = MATRIX.copy()
    matrix[:30, 0] = np.nan
    tenure, kind, flat = contribution_summary(matrix, CONTRIBUTIONS, COLUMNS, features=COLUMNS.names)
    assert [group["n"] for group in tenure["groups"]] == [37] * 10 + [30]
    values = [group["value"] for group in tenure["groups"][:-1]]
    assert values == sorted(values)
    assert tenure["groups"][-1]["missing"]
    assert tenure["groups"][-1]["value"] is None
    assert [group["value"] for group in kind["groups"]] == ["a", "b"]
    assert kind["groups"][1]["contribution"] == [0.5] * 5
    assert flat["groups"] == [{"n": 400, "value": 7.0, "missing": False, "contribution": [0.0] * 5}]


def test_many_levels_of_a_category_are_pooled_behind_the_largest() -> None:
    columns = Columns(("state",), ("category",), {"state": tuple("abcdefghijkl")})
    matrix = np.repeat(np.arange(12), np.arange(12, 0, -1) * 2)[:, None].astype(np.float32)
    (state,) = contribution_summary(matrix, matrix, columns, features=["state"])
    assert [group["value"] for group in state["groups"]] == [*"abcdefgh", "4 other levels"]
    assert sum(group["n"] for group in state["groups"]) == len(matrix)


def test_rankings_are_compared_over_what_they_have_in_common() -> None:
    found = compare_rankings(["a", "b", "c", "d", "e", "x"], ["b", "a", "c", "d", "e", "y"], top=3)
    assert found.correlation.value == pytest.approx(1 - 6 * 2 / (5 * 24))  # Spearman's formula, two places swapped
    assert found.correlation.low < found.correlation.value < found.correlation.high <= 1
    assert (found.common, found.only_first, found.only_second) == (5, ("x",), ("y",))
    assert found.shared_top == ("a", "b", "c")
    assert found.movers == (("a", 1, 2), ("b", 2, 1))


def test_rankings_without_enough_in_common_have_no_correlation() -> None:
    found = compare_rankings(["a", "b"], ["b", "a", "c"])
    assert np.isnan(found.correlation.value)
    assert np.isnan(compare_rankings(["a", "b", "c"], ["a", "b", "c"]).correlation.low)


def test_the_csv_names_unit_and_definition_and_quotes_what_it_must() -> None:
    rows = [
        asdict(row) for row in importance_table(MATRIX, CONTRIBUTIONS, COLUMNS, codes=None, bootstrap=Bootstrap(100, 1))
    ]
    features = [{"name": "tenure", "unit": "months", "definition": 'since "hire", as known'}]
    read = list(csv.DictReader(io.StringIO(importance_csv(rows, features))))
    assert read[0]["feature"] == "tenure"
    assert (read[0]["unit"], read[0]["definition"]) == ("months", 'since "hire", as known')
    assert float(read[0]["mean_abs_contribution"]) == rows[0]["value"]
    assert [row["rank"] for row in read] == ["1", "2", "3"]
