"""What a recipe's model names must exist: `leadscore validate` says so, and `leadscore run` before it starts."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from leadscore_dagster import cli
from leadscore_dagster.core.modelling.judgement.model_stability import MINIMUM_COMMON
from leadscore_dagster.core.recipe.loading import shipped_document

Ended = tuple[int, str, str]
Change = Callable[[dict[str, Any]], Any]
#: YAML key, nearest valid name and remedy of each mistake
MISTAKES: dict[str, tuple[Change, str]] = {
    "a segment on a feature that does not exist": (
        lambda document: document["model"]["segments"]["aum_tier"].update(feature="TotalAssetsInMillion"),
        r"a feature the model does not have, in model\.segments\.aum_tier\.feature, column TotalAssetsInMillion\. "
        r"Remedy: did you mean 'TotalAssetsInMillions'\?",
    ),
    "a segment on a feature that is excluded": (
        lambda document: document["features"].update(exclude=["TotalAssetsInMillions"]),
        r"in model\.segments\.aum_tier\.feature, column TotalAssetsInMillions\. Remedy: take it out of features\.exc",
    ),
    "a segment of a number without edges": (
        lambda document: document["model"]["segments"]["aum_tier"].pop("edges"),
        r"a segment of a number needs edges, in model\.segments\.aum_tier\.edges, .* Remedy: add edges",
    ),
    "an estimator that does not exist": (
        lambda document: document["model"].update(estimators=["logistic_regression", "xgbost"]),
        r"unknown estimator 'xgbost' \(did you mean 'xgboost'\?\), in .*recipe\.yaml, line \d+\. Remedy: use one",
    ),
    "parameters of an estimator that does not exist": (
        lambda document: document["model"]["parameters"].update(xgb={"max_depth": 3}),
        r"unknown estimator 'xgb' .*, in .*recipe\.yaml, line \d+\. Remedy: use one of logistic_regression",
    ),
    "a parameter the estimator does not have": (
        lambda document: document["model"]["parameters"]["xgboost"].update(max_dept=3),
        r"xgboost has no parameter 'max_dept', in model\.parameters\.xgboost\. Remedy: did you mean max_depth\?",
    ),
    "a parameter of the wrong type": (
        lambda document: document["model"]["parameters"]["xgboost"].update(max_depth="deep"),
        r"max_depth must be a whole number, .*'deep', in model\.parameters\.xgboost\. Remedy: .* the default 3",
    ),
    "an expected feature that does not exist": (
        lambda document: document["model"]["business_signals"].append("current_firm_tenure_month"),
        r"no feature 'current_firm_tenure_month' \(did you mean 'current_firm_tenure_months'\?\), "
        r"in model\.business_signals\. Remedy: name one",
    ),
    "a calibration by no segment": (
        lambda document: document["model"].update(calibrate_by="aum_teir"),
        r"model\.calibrate_by: there is no segment 'aum_teir' in model\.segments \(did you mean 'aum_tier'\?\)"
        r".*, line \d+\. Remedy: fix the value",
    ),
    "a gate on a ranking of other features": (
        lambda document: (
            document["gates"].update(reference_rank_correlation={"at_least": 0.1}),
            document["model"].update(reference_ranking=["age", "job", "Percent_ClientsUS"]),
        ),
        rf"1 of the names are features of the recipe; .* needs {MINIMUM_COMMON}, .*in model\.reference_ranking\. Rem",
    ),
}


def _recipe(folder: Path, *changes: Change) -> Path:
    document = shipped_document("advisor_mql")
    for change in changes:
        change(document)
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """The command line in this process: exit code, stdout, stderr."""

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["leadscore", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), *capfd.readouterr()

    return call


@pytest.mark.parametrize("verb", ["validate", "run", "backtest"])
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_nothing_is_started(
    name: str, verb: str, tmp_path: Path, command: Callable[..., Ended]
) -> None:
    change, message = MISTAKES[name]
    home = tmp_path / "home"
    code, out, errors = command(verb, _recipe(tmp_path, change), "--home", home, "--source", f"leads={tmp_path}")
    assert (code, out) == (1, ""), errors
    (line,) = errors.splitlines()
    assert line.startswith("Error: ")
    assert re.search(message, line), line
    assert not home.exists()


def test_several_mistakes_are_told_together(tmp_path: Path, command: Callable[..., Ended]) -> None:
    names = [
        "a segment on a feature that does not exist",
        "a parameter the estimator does not have",
        "an expected feature that does not exist",
    ]
    code, _, errors = command("validate", _recipe(tmp_path, *(MISTAKES[name][0] for name in names)))
    assert code == 1
    (line,) = errors.splitlines()
    assert line.startswith("Error: 3 mistakes in recipe advisor_mql: (1) ")
    assert all(re.search(MISTAKES[name][1], line) for name in names), line


def test_another_models_ranking_may_name_what_this_recipe_does_not_have(
    tmp_path: Path, command: Callable[..., Ended]
) -> None:
    """It is the other model's vocabulary: said, with the nearest name in case it is a slip, and not refused."""
    recipe = _recipe(tmp_path, lambda document: document["model"]["reference_ranking"].append("Is_Veteran_Adviser"))
    code, out, errors = command("validate", recipe)
    assert (code, errors) == (0, "")
    warnings = [line for line in out.splitlines() if line.startswith("WARN: ")]
    assert len(warnings) == 1
    assert re.search(r"reference_ranking: 'Is_Veteran_Adviser' .*did you mean 'Is_Veteran_Advisor'\?", warnings[0])
    assert out.splitlines()[-1].startswith("Valid.")


def test_an_expected_feature_that_is_excluded_is_said(tmp_path: Path, command: Callable[..., Ended]) -> None:
    recipe = _recipe(tmp_path, lambda document: document["features"].update(exclude=["pit_moves_3yr"]))
    code, out, _ = command("validate", recipe)
    assert code == 0
    assert "WARN: model.business_signals: 'pit_moves_3yr' is in features.exclude" in out


@pytest.mark.parametrize("recipe", ["advisor_mql", "bank_marketing"])
def test_a_shipped_recipe_is_valid_without_a_warning(recipe: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "leadscore_dagster", "validate", recipe],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Valid." in done.stdout
    assert "WARN" not in done.stdout
