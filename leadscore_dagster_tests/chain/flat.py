"""One flat table of calls and a small recipe over it: what a user without vendor snapshots brings."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from leadscore_dagster.core.recipe.loading import shipped_document
from leadscore_dagster_tests import scenario

#: the quarter of the champion, the closed data set's own quarter, and the day the July calls fall on
FIRST, SECOND, DAY = "2010-07-01", "2010-10-01", "2010-07-03"
MONTHS, PER_MONTH, SEED = 20, 200, 5
PERSONAL = ("job", "marital", "education", "default", "housing", "loan", "contact", "day_of_week", "poutcome")
LENIENT = {
    "test_positives": {"at_least": 30},
    "auc_roc": {"at_least": 0.6},
    "top_decile_lift": {"at_least": 1.0},
    "ece": {"at_most": 0.2},
}


def contacts() -> pa.Table:
    """4,000 calls, 200 a month. ``euribor3m`` drives the answer honestly; ``duration`` is the answer, in seconds."""
    rng = np.random.default_rng(SEED)
    n = MONTHS * PER_MONTH
    month = np.repeat(pd.period_range("2009-02", periods=MONTHS, freq="M").astype(str), PER_MONTH)
    rate = rng.normal(3.0, 1.0, n)
    answer = rng.random(n) < 1 / (1 + np.exp(1.6 + 1.8 * (rate - 3.0)))
    columns: dict[str, Any] = {
        "row_order": np.arange(1, n + 1),
        "contact_year_month": month,
        "age": rng.integers(18, 90, n).astype(np.int16),
        **{name: rng.choice([f"{name}_{letter}" for letter in "abc"], n) for name in PERSONAL},
        "month": pd.to_datetime(month).strftime("%b").str.lower(),
        "duration": np.where(answer, 600, 120) + rng.integers(0, 60, n),
        "campaign": rng.integers(1, 9, n),
        "pdays": np.full(n, 999),
        "previous": rng.integers(0, 3, n),
        "emp.var.rate": rng.normal(0, 1, n),
        "cons.price.idx": rng.normal(93, 0.5, n),
        "cons.conf.idx": rng.normal(-40, 4, n),
        "euribor3m": rate,
        "nr.employed": rng.normal(5100, 70, n),
        "y": answer.astype(np.int8),
    }
    return pa.table(columns)


def document() -> dict[str, Any]:
    """The shipped recipe, made small: a closed data set that ends in October 2010."""
    shipped = shipped_document("bank_marketing")
    shipped["first_as_of"], shipped["as_of"] = date(2009, 4, 1), date.fromisoformat(SECOND)
    shipped["model"] |= {"folds": 2, "minimum_positives": 50, "bootstrap_replicates": 200}
    shipped["model"]["parameters"] = {"xgboost": {"n_estimators": 20}}
    shipped["gates"] = dict(LENIENT)
    # one column carries the whole world, so the audit rightly calls it too good to be true: somebody has looked
    shipped["acknowledged"] = [
        {"feature": "euribor3m", "part": "strength", "reason": "drawn before the answer was", "on": date(2010, 6, 1)}
    ]
    return dict(shipped)


def write_recipe(folder: Path, **changes: Any) -> Path:
    """The small recipe as a file in ``folder``, with whole sections of it changed."""
    folder.mkdir(parents=True, exist_ok=True)
    return scenario.write_recipe(folder, document() | changes)
