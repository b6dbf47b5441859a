"""A mistake in a recipe is one error: what, file and line, the nearest valid name."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.loading import RECIPES, load_recipe, parse_day, shipped_recipes

SHIPPED = (
    (RECIPES / "bank_marketing" / "recipe.yaml")
    .read_text(encoding="utf-8")
    .replace("contract: bank_contacts", "contract: bank_marketing/bank_contacts")
)


def _load(folder: Path, old: str, new: str) -> str:
    """Load the bank recipe with one text replaced; the message of the error it must raise."""
    assert SHIPPED.count(old) == 1, old
    path = folder / "recipe.yaml"
    path.write_text(SHIPPED.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    return str(caught.value)


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_loads(name: str) -> None:
    assert load_recipe(name).name == name


def test_an_unknown_key_names_line_and_nearest_key(tmp_path: Path) -> None:
    message = _load(tmp_path, "  folds: 5", "  fodls: 5")
    assert "Unknown key 'fodls'" in message
    assert "did you mean 'folds'?" in message
    line = SHIPPED.splitlines().index("  folds: 5") + 1
    assert f"line {line}" in message


def test_a_wrong_type_names_key_line_and_value(tmp_path: Path) -> None:
    message = _load(tmp_path, "  folds: 5", "  folds: five")
    assert "model.folds" in message
    assert "'five'" in message
    assert "line" in message


def test_a_text_is_not_silently_read_as_a_number(tmp_path: Path) -> None:
    assert "model.folds" in _load(tmp_path, "  folds: 5", '  folds: "5"')


def test_a_column_that_does_not_exist_is_named(tmp_path: Path) -> None:
    message = _load(tmp_path, "columns: [age, ", "columns: [agee, ")
    assert "'agee' does not exist in source 'contacts'" in message


def test_a_metric_that_does_not_exist_gets_line_and_nearest_name(tmp_path: Path) -> None:
    message = _load(tmp_path, "  auc_roc: {at_least: 0.60}", "  auc_rok: {at_least: 0.60}")
    line = SHIPPED.splitlines().index("  auc_roc: {at_least: 0.60}") + 1
    assert "there is no metric 'auc_rok' (did you mean 'auc_roc'?); a gate may name test_positives, auc_roc" in message
    assert f"line {line}" in message


def test_a_gate_names_no_metric_that_is_only_shown(tmp_path: Path) -> None:
    message = _load(tmp_path, "auc_roc: {at_least: 0.60}", "brier: {at_most: 0.60}")
    assert "there is no metric 'brier' (did you mean 'brier_skill'?)" in message


def test_models_are_compared_by_a_metric_that_both_have_on_the_same_rows(tmp_path: Path) -> None:
    message = _load(tmp_path, "\ngates:", "\npromotion: {metric: ece}\ngates:")
    assert "there is no metric 'ece'" in message
    assert "models are compared by auc_roc, auc_pr, " in message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("auc_roc: {at_least: 0.60}", "auc_roc: {at_least: 60}"),
        ("ece: {at_most: 0.05}", "ece: {at_most: -1}"),
    ],
)
def test_a_threshold_out_of_range_is_refused(tmp_path: Path, old: str, new: str) -> None:
    assert "lies outside" in _load(tmp_path, old, new)


def test_a_gate_with_two_thresholds_is_refused(tmp_path: Path) -> None:
    message = _load(tmp_path, "ece: {at_most: 0.05}", "ece: {at_most: 0.05, at_least: 0.0}")
    assert "exactly one of at_least and at_most" in message


def test_periods_must_sum_to_one(tmp_path: Path) -> None:
    message = _load(tmp_path, "development: 0.7", "development: 0.8")
    assert "must be 1" in message


def test_buckets_must_cover_everyone(tmp_path: Path) -> None:
    assert "buckets must go down" in _load(
        tmp_path, "{name: Cold, from_percentile: 0,", "{name: Cold, from_percentile: 5,"
    )


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    assert "Key 'title' is missing" in _load(tmp_path, "title: Bank campaign, term deposit after a phone contact\n", "")


def test_a_first_quarter_inside_a_quarter_is_refused(tmp_path: Path) -> None:
    message = _load(tmp_path, "first_as_of: 2008-07-01", "first_as_of: 2008-07-15")
    assert "not the first day of a quarter" in message


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    assert "occurs twice" in _load(tmp_path, "  folds: 5", "  folds: 5\n  folds: 6")


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    message = _load(tmp_path, "  folds: 5", "  folds: [5")
    assert "Not valid YAML" in message
    assert "line" in message


def test_a_recipe_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"title: caf\xe9")
    with pytest.raises(InputError, match="not UTF-8"):
        load_recipe(path)


def test_an_unknown_recipe_gets_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'advisor_mql'"):
        load_recipe("advisor_mqll")


def test_an_unknown_contract_gets_the_nearest_name(tmp_path: Path) -> None:
    message = _load(tmp_path, "contract: bank_marketing/bank_contacts", "contract: bank_marketing/bank_contact")
    assert "did you mean 'bank_marketing/bank_contacts'?" in message


def test_an_unknown_contract_beside_the_recipe_gets_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "calls.yaml").write_text("name: calls", encoding="utf-8")
    message = _load(tmp_path, "contract: bank_marketing/bank_contacts", "contract: call")
    assert "There is no contract 'call' (did you mean 'calls'?)" in message
    assert str(tmp_path / "contracts" / "call.yaml") in message


def test_sources_that_are_a_list_are_one_error(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("name: x\nsources: [a, b]\n", encoding="utf-8")
    with pytest.raises(InputError, match="recipe"):
        load_recipe(path)


def test_a_folder_without_a_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"The folder holds no recipe.yaml, in {tmp_path}"):
        load_recipe(tmp_path)


def test_a_recipe_is_found_by_its_folder_and_knows_it(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(SHIPPED, encoding="utf-8")
    assert load_recipe(tmp_path).folder == tmp_path
    assert load_recipe(tmp_path / "recipe.yaml").folder == tmp_path
    assert load_recipe("bank_marketing").folder == RECIPES / "bank_marketing"


def test_a_contract_beside_the_recipe_is_read(tmp_path: Path) -> None:
    contract = (RECIPES / "bank_marketing" / "contracts" / "bank_contacts.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(contract, encoding="utf-8")
    path = tmp_path / "recipe.yaml"
    path.write_text(SHIPPED.replace("contract: bank_marketing/bank_contacts", "contract: mine.yaml"), encoding="utf-8")
    assert load_recipe(path).decision_source.contract.name == "bank_contacts"


def test_a_day_that_is_no_date_is_refused() -> None:
    with pytest.raises(InputError, match="2024-02-30"):
        parse_day("2024-02-30")
