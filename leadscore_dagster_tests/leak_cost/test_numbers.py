"""Three numbers: what a leak claims, what is honest, and what is left of the claim when it is served."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.leak_cost import judged_rows, served_values, three_numbers
from leadscore_dagster.core.leak_cost.as_known import as_known, changes_between_vintages
from leadscore_dagster.core.modelling.candidate import train_candidate
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.fold import fold_features_of
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.table.features.sets import features_of
from leadscore_dagster.core.table.training import training_query
from leadscore_dagster.core.warehouse import Lake, table
from leadscore_dagster_tests import scenario
from leadscore_dagster_tests.chain import flat


def _small(recipe: Recipe, **changes: object) -> Recipe:
    """The recipe with nothing to choose from: these tests are about rows and values, not about estimators."""
    update = {"estimators": ("logistic_regression",), "folds": 2, **changes}
    return recipe.model_copy(update={"model": recipe.model.model_copy(update=update)})


# ---- a flat table whose column is written after the outcome


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, pa.Table]:
    """The bank's recipe with ``duration`` among its columns, and its training table."""
    columns = [*flat.document()["features"]["columns"], "duration"]
    recipe = load_recipe(flat.write_recipe(tmp_path_factory.mktemp("flat"), features={"columns": columns}))
    rows = flat.contacts()
    rows = rows.rename_columns([name.replace(".", "_") for name in rows.column_names])
    order = rows["row_order"].to_numpy()
    month = rows["contact_year_month"].to_numpy(zero_copy_only=False).astype("datetime64[M]").astype("datetime64[us]")
    moments = month + order.astype("timedelta64[m]")
    rows = rows.append_column("decision_id", pa.array(order.astype(str)))
    rows = rows.append_column("decision_at", pa.array(moments, pa.timestamp("us", tz="UTC")))
    return _small(recipe), rows.append_column("label", rows["y"].cast(pa.int64()))


def _nothing_known(rows: pa.Table, name: str = "duration") -> pa.Table:
    return pa.table({"decision_id": rows["decision_id"], name: pa.nulls(rows.num_rows)})


def test_a_column_written_after_the_outcome_claims_what_it_cannot_deliver(calls: tuple[Recipe, pa.Table]) -> None:
    recipe, rows = calls
    found = three_numbers(recipe, rows, _nothing_known(rows), ["duration"])
    assert found.claimed["auc_roc"].value > 0.99
    assert 0.7 < found.delivered["auc_roc"].value < 0.95
    assert found.claimed_less_delivered["top_decile_lift"].low > 0
    assert found.claimed_less_delivered["auc_roc"].low > 0
    assert found.honest["auc_roc"].value == pytest.approx(found.delivered["auc_roc"].value, abs=0.02)
    assert found.left_out == ("duration",)
    assert [(entry.changed, entry.missing) for entry in found.served] == [(1.0, 1.0)]
    assert "would never arrive" in found.sentence()


def test_a_model_that_leaned_on_the_leak_delivers_less_than_the_honest_one(calls: tuple[Recipe, pa.Table]) -> None:
    recipe, rows = _small(calls[0], estimators=("xgboost",)), calls[1]
    found = three_numbers(recipe, rows, _nothing_known(rows), ["duration"])
    assert found.claimed["auc_roc"].value > 0.99
    assert found.honest["auc_roc"].low > 0.7
    assert found.honest_less_delivered["auc_pr"].low > 0


def test_all_three_numbers_rest_on_the_same_rows(calls: tuple[Recipe, pa.Table]) -> None:
    recipe, rows = calls
    judged = judged_rows(recipe, rows)
    found = three_numbers(recipe, rows, _nothing_known(judged), ["duration"])  # served values of the test rows suffice
    told = found.as_dict()
    numbers = ("claimed", "honest", "delivered", "claimed_less_delivered", "honest_less_delivered")
    counts = {(told[name][metric]["n"], told[name][metric]["positives"]) for name in numbers for metric in told[name]}
    assert counts == {(judged.num_rows, pc.sum(judged["label"]).as_py())}
    for metric, difference in found.claimed_less_delivered.items():
        assert difference.value == pytest.approx(found.claimed[metric].value - found.delivered[metric].value)
        assert difference.low <= difference.value <= difference.high
        assert difference.method.startswith("paired")


def test_the_claim_is_the_number_the_candidate_s_report_would_show(calls: tuple[Recipe, pa.Table]) -> None:
    recipe, rows = calls
    candidate = train_candidate(
        rows,
        features_of(recipe),
        recipe.model,
        window_days=recipe.label_window_days,
        entity="row_order",
        fold_features=fold_features_of(recipe),
    )
    found = three_numbers(recipe, rows, _nothing_known(rows), ["duration"])
    for metric, claimed in found.claimed.items():
        assert claimed == candidate.metrics[metric], metric
    assert found.estimators["claimed"] == candidate.estimator


def test_the_order_of_the_rows_changes_nothing(calls: tuple[Recipe, pa.Table]) -> None:
    recipe, rows = calls
    shuffled = rows.take(np.random.default_rng(1).permutation(rows.num_rows))
    one = three_numbers(recipe, rows, _nothing_known(rows), ["duration"])
    other = three_numbers(recipe, shuffled, _nothing_known(rows), ["duration"])
    assert one.as_dict() == other.as_dict()
    assert one.markdown() == other.markdown()


def test_values_served_as_they_were_trained_on_lose_nothing(calls: tuple[Recipe, pa.Table]) -> None:
    recipe, rows = calls
    columns = tuple(name for name in recipe.features.columns if name != "duration")
    recipe = recipe.model_copy(update={"features": recipe.features.model_copy(update={"columns": columns})})
    found = three_numbers(recipe, rows, rows.select(["decision_id", "euribor3m"]), ["euribor3m"])
    assert found.claimed == found.delivered
    assert {(gap.value, gap.low, gap.high) for gap in found.claimed_less_delivered.values()} == {(0, 0, 0)}
    assert "nothing is lost by serving it" in found.sentence()
    assert found.honest["auc_roc"].value < found.claimed["auc_roc"].value - 0.1  # euribor3m carries the signal


def test_the_honest_model_may_have_the_values_as_known_instead(calls: tuple[Recipe, pa.Table]) -> None:
    recipe, rows = _small(calls[0], estimators=("xgboost",)), calls[1]
    blurred = np.where(rows["row_order"].to_numpy() % 2, rows["duration"].to_numpy(), 0)
    served = pa.table({"decision_id": rows["decision_id"], "duration": blurred})
    found = three_numbers(recipe, rows, served, ["duration"], honest="as_known")
    assert found.left_out == ()
    assert found.honest_less_delivered["auc_pr"].low > 0
    assert "trained on it as known" in found.sentence()


def test_what_is_told_is_json_and_a_table(calls: tuple[Recipe, pa.Table]) -> None:
    recipe, rows = calls
    found = three_numbers(recipe, rows, _nothing_known(rows), ["duration"])
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert told["sentence"] == found.sentence()
    assert set(told["claimed"]) == {"top_decile_lift", "auc_pr", "auc_roc"}
    text = found.markdown()
    assert f"{found.delivered['auc_roc'].value:.3f}" in text
    assert "| duration | 100.0% | 100.0% |" in text


@pytest.mark.parametrize(
    ("flagged", "served", "told"),
    [
        (["no_such_column"], {}, "not a stored feature"),
        ([], {}, "no feature is flagged"),
        (["duration"], {}, "lack a flagged feature"),
        (["duration"], {"duration": "long"}, "trained as int64"),
    ],
)
def test_unusable_input_is_refused_by_name(
    calls: tuple[Recipe, pa.Table], flagged: list[str], served: dict[str, str], told: str
) -> None:
    recipe, rows = calls
    values = pa.table(
        {"decision_id": rows["decision_id"], **{name: [value] * rows.num_rows for name, value in served.items()}}
    )
    with pytest.raises(InputError, match=told):
        three_numbers(recipe, rows, values, flagged)


def test_served_values_of_too_few_decisions_are_refused(calls: tuple[Recipe, pa.Table]) -> None:
    recipe, rows = calls
    with pytest.raises(InputError, match="not in the table"):
        three_numbers(recipe, rows, _nothing_known(rows.slice(0, 10)), ["duration"])


def test_a_recipe_of_nothing_but_flagged_features_is_refused(calls: tuple[Recipe, pa.Table]) -> None:
    recipe, rows = calls
    alone = recipe.model_copy(update={"features": recipe.features.model_copy(update={"columns": ("duration",)})})
    with pytest.raises(InputError, match="no feature is left"):
        three_numbers(alone, rows, _nothing_known(rows), ["duration"])


def test_of_the_decision_s_own_row_nothing_can_be_known(calls: tuple[Recipe, pa.Table], tmp_path: Path) -> None:
    recipe, rows = calls
    lake = Lake(tmp_path, recipe.name)  # empty: nothing needs to be read
    found = served_values(lake, recipe, rows, scenario.FIRST, ["duration", "job"])
    assert found.column_names == ["decision_id", "duration", "job"]
    assert found["decision_id"].equals(rows["decision_id"])
    assert (found["duration"].null_count, found["job"].null_count) == (rows.num_rows, rows.num_rows)
    assert found.schema.field("job").type == pa.string()


# ---- features rebuilt from vintages


@pytest.fixture(scope="module")
def leaking(finished_home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Recipe, pa.Table]:
    """The small market's training table with ``days_in_gap`` from today's history, and the same gap as known."""
    document = scenario.leaky_document()
    document["features"]["sets"].append("days_in_gap_as_known")  # type: ignore[index]
    recipe = load_recipe(scenario.write_recipe(tmp_path_factory.mktemp("leaking"), document))
    lake = Lake(finished_home / "warehouse", recipe.name)
    return lake, _small(recipe), table(lake, training_query(recipe), {"as_of": scenario.FIRST})


def test_a_leak_is_served_as_the_vintage_of_the_day_shows_it(leaking: tuple[Lake, Recipe, pa.Table]) -> None:
    lake, recipe, rows = leaking
    found = served_values(lake, recipe, rows, scenario.FIRST, ["days_in_gap"])
    # another statement, written with guards, says what was known
    assert found["days_in_gap"].equals(rows["days_in_gap_as_known"])
    assert not found["days_in_gap"].equals(rows["days_in_gap"])


def test_honest_features_are_served_as_they_were_trained_on(leaking: tuple[Lake, Recipe, pa.Table]) -> None:
    lake, recipe, rows = leaking
    honest = [feature.name for feature in feature_query(recipe).features if feature.name != "days_in_gap"]
    wanted = rows["decision_id"].take(np.random.default_rng(2).permutation(rows.num_rows)[:500])
    found = served_values(lake, recipe, rows, scenario.FIRST, honest, wanted)
    assert found["decision_id"].equals(wanted)
    stored = rows.take(pc.index_in(wanted, value_set=rows["decision_id"].combine_chunks()))
    assert [name for name in honest if found[name].to_pylist() != stored[name].to_pylist()] == []


def test_a_feature_of_which_nothing_can_be_known_is_missing(leaking: tuple[Lake, Recipe, pa.Table]) -> None:
    lake, recipe, rows = leaking
    found = served_values(lake, recipe, rows, scenario.FIRST, ["days_in_gap"], unknowable={"days_in_gap"})
    assert found["days_in_gap"].null_count == rows.num_rows


def test_features_computed_inside_the_fold_go_with_their_inputs(leaking: tuple[Lake, Recipe, pa.Table]) -> None:
    lake, recipe, rows = leaking
    judged = judged_rows(recipe, rows)["decision_id"]
    served = served_values(lake, recipe, rows, scenario.FIRST, ["days_in_gap", "AUM_per_Client"], judged)
    found = three_numbers(recipe, rows, served, ["days_in_gap", "AUM_per_Client"])
    assert set(found.left_out) == {"days_in_gap", "AUM_per_Client", "Quality_Score"}
    assert "Left out as well, because computed from them inside the fold: Quality_Score." in found.markdown()
    changed = {entry.feature: entry.changed for entry in found.served}
    assert changed["days_in_gap"] > 0
    assert changed["AUM_per_Client"] == 0


# ---- what is deleted of a log

_LOG = {
    "Id": ["a", "b", "a", "b"],
    "FirstName": ["Ada", "Bo", "Ada", "Bo"],
    "Stage_Entered_Call_Scheduled__c": [None, None, datetime(2024, 2, 9, tzinfo=UTC), None],
    "known_at": [datetime(2024, 1, 3, tzinfo=UTC), datetime(2024, 3, 3, tzinfo=UTC)] * 2,
    "as_of": [datetime(2024, 4, 1).date()] * 2 + [datetime(2024, 7, 1).date()] * 2,
}


@pytest.mark.parametrize(("day", "ids", "calls"), [(5, ["a"], [None]), (45, ["a"], [9]), (70, ["a", "b"], [9, None])])
def test_of_a_log_only_rows_and_columns_known_by_then_are_left(
    tmp_path: Path, day: int, ids: list[str], calls: list[int | None]
) -> None:
    recipe = load_recipe("advisor_mql")
    lake = Lake(tmp_path, recipe.name)
    moment = pa.timestamp("us", tz="UTC")
    columns = {column.name: pa.nulls(4, pa.string()) for column in recipe.decision_source.contract.columns}
    columns |= {name: pa.array(_LOG["known_at"], moment) for name in columns if name.startswith("Stage_")}
    stored = pa.table(columns | {name: pa.array(values) for name, values in _LOG.items()})
    stored = stored.set_column(
        stored.schema.get_field_index("Stage_Entered_Call_Scheduled__c"),
        "Stage_Entered_Call_Scheduled__c",
        stored["Stage_Entered_Call_Scheduled__c"].cast(moment),
    )
    for as_of in ("2024-04-01", "2024-07-01"):
        here = stored.filter(pc.equal(stored["as_of"], pa.scalar(datetime.fromisoformat(as_of).date())))
        lake.write_partition("crm_leads", as_of, here)
    last = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day)
    parameters = {"served_last_decision_at": last, "served_as_of": datetime(2024, 7, 1).date()}
    known = table(lake, as_known(recipe.decision_source), parameters)
    newest = known.filter(pc.equal(known["as_of"], pa.scalar(datetime(2024, 7, 1).date()))).sort_by("Id")
    assert newest["Id"].to_pylist() == ids
    called = newest["Stage_Entered_Call_Scheduled__c"].to_pylist()
    assert [moment.day if moment else None for moment in called] == calls
    earlier = table(lake, as_known(recipe.decision_source), {**parameters, "served_as_of": _LOG["as_of"][0]})
    assert set(earlier["as_of"].to_pylist()) == {_LOG["as_of"][0]}


def test_features_that_read_a_log_or_other_decisions_are_rebuilt_day_by_day(
    leaking: tuple[Lake, Recipe, pa.Table],
) -> None:
    lake, recipe, _ = leaking
    own = "SELECT d.decision_id, 1 AS x FROM decisions AS d"
    logs = "SELECT d.decision_id, COUNT(*) AS x FROM decisions AS d CROSS JOIN crm_leads AS c GROUP BY d.decision_id"
    others = """SELECT d.decision_id, COUNT(*) AS x FROM decisions AS d
        JOIN decisions AS e ON e.RepCRD = d.RepCRD GROUP BY d.decision_id"""
    assert not changes_between_vintages(lake, recipe, own, ["x"])
    assert changes_between_vintages(lake, recipe, logs, ["x"])
    assert changes_between_vintages(lake, recipe, others, ["x"])
