"""From a candidate to the ledger, with real models in a real registry: whom it is compared with, and when it is not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.commands.run import _overruled
from leadscore_dagster.core.errors import GateRefused, InputError
from leadscore_dagster.core.measures.intervals import unmeasured
from leadscore_dagster.core.modelling.candidate import Candidate, train_candidate
from leadscore_dagster.core.modelling.judgement.judging import Known
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.day import champion_of_day
from leadscore_dagster.core.state import State
from leadscore_dagster.core.table.features.statements import statements_of
from leadscore_dagster.core.table.training import TABLE, training_rows
from leadscore_dagster.core.verdict import Reason
from leadscore_dagster.core.versions import promotion, registry
from leadscore_dagster.core.versions.gates import evaluate_gates
from leadscore_dagster.core.versions.ledger import LedgerEntry, append_entry, champion_at, history, rollback
from leadscore_dagster.core.versions.track_record import track_record
from leadscore_dagster.core.versions.waivers import Waiver, grant
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster_tests import scenario
from leadscore_dagster_tests.modelling.simulated import FAST, FEATURES, training_table
from leadscore_dagster_tests.scoring import world

FIRST, SECOND, THIRD = date(2023, 4, 1), date(2023, 7, 1), date(2023, 10, 1)
NOW = datetime(2023, 7, 20, 9, tzinfo=UTC)
KINDS = {"number": "number", "integer": "integer", "flag": "flag", "category": "text"}
NAMES = [feature.name for feature in FEATURES]
NOBODY = unmeasured(Reason.NO_CHAMPION, "there is no champion yet")


def recipe(columns: list[str] = NAMES, **changes: Any) -> Recipe:
    """The small recipe over the columns of the simulated table."""
    document = world.recipe().model_dump(exclude_unset=True)
    contract = document["sources"]["leads"]["contract"]
    contract["columns"] = [
        {"name": name, "type": kind}
        for name, kind in (("Id", "text"), ("rep", "key"), ("contacted", "timestamp"), ("called", "timestamp"))
    ] + [{"name": feature.name, "type": KINDS[feature.type]} for feature in FEATURES]
    document["decisions"]["entity"] = "rep"
    document["features"] = {"columns": columns}
    document["model"] = FAST.model_dump(exclude_unset=True)
    document["gates"] = {"test_positives": {"at_least": 10}}
    return Recipe.model_validate(document | changes)


@dataclass(frozen=True)
class Home:
    """A champion of the first quarter that knows every feature, and the training table of the second."""

    lake: Lake
    state: State
    models: Path
    champion: str

    def candidate(self, made: Candidate, chosen: Recipe, as_of: date = SECOND) -> str:
        return promotion.register_candidate(
            self.state, self.models, chosen, as_of=as_of, candidate=made, vintages={}, code_version="1", recorded_at=NOW
        )

    def rule(self, chosen: Recipe, as_of: date = SECOND, now: datetime = NOW) -> promotion.Ruling:
        rows = training_rows(self.lake, as_of)
        return promotion.rule(
            self.state, self.models, chosen, as_of=as_of, training=rows, fold_features=None, recorded_at=now
        )

    def damage(self, version: str) -> None:
        path = self.models / version / registry.TEST_SCORES
        content = path.read_bytes()
        path.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])


ROWS = training_table(9000, rate=0.1)
#: `tenure` carries much of the signal and is not recorded any more; the recipe without it is honestly worse
LESS = [name for name in NAMES if name != "tenure"]


def dated(rows: pa.Table, as_of: date, dropped: tuple[str, ...] = ()) -> pa.Table:
    kept = rows.drop_columns(list(dropped)) if dropped else rows
    return kept.append_column("as_of", pa.array([as_of] * rows.num_rows, pa.date32()))


def before(rows: pa.Table, until: str) -> pa.Table:
    return rows.filter(pa.array(rows["decision_at"].to_numpy() < np.datetime64(until)))


@pytest.fixture(scope="module")
def earlier() -> Candidate:
    """Trained on what was there in the first quarter."""
    return train_candidate(before(ROWS, "2022-12-01"), FEATURES, FAST, window_days=30, entity="rep")


@pytest.fixture(scope="module")
def without_tenure() -> Candidate:
    return train_candidate(ROWS, [f for f in FEATURES if f.name in LESS], FAST, window_days=30, entity="rep")


@pytest.fixture
def home(tmp_path: Path, earlier: Candidate) -> Home:
    lake, models = Lake(tmp_path / "warehouse", "small"), tmp_path / "models" / "small"
    home = Home(lake, scenario.state_of(tmp_path, "small"), models, "")
    version = home.candidate(earlier, recipe(), FIRST)
    lake.write_partition(TABLE, FIRST.isoformat(), dated(before(ROWS, "2022-12-01"), FIRST))
    assert home.rule(recipe(), FIRST).action == "promote"
    lake.write_partition(TABLE, SECOND.isoformat(), dated(ROWS, SECOND, ("tenure",)))
    return replace(home, champion=version)


def waive(home: Home, version: str) -> None:
    waiver = Waiver(
        "small", version, "better_than_champion", "tenure is not filed any more", "Ada", NOW, SECOND.replace(day=31)
    )
    grant(home.state, waiver, promotion.not_promoted(home.state, version))


def test_a_champion_that_needs_a_feature_the_recipe_lost_is_not_compared_blindfold(
    home: Home, without_tenure: Candidate
) -> None:
    version = home.candidate(without_tenure, recipe(LESS))
    ruling = home.rule(recipe(LESS))
    assert (ruling.action, ruling.champion) == ("keep", home.champion)
    assert f"champion {home.champion} needs feature tenure, which the recipe no longer has: unchanged." in ruling.why
    assert f"leadscore waive small --version {version} --gate better_than_champion" in ruling.why
    verdict = ruling.results[-1]
    assert (verdict.passed, verdict.value, verdict.low, verdict.high) == (False, None, None, None)


def test_a_person_may_replace_a_champion_that_cannot_be_compared_and_the_ledger_says_who_and_why(
    home: Home, without_tenure: Candidate
) -> None:
    version = home.candidate(without_tenure, recipe(LESS))
    with pytest.raises(InputError, match="did not fail gate"):
        waive(home, version)  # nobody has judged it yet
    home.rule(recipe(LESS))
    waive(home, version)
    ruling = home.rule(recipe(LESS, shadow={"required": True}))
    assert (ruling.action, ruling.champion) == ("promote", version)
    entry = champion_at(home.state, NOW)
    assert entry is not None
    assert entry.version == version
    assert "by Ada: tenure is not filed any more" in str(entry.waiver)
    assert "waived until 2023-07-31 by Ada: tenure is not filed any more. Cannot be compared" in entry.why
    assert "unchanged" not in entry.why
    assert ruling.results[-1].waived
    assert [said.action for said in history(home.state)] == ["promote", "keep", "promote"]
    assert champion_of_day_of(home, recipe(LESS)) == version
    assert promotion.not_promoted(home.state, version) == []


def test_a_waiver_that_has_ended_replaces_nobody(home: Home, without_tenure: Candidate) -> None:
    version = home.candidate(without_tenure, recipe(LESS))
    home.rule(recipe(LESS))
    waive(home, version)
    ruling = home.rule(recipe(LESS), now=datetime(2023, 8, 1, tzinfo=UTC))
    assert ruling.action == "keep"
    assert "It was waived from 2023-07-20 to 2023-07-31 only." in ruling.why


def champion_of_day_of(home: Home, chosen: Recipe) -> str:
    return champion_of_day(home.state, home.models, chosen, day=NOW.date()).version


def test_a_day_is_not_scored_by_a_champion_without_its_feature_and_says_what_to_do(home: Home) -> None:
    assert champion_of_day_of(home, recipe()) == home.champion
    with pytest.raises(InputError, match="needs feature tenure, which the recipe no longer has") as refused:
        champion_of_day_of(home, recipe(LESS))
    assert refused.value.remedy is not None
    assert "leadscore run small --as-of 2023-04-01" in refused.value.remedy


def test_a_champion_whose_features_are_computed_otherwise_now_neither_scores_nor_is_compared(home: Home) -> None:
    """Its columns come from another table today; the names, and the columns of the training table, are the same."""
    home.lake.write_partition(TABLE, SECOND.isoformat(), dated(ROWS, SECOND))
    sources = world.recipe().model_dump(exclude_unset=True)["sources"]
    sources["leads"]["contract"] = recipe().decision_source.contract.model_dump(exclude_unset=True)
    sources["leads"]["table"] = "leads_of_another_system"
    moved = recipe(sources=sources)
    with pytest.raises(InputError, match=r"another columns/\w+ than there is now.*--as-of 2023-04-01"):
        champion_of_day_of(home, moved)
    version = home.candidate(train_candidate(ROWS, FEATURES, FAST, window_days=30, entity="rep"), moved)
    ruling = home.rule(moved)
    assert ruling.action == "keep"
    assert f"Cannot be compared: champion {home.champion} was trained with another columns/" in ruling.why
    registry.load_version(home.models, version, None, statements=statements_of(moved))


def test_the_training_table_alone_may_lack_the_feature(home: Home, without_tenure: Candidate) -> None:
    """The recipe has the feature again, and the quarter's table was made before."""
    home.candidate(without_tenure, recipe())
    ruling = home.rule(recipe())
    assert ruling.action == "keep"
    assert "needs feature tenure, which the training table does not have: unchanged." in ruling.why


def test_a_comparable_champion_is_compared(home: Home) -> None:
    home.lake.write_partition(TABLE, SECOND.isoformat(), dated(ROWS, SECOND))
    home.candidate(train_candidate(ROWS, FEATURES, FAST, window_days=30, entity="rep"), recipe())
    verdict = home.rule(recipe()).results[-1]
    assert verdict.value is not None
    assert "On the same" in verdict.why


def test_the_track_record_measures_no_version_blindfold(home: Home) -> None:
    """The table of the third quarter has decisions after the first two; the first quarter's model needs tenure."""
    later = ROWS.set_column(
        ROWS.schema.get_field_index("decision_at"), "decision_at",
        pa.array(ROWS["decision_at"].to_numpy() + np.timedelta64(100, "D"), pa.timestamp("us", "UTC")),
    )  # fmt: skip
    for columns, dropped in ((NAMES, ()), (LESS, ("tenure",))):
        home.lake.write_partition(TABLE, THIRD.isoformat(), dated(later, THIRD, dropped))
        (record,) = track_record(
            home.lake, home.state, home.models, recipe=recipe(columns), as_of=THIRD, fold_features=None
        )
        assert record.n > 100
        assert record.positives > 20
        assert record.claimed
        assert bool(record.metrics) == (not dropped)
        wanted = f"model {home.champion} needs feature tenure, which the recipe no longer has." if dropped else ""
        assert record.to_dict()["why"] == wanted
    home.damage(home.champion)
    (record,) = track_record(home.lake, home.state, home.models, recipe=recipe(), as_of=THIRD, fold_features=None)
    assert (record.metrics, record.claimed) == ({}, {})
    assert "digest" in record.why


def test_a_damaged_champion_stops_neither_the_next_quarter_nor_its_own(
    home: Home, earlier: Candidate, without_tenure: Candidate
) -> None:
    home.damage(home.champion)
    asked = recipe(gates={"importance_stability": {"at_least": 0.0}})
    known = promotion.known_before(home.state, home.models, asked, as_of=SECOND)
    absent = unmeasured(Reason.UNREADABLE_CHAMPION, f"champion {home.champion} cannot be read")
    assert known == Known({}, importance_stability=absent)
    (stability,) = evaluate_gates({"importance_stability": absent}, asked.gates)
    assert (stability.passed, stability.reason) == (False, Reason.UNREADABLE_CHAMPION)
    assert f"cannot be measured on 0 features (champion {home.champion} cannot be read)" in stability.why
    home.candidate(without_tenure, recipe(LESS))
    ruling = home.rule(recipe(LESS))
    assert ruling.action == "keep"
    assert f"a file of champion {home.champion} is not what its digest says" in ruling.why
    assert f"small/{home.champion} aside" in ruling.why
    assert "leadscore run small --as-of 2023-04-01" in ruling.why
    with pytest.raises(InputError, match=r"digest.*leadscore run small --as-of 2023-04-01"):
        champion_of_day_of(home, recipe())
    assert home.candidate(earlier, recipe(), FIRST) == home.champion  # what the remedy says
    assert home.rule(recipe(), FIRST).action == "promote"
    assert champion_of_day_of(home, recipe()) == home.champion
    assert len(list(home.models.glob(f".damaged-{home.champion}-*"))) == 1


def test_the_first_candidate_has_no_importances_to_be_held_against(tmp_path: Path) -> None:
    lake, state = Lake(tmp_path, "small"), scenario.state_of(tmp_path, "small")
    models, chosen = tmp_path / "models", recipe()
    assert (
        promotion.known_before(state, models, chosen, as_of=FIRST) == Known()
    )  # no gate asks: nothing is stored of it
    asked = recipe(gates={"importance_stability": {"at_least": 0.5}, "ece": {"at_most": 0.1}})
    known = promotion.known_before(state, models, asked, as_of=FIRST)
    assert known == Known({}, 0.1, NOBODY)
    made = train_candidate(before(ROWS, "2022-12-01"), FEATURES, FAST, window_days=30, entity="rep", known=known)
    version = Home(lake, state, models, "").candidate(made, asked, FIRST)
    stability = promotion.judge(state, models, asked, version=version, on=NOW.date())[0]
    assert (stability.passed, stability.value, stability.reason) == (True, None, Reason.NO_CHAMPION)


def test_a_candidate_trained_before_there_was_a_champion_does_not_pass_for_want_of_one(
    home: Home, without_tenure: Candidate
) -> None:
    """The quarters were run in the wrong order: its importances could not be held against a champion's."""
    asked = recipe(LESS, gates={"importance_stability": {"at_least": 0.0}})
    metrics = {**without_tenure.metrics, "importance_stability": NOBODY}
    candidate = replace(without_tenure, judgement=replace(without_tenure.judgement, metrics=metrics))
    home.candidate(candidate, asked)
    with pytest.raises(GateRefused, match=f"was not measured: {home.champion} became champion after"):
        home.rule(asked)


def test_a_run_says_when_another_version_scores_than_the_one_it_promoted(home: Home) -> None:
    """v2 was rolled back; its quarter, run again on mended data, is promoted for the quarter and scores nobody."""
    state, april = home.state, datetime(2023, 7, 1, tzinfo=UTC)
    made = train_candidate(ROWS, FEATURES, FAST, window_days=30, entity="rep")
    models = [home.champion, home.candidate(made, recipe(), SECOND), home.candidate(made, recipe(), THIRD)]

    def promote(version: str) -> LedgerEntry:
        return append_entry(state, LedgerEntry("small", version, "promote", april, NOW, "better"))

    second = promote(models[1])
    assert _overruled(recipe(), second, champion_at(state, NOW)) == ""
    rollback(state, "small", models[0], effective_from=datetime(2023, 7, 10, tzinfo=UTC), recorded_at=NOW, why="odd")
    third = promote(models[2])
    said = _overruled(recipe(), third, champion_at(state, NOW))
    assert f"but {models[0]} scores since the rollback of 2023-07-10" in said
    assert f"leadscore rollback small --to {models[2]}" in said
    rollback(state, "small", models[2], effective_from=NOW, recorded_at=NOW, why="as the run said")
    assert _overruled(recipe(), third, champion_at(state, NOW)) == ""
