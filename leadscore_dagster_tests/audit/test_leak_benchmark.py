"""The worlds of the leak benchmark are what they claim: honest ones honest, leaks planted and as weak as they say."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.leak_benchmark import flat_clean, flat_leaks, fold_leaks, log_leaks, market, market_leaks, tenure
from benchmarks.leak_benchmark.catalogue import catalogue
from benchmarks.leak_benchmark.flat import Flat, standard, written
from benchmarks.leak_benchmark.screens import predictive_power, rank_auc
from benchmarks.leak_benchmark.tally import Honest, Leak, Result, as_json, as_markdown, tally
from leadscore_dagster.core.audit.safety import declarations_of, lineage_verdicts
from leadscore_dagster.core.audit.training_audit import contract_schemas
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster.core.table.training import training_rows
from leadscore_dagster.core.warehouse import compose, table


def honest_table(seed: int = 1, n: int = 8_000, rate: float = 0.1) -> Flat:
    return standard(np.random.default_rng(seed), n, rate)


def auc(values: object, outcome: np.ndarray) -> float:
    return rank_auc(pa.chunked_array([pa.array(values)]), outcome)


def kinds_planted() -> Counter[str]:
    """Leaks by kind, from the names of worlds and the files of SQL."""
    found = Counter(
        kind for kinds in market_leaks.WORLDS.values() for kind in kinds for _ in market.read_features(kind)
    )
    found.update(
        entry.name.split("/")[0] for module in (flat_leaks, log_leaks, fold_leaks) for entry in module.entries()
    )
    return found


def test_there_are_enough_leaks_of_enough_kinds_and_enough_clean_worlds() -> None:
    kinds = kinds_planted()
    assert sum(kinds.values()) >= 40
    assert len(kinds) >= 16
    assert min(kinds.values()) >= 3
    assert sum(entry.is_clean for entry in catalogue().values()) >= 40


def test_the_short_run_is_a_part_of_the_whole() -> None:
    short, whole = catalogue(quick=True), catalogue()
    assert 10 <= len(short) < len(whole)
    assert set(short) <= set(whole)


def test_the_same_seed_gives_the_same_table_and_another_seed_another() -> None:
    first, again, other = honest_table(1), honest_table(1), honest_table(2)
    assert all(np.array_equal(first.columns[name], again.columns[name]) for name in ("measure_0", "channel"))
    assert np.array_equal(first.outcome, again.outcome)
    assert not np.array_equal(first.columns["measure_0"], other.columns["measure_0"])


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
def test_an_honest_table_has_the_base_rate_it_was_asked_for(rate: float) -> None:
    assert honest_table(n=40_000, rate=rate).outcome.mean() == pytest.approx(rate, rel=0.1)


def test_the_strongest_honest_feature_is_strong_and_no_stronger_than_an_auc_of_about_68() -> None:
    flat = flat_clean.strong(np.random.default_rng(1), 60_000, 0.05)
    strengths = sorted((auc(flat.columns[f"measure_{place}"], flat.outcome) for place in range(6)), reverse=True)
    assert 0.66 < strengths[0] < 0.69
    assert 0.5 <= strengths[-1] < 0.52


def test_clocks_of_the_trending_table_say_the_date_and_nothing_within_a_month() -> None:
    flat = flat_clean.trending(np.random.default_rng(1), 20_000, 0.1, 2.5)
    for month in np.unique(flat.month):
        assert len(np.unique(flat.columns["price_index"][flat.month == month])) == 1
    assert auc(flat.columns["price_index"], flat.outcome) > 0.6
    assert set(flat.clocks) <= set(flat.columns)


def test_missing_assets_convert_as_much_more_often_as_the_seeds_say() -> None:
    flat = flat_clean.missing(np.random.default_rng(1), 60_000, 0.045, 0.4, 0.68)
    gone = np.isnan(flat.columns["assets"])
    assert flat.outcome[gone].mean() / flat.outcome[~gone].mean() == pytest.approx(6.46 / 3.38, rel=0.15)


def test_columns_that_leak_only_together_are_worthless_alone() -> None:
    flat = honest_table()
    flat_leaks.exclusive_or(flat, 0.05)
    first, second = flat.columns["consent_mail"], flat.columns["consent_phone"]
    assert max(auc(first, flat.outcome), auc(second, flat.outcome)) < 0.55
    assert auc(first ^ second, flat.outcome) > 0.9


def test_a_diluted_leak_has_an_auc_of_about_60() -> None:
    flat = honest_table(n=40_000)
    _, _, before, after = log_leaks.lead_score(flat, 0.36)
    assert auc(before, flat.outcome) < 0.52
    assert auc(after, flat.outcome) == pytest.approx(0.6, abs=0.02)


def test_an_encoding_learned_on_all_rows_knows_its_own_row_of_a_category_that_means_nothing() -> None:
    flat = honest_table()
    flat_leaks.encoded(flat, "worthless", 2_000)
    assert auc(flat.columns["postcode_rate"], flat.outcome) > 0.8


def test_a_number_given_at_closing_is_weak_over_all_time_and_strong_within_a_month() -> None:
    flat = honest_table(n=20_000)
    flat_leaks.numbered_at_closing(flat)
    ticket, month = flat.columns["ticket"], flat.month == flat.month[flat.n // 2]
    assert auc(ticket, flat.outcome) < 0.6
    assert auc(ticket[month], flat.outcome[month]) > 0.8


def test_copies_stand_later_and_under_another_customer() -> None:
    flat = honest_table(n=2_000)
    flat_leaks.doubled(flat, "copies", 0.2, 0.0, later=90)
    assert flat.n == 2_400
    assert len(np.unique(flat.entity)) == flat.n
    assert (np.diff(flat.decided) >= np.timedelta64(0)).all()
    assert len(np.unique(flat.columns["measure_0"])) <= 2_000


def test_an_extract_shows_only_what_had_been_written_by_then(tmp_path) -> None:  # type: ignore[no-untyped-def]
    world = catalogue()["restated_log_column/newsletter"].build(tmp_path, tmp_path, 1)
    before, last = world.lake.partitions("contacts")
    sql = "SELECT record_id, newsletter, contacted_at FROM contacts WHERE as_of = PARSE_DATE('%Y-%m-%d', @day)"
    rows = [table(world.lake, sql, {"day": day}).sort_by("record_id").to_pandas() for day in (before, last)]
    joined = rows[0].merge(rows[1], on="record_id")
    changed = joined["newsletter_x"] != joined["newsletter_y"]
    assert changed.sum() > 10
    assert (joined.loc[changed, "contacted_at_x"].max() - joined.loc[changed, "contacted_at_x"].min()).days <= 20


def test_a_flat_world_is_built_as_the_product_builds_it_and_declares_nothing(tmp_path) -> None:  # type: ignore[no-untyped-def]
    flat = honest_table(n=1_000)
    flat_leaks.call_duration(flat)
    world = written(tmp_path, flat)
    columns = world.recipe.decision_source.contract.columns
    assert {column.known for column in columns if column.name != "outcome"} == {"at_once"}
    assert training_rows(world.lake, world.as_of).num_rows == 1_000
    assert world.planted[0].features == ("talk_seconds",)
    assert "talk_seconds" not in world.clean


def test_honest_sql_is_never_a_leak_by_lineage_and_unguarded_sql_always(tmp_path) -> None:  # type: ignore[no-untyped-def]
    kinds = ("back_filled_date", "restated_assets", "vintage_before_arrival", "firm_unguarded", "diluted")
    market.write_sql(tmp_path / "sql", [entry for kind in kinds for entry in market.read_features(kind)])
    recipe = load_recipe("advisor_mql").in_folder(tmp_path)
    schemas, declared = contract_schemas(recipe), declarations_of(recipe)

    def verdicts(kind: str) -> set[str]:
        return {
            lineage_verdicts(compose(entry.sql, sql_of(recipe)), schemas, declared, [entry.name])[0].verdict
            for entry in market.read_features(kind)
        }

    assert "leak" not in verdicts(market.HONEST)
    for kind in kinds:
        assert verdicts(kind) == {"leak"}


def test_proper_folds_lie_a_window_apart_and_the_ways_people_bring_do_not() -> None:
    times = np.sort(np.random.default_rng(1).integers(0, 540, 3_000)).astype("datetime64[D]").astype("datetime64[s]")
    for train, judged in fold_leaks._expanding(np.arange(len(times)), times, fold_leaks.WINDOW_DAYS):
        assert len(train) == 0 or times[train].max() <= times[judged].min() - np.timedelta64(30, "D")
    train, judged = fold_leaks.short_gap(times, np.random.default_rng(1))[-1]
    assert times[train].max() > times[judged].min() - np.timedelta64(30, "D")


def test_the_tenure_of_the_original_model_is_as_informative_as_published_and_the_others_are_not() -> None:
    strengths = []
    for seed in range(4):
        flat = tenure.as_flat_table(np.random.default_rng(seed))
        assert flat.outcome.mean() == pytest.approx(0.0288, abs=0.005)
        strengths.append(auc(flat.columns["current_firm_tenure_months"], flat.outcome))
        assert max(auc(v, flat.outcome) for k, v in flat.columns.items() if k != "current_firm_tenure_months") < 0.68
    assert 0.70 < np.mean(strengths) < 0.76


def test_screens_give_nothing_for_noise_and_everything_for_the_outcome_itself() -> None:
    rng = np.random.default_rng(1)
    outcome = (rng.random(2_000) < 0.3).astype(int)
    noise, copy = pa.chunked_array([pa.array(rng.random(2_000))]), pa.chunked_array([pa.array(outcome)])
    named = pa.chunked_array([pa.array(np.where(outcome == 1, "won", "lost"))])
    assert rank_auc(copy, outcome) == rank_auc(named, outcome) == 1.0
    assert rank_auc(noise, outcome) < 0.55
    assert predictive_power(copy, outcome) == predictive_power(named, outcome) == 1.0
    assert predictive_power(noise, outcome) < 0.1


def test_the_tally_counts_misses_false_alarms_and_gives_the_screens_as_many_alarms() -> None:
    leaks = (Leak("kind", "seen", 1, "leak", ("replay",), 0.9, 0.6), Leak("kind", "missed", 1, "", (), 0.6, 0.1))
    honest = tuple(
        Honest(
            "clean", f"f{place}", 1, "suspect" if place == 0 else "clear", "strength", False, False, 0.5 + place / 20, 0
        )
        for place in range(5)
    )
    found = tally([Result("leaky", 1, leaks), Result("clean", 1, honest=honest)])
    document = as_json(found)
    assert document["recall"]["audit"][:2] == (1, 2)
    assert document["clean"]["suspect"][:2] == (1, 5)
    assert document["thresholds"]["auc"] == pytest.approx(0.65)  # one clean feature lies above it
    assert document["recall"]["auc_equal"] == 1
    assert "missed" in as_markdown(found)
