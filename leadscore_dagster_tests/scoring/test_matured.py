"""A day's probabilities held against matured outcomes: through the warehouse, as the day is scored."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadscore_dagster.core.delivery import lead_list
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.measures.log_odds import shifted
from leadscore_dagster.core.modelling.calibration import UNCALIBRATED
from leadscore_dagster.core.modelling.estimators.registry import complete_parameters, fit
from leadscore_dagster.core.modelling.matrix import learn_columns, to_matrix
from leadscore_dagster.core.modelling.scoring import ScoringModel
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import BaseRate, Recipe
from leadscore_dagster.core.scoring import day as scoring
from leadscore_dagster.core.scoring.checks import score_checks
from leadscore_dagster.core.scoring.expected import heat
from leadscore_dagster.core.scoring.loaded import LoadedVersion
from leadscore_dagster.core.scoring.matured import base_rate_of_day, matured_decisions
from leadscore_dagster.core.sources import ingest_log
from leadscore_dagster.core.sources.connectors import connector_of
from leadscore_dagster.core.table.features.sets import own_columns
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster_tests.chain import flat

DAY = date.fromisoformat(flat.DAY)
QUARTER = date.fromisoformat(flat.FIRST)
SCORED_AT = datetime.combine(DAY, time.min, UTC)
#: month of each row of the flat table; July 2010, scored on DAY, is the 18th
MONTH = np.arange(flat.MONTHS * flat.PER_MONTH) // flat.PER_MONTH
#: the months of the 90 days before
LATE = (MONTH == 15) | (MONTH == 16)
FITTED = 12  # months the model was fitted on
FITTED_UNTIL = datetime(2010, 1, 31, tzinfo=UTC)


def recipe(tmp_path: Path, base_rate: BaseRate | None = BaseRate()) -> Recipe:  # noqa: B008
    loaded = load_recipe(flat.write_recipe(tmp_path / "recipe"))
    return loaded.model_copy(update={"model": loaded.model.model_copy(update={"base_rate": base_rate})})


def raised(calls: pa.Table, months: np.ndarray, share: float, seed: int = 0) -> pa.Table:
    """The calls, with ``share`` of the answers no in some months turned into yes."""
    answer = calls["y"].to_numpy().copy()
    turned = np.random.default_rng(seed).random(len(answer)) < share
    answer[turned & months] = 1
    return calls.set_column(calls.column_names.index("y"), "y", pa.array(answer, pa.int8()))


def warehouse_of(folder: Path, made: Recipe, calls: pa.Table) -> Lake:
    """The quarter's extract and that of the day, with the day's decisions."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bank_marketing.parquet"
    pq.write_table(calls, path)
    lake = Lake(folder / "warehouse", "bank_marketing")
    ingest_log(lake, "contacts", made.decision_source, connector_of(path), QUARTER)
    scoring.take_decisions(lake, made, DAY, connector=connector_of(path))
    return lake


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    """Fitted on the first twelve months, where what it says is right."""
    made = recipe(tmp_path_factory.mktemp("champion"))
    calls = flat.contacts().slice(0, FITTED * flat.PER_MONTH)
    names = {column.raw_name: column.name for column in made.decision_source.contract.columns}
    rows = calls.rename_columns([names[name] for name in calls.column_names])
    features = tuple(own_columns(made))
    columns = learn_columns(rows, features)
    parameters = complete_parameters("logistic_regression", {"C": 0.1})
    label = rows["y"].to_numpy().astype(np.int64)
    fitted = fit("logistic_regression", to_matrix(rows, columns), label, columns=columns, parameters=parameters, seed=0)
    model = ScoringModel(features, columns, {}, fitted, UNCALIBRATED)
    outcomes = Judged.ranked(label[:600], model.score(rows.slice(0, 600)).margin)
    return LoadedVersion("2010-02-01-000000000000", model, outcomes, FITTED_UNTIL)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse in which nothing moves. Copy it before writing another extract to it."""
    folder = tmp_path_factory.mktemp("calm")
    warehouse_of(folder, recipe(folder), flat.contacts())
    return folder / "warehouse"


@pytest.fixture(scope="module")
def risen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse in which two of five answers no have become yes in the months of the window."""
    folder = tmp_path_factory.mktemp("risen")
    warehouse_of(folder, recipe(folder), raised(flat.contacts(), LATE, 0.4))
    return folder / "warehouse"


def lake_in(folder: Path) -> Lake:
    return Lake(folder, "bank_marketing")


def scored(lake: Lake, made: Recipe, champion: LoadedVersion) -> pa.Table:
    return scoring.score_day(
        lake, made, champion, day=DAY, decisions=scoring.DECISIONS, target=scoring.LEAD_SCORES, scored_at=SCORED_AT
    )


def test_without_base_rate_in_the_recipe_nothing_is_asked_and_no_column_added(
    tmp_path: Path, calm: Path, champion: LoadedVersion
) -> None:
    plain, asked, lake = recipe(tmp_path, None), recipe(tmp_path), lake_in(calm)
    before = scored(lake, plain, champion)
    assert [name for name in before.column_names if "base_rate" in name] == []
    after = scored(lake, asked, champion)
    assert set(after["base_rate_verdict"].to_pylist()) == {"keep"}
    assert after.select(before.column_names).equals(before)
    assert [check.name for check in score_checks(lake, scoring.LEAD_SCORES, scoring.DECISIONS, day=DAY)] == [
        "everyone_once", "scores_in_range", "scores_spread"
    ]  # fmt: skip


def test_a_base_rate_that_rose_is_corrected_and_nobody_changes_places(
    tmp_path: Path, risen: Path, champion: LoadedVersion
) -> None:
    made, lake, calls = recipe(tmp_path), lake_in(risen), raised(flat.contacts(), LATE, 0.4)
    before, after = scored(lake, recipe(tmp_path, None), champion), scored(lake, made, champion)
    offset = after["base_rate_offset"][0].as_py()
    assert after["base_rate_verdict"][0].as_py() == "correct"
    assert 0.5 < offset < 2.5
    assert after["decision_id"].equals(before["decision_id"])
    for name in ("rank", "margin", "bucket", "narrative"):
        assert after[name].equals(before[name])
    np.testing.assert_allclose(after["score"].to_numpy(), shifted(before["score"].to_numpy(), offset))
    # what a bucket yields is what it yielded of late, not in the test period
    window = calls.filter(pa.array(LATE))
    known = matured_decisions(lake, made, DAY, window_days=90, log_of_day=scoring.log_of_day(made))
    assert known["decision_id"].to_pylist() == [str(number) for number in window["row_order"].to_pylist()]
    assert known["label"].to_pylist() == window["y"].to_pylist()
    names = {column.raw_name: column.name for column in made.decision_source.contract.columns}
    margin = champion.model.score(window.rename_columns([names[name] for name in window.column_names])).margin
    buckets, lately = made.scoring.buckets, Judged.ranked(known["label"].to_numpy(), margin)
    borne_out = heat(lately, buckets, heat(champion.outcomes, buckets).group)
    assert after["expected_rate"][0].as_py() == pytest.approx(borne_out.rate[0, 0])
    checks = {
        check.name: check
        for check in score_checks(lake, scoring.LEAD_SCORES, scoring.DECISIONS, day=DAY, base_rate=True)
    }
    assert all(check.passed for check in checks.values())
    assert checks["base_rate"].value == offset
    assert f"{offset:+.2f} in log-odds" in checks["base_rate"].why


def test_where_no_correction_holds_only_ranks_are_served(tmp_path: Path, champion: LoadedVersion) -> None:
    """Yes comes from the others of late: the model's probabilities are wrong whatever they are shifted by."""
    made = recipe(tmp_path)
    calls = flat.contacts()
    answer = np.where(LATE, calls["euribor3m"].to_numpy() > 3, calls["y"].to_numpy()).astype(np.int8)
    calls = calls.set_column(calls.column_names.index("y"), "y", pa.array(answer))
    lake = warehouse_of(tmp_path, made, calls)
    table = scored(lake, made, champion)
    assert set(table["base_rate_verdict"].to_pylist()) == {"rank_only"}
    for name in ("score", "expected_rate", "expected_rate_low", "expected_rate_high"):
        assert table[name].null_count == table.num_rows
    assert table["rank"].to_pylist() == list(range(1, table.num_rows + 1))
    assert set(table["bucket"].to_pylist()) == {"Hot", "Warm", "Cold"}
    checks = {
        check.name: check
        for check in score_checks(lake, scoring.LEAD_SCORES, scoring.DECISIONS, day=DAY, base_rate=True)
    }
    assert checks["scores_in_range"].passed
    assert (checks["base_rate"].passed, checks["base_rate"].severity) == (False, "warn")
    assert "Only ranks are served" in checks["base_rate"].why
    lead_list.write_list(lake, made, DAY, tmp_path / "list.csv")
    ranked = pd.read_csv(tmp_path / "list.csv", encoding="utf-8-sig")
    assert ranked["expected_rate"].isna().all()
    assert "nan" not in scoring.score_histogram(table["score"].to_numpy())
    assert scoring.base_rate_of(table)["base_rate_verdict"] == "rank_only"


def test_a_score_that_is_missing_without_that_verdict_is_found(
    tmp_path: Path, calm: Path, champion: LoadedVersion
) -> None:
    lake = lake_in(calm)
    table = scored(lake, recipe(tmp_path), champion)
    empty = table.set_column(table.column_names.index("score"), "score", pa.nulls(table.num_rows, pa.float64()))
    lake.write_partition(scoring.LEAD_SCORES, DAY.isoformat(), empty)
    checks = {
        check.name: check
        for check in score_checks(lake, scoring.LEAD_SCORES, scoring.DECISIONS, day=DAY, base_rate=True)
    }
    assert not checks["scores_in_range"].passed


def test_what_happens_from_the_day_on_changes_nothing(tmp_path: Path, risen: Path, champion: LoadedVersion) -> None:
    made, first = recipe(tmp_path), lake_in(risen)
    future = raised(raised(flat.contacts(), LATE, 0.4), MONTH >= 17, 1.0)
    second = warehouse_of(tmp_path, made, future)
    for lake in (first, second):
        scored(lake, made, champion)
    assert len({lake.digest(scoring.LEAD_SCORES, DAY.isoformat()) for lake in (first, second)}) == 1


def test_rows_the_champion_was_fitted_on_are_no_evidence(tmp_path: Path, risen: Path, champion: LoadedVersion) -> None:
    fitted_on_all = replace(champion, fitted_until=datetime(2010, 6, 30, tzinfo=UTC))
    table = scored(lake_in(risen), recipe(tmp_path), fitted_on_all)
    assert table["base_rate_verdict"][0].as_py() == "keep"
    assert "0 matured outcomes" in table["base_rate_why"][0].as_py()


def test_a_column_written_to_later_counts_as_the_first_extract_had_it(
    tmp_path: Path, calm: Path, champion: LoadedVersion
) -> None:
    """The day's extract holds another ``euribor3m`` for the calls of spring than the quarter's, which is older."""
    made = recipe(tmp_path)
    calls = flat.contacts()
    lake = lake_in(Path(shutil.copytree(calm, tmp_path / "warehouse")))
    before = scored(lake, made, champion)
    late = np.where(MONTH < 17, 9.9, calls["euribor3m"].to_numpy())
    pq.write_table(calls.set_column(calls.column_names.index("euribor3m"), "euribor3m", pa.array(late)),
                   tmp_path / "bank_marketing.parquet")  # fmt: skip
    scoring.take_decisions(lake, made, DAY, connector=connector_of(tmp_path / "bank_marketing.parquet"))
    assert scored(lake, made, champion).equals(before)


def test_people_who_repeat_are_judged_as_people(tmp_path: Path, calm: Path, champion: LoadedVersion) -> None:
    """The length of the call stands for the person, whose answers are then alike: they are counted together."""
    made, lake = recipe(tmp_path), lake_in(calm)
    by_person = made.model_copy(update={"decisions": made.decisions.model_copy(update={"entity": "duration"})})
    rows, people = (
        base_rate_of_day(lake, each, champion, day=DAY, base_rate=BaseRate(), log_of_day=scoring.log_of_day(each))
        for each in (made, by_person)
    )
    assert (rows.verdict.estimate.method, rows.verdict.estimate.n) == ("profile likelihood", people.verdict.estimate.n)
    assert "entities" in people.verdict.estimate.method
    assert people.verdict.estimate.value == rows.verdict.estimate.value
    assert people.verdict.estimate.high > rows.verdict.estimate.high
    wide, narrow = (heat(found.outcomes, made.scoring.buckets).rate[0] for found in (people, rows))
    assert wide[2] - wide[1] > narrow[2] - narrow[1]
