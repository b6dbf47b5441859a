"""LightGBM: the library's own answer, the same bytes in every process, files that are refused, silence."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.estimators.lightgbm_model import LightGBMModel
from leadscore_dagster.core.modelling.estimators.registry import complete_parameters, fit
from leadscore_dagster.core.modelling.loading import load_model
from leadscore_dagster.core.modelling.matrix import Columns

COLUMNS = Columns(("a", "b", "kind"), ("number", "number", "category"), {"kind": ("x", "y", "z")})
PARAMETERS = complete_parameters("lightgbm", {"n_estimators": 20, "min_child_samples": 20})
#: fitted here and in another process
SIMULATED = """
import hashlib
import numpy as np
from leadscore_dagster_tests.modelling.test_lightgbm_model import fitted
print(hashlib.sha256(fitted().text.encode()).hexdigest())
"""


def simulated() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    matrix = np.column_stack([rng.normal(size=(2000, 2)), rng.integers(0, 3, 2000)]).astype(np.float32)
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    signal = np.nan_to_num(matrix[:, 0]) + (matrix[:, 2] == 1)
    return matrix, (rng.random(2000) < 1 / (1 + np.exp(2 - signal))).astype(int)


def fitted() -> LightGBMModel:
    model = fit("lightgbm", *simulated(), columns=COLUMNS, parameters=PARAMETERS, seed=7)
    assert isinstance(model, LightGBMModel)
    return model


def test_margins_and_contributions_are_lightgbms_own() -> None:
    import lightgbm

    matrix, label = simulated()
    direct = lightgbm.LGBMClassifier(
        **PARAMETERS, random_state=7, n_jobs=1, deterministic=True, force_row_wise=True, verbosity=-1
    ).fit(matrix, label, categorical_feature=[2])
    model = fitted()
    np.testing.assert_array_equal(model.margin(matrix), direct.predict(matrix, raw_score=True))
    values, bias = model.contributions(matrix)
    theirs = direct.predict(matrix, pred_contrib=True)
    np.testing.assert_array_equal(values, theirs[:, :-1].astype(np.float32))
    assert bias == theirs[0, -1]


def test_a_side_for_missing_values_changes_no_row_that_has_its_values() -> None:
    import lightgbm

    matrix, label = simulated()
    matrix[:, 0] = np.nan_to_num(matrix[:, 0], nan=3.0)
    settings = {**PARAMETERS, "random_state": 7, "n_jobs": 1, "deterministic": True, "force_row_wise": True}
    direct = lightgbm.LGBMClassifier(**settings, verbosity=-1).fit(matrix, label, categorical_feature=[2])
    model = fit("lightgbm", matrix, label, columns=COLUMNS, parameters=PARAMETERS, seed=7)
    np.testing.assert_array_equal(model.margin(matrix), direct.predict(matrix, raw_score=True))
    later = matrix.copy()
    later[:, 0] = np.nan
    assert (model.margin(later) != direct.predict(later, raw_score=True)).any()
    values, bias = model.contributions(later)
    np.testing.assert_allclose(values.sum(axis=1) + bias, model.margin(later), atol=1e-5)


def test_another_process_fits_the_same_bytes_and_says_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", SIMULATED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [hashlib.sha256(fitted().text.encode()).hexdigest()]
    assert done.stderr == ""


def test_reading_and_scoring_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fitted().save(tmp_path)
    load_model("lightgbm", tmp_path, COLUMNS).contributions(simulated()[0])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 4], "cut short"),
        (lambda text: "\nend of trees\n", "cannot be read"),
        (
            lambda text: text.replace("max_feature_idx=2", "max_feature_idx=1").replace(" Column_2", ""),
            "cannot be read",
        ),
    ],
)
def test_a_file_that_is_not_a_whole_model_is_refused(tmp_path: Path, change: object, message: str) -> None:
    fitted().save(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text(change(file.read_text()))  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        load_model("lightgbm", tmp_path, COLUMNS)


def test_a_model_of_other_features_is_refused(tmp_path: Path) -> None:
    fitted().save(tmp_path)
    fewer = Columns(("a", "kind"), ("number", "category"), COLUMNS.levels)
    with pytest.raises(InputError, match="it has 3 features, not 2"):
        load_model("lightgbm", tmp_path, fewer)
