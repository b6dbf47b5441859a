"""Catalogues are read strictly, and agree with their statements; a model sees no personal data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import LogSource, Recipe
from leadscore_dagster.core.table.features.fold import fold_features_of
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.table.features.sets import features_of, load_set
from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster.core.warehouse import SqlPath, statement, table
from leadscore_dagster.core.warehouse.dialect import parse
from leadscore_dagster_tests.table.features import world

ADVISOR = sql_of(world.recipe())
SHIPPED = [name.rpartition("/")[2] for name in ADVISOR.names("features", ".yaml")]
ENTRY = (
    "- {name: Day_of_Contact, definition: d, type: integer}\n- {name: Is_Weekend_Contact, definition: d, type: flag}\n"
)


@pytest.fixture
def catalogue(tmp_path: Path) -> Callable[[str], SqlPath]:
    """Writes the catalogue of contact_time, and a copy of its statement, into a folder that is searched first."""

    def write(text: str) -> SqlPath:
        folder = tmp_path / "features"
        folder.mkdir()
        (folder / "contact_time.sql").write_text(statement("features/contact_time", ADVISOR), encoding="utf-8")
        (folder / "contact_time.yaml").write_text(text, encoding="utf-8")
        return SqlPath((tmp_path, *ADVISOR.folders))

    return write


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_catalogue_is_read_and_complete(name: str) -> None:
    entry = load_set(name, ADVISOR)
    assert entry.features
    for feature in entry.features:
        assert feature.feature_set == name
        assert feature.definition
        assert feature.phrase
        assert not feature.pii
        if feature.type == "flag":
            assert (feature.minimum, feature.maximum) == (0, 1)


#: the columns the models this recipe follows were never given
DROPPED = frozenset(
    [
        "FirstName",
        "LastName",
        "Branch_City",
        "Branch_County",
        "Branch_ZipCode",
        "Home_City",
        "Home_County",
        "Home_ZipCode",
        "RIAFirmName",
        "PersonalWebpage",
        "Notes",
        "RepCRD",
        "RIAFirmCRD",
        "Id",
        "Licenses",
        "RegulatoryDisclosures",
        "BreakawayRep",
        "SocialMedia_LinkedIn",
        "Title",
        "Education1",
        "Gender",
        "Email_BusinessType",
        "Email_PersonalType",
        "FirmWebsite",
        "Brochure_Keywords",
        "CustomKeywords",
        "Stage_Entered_Contacting__c",
        "Stage_Entered_Call_Scheduled__c",
        "rep_snapshot_at",
        "firm_snapshot_at",
        "days_to_conversion",
    ]
)


def test_every_dropped_column_of_the_advisor_s_contracts_is_kept_out_by_its_contract() -> None:
    recipe = load_recipe("advisor_mql")
    columns = [
        (source, column)
        for source in recipe.sources.values()
        for column in source.contract.columns
        if column.name in DROPPED
    ]
    assert len({column.name for _, column in columns}) == 20
    for source, column in columns:
        written_later = isinstance(source, LogSource) and column.name in source.known_later
        assert column.pii or column.known == "after_outcome" or written_later, column.name


@pytest.mark.parametrize("name", ["Title", "Notes"])
def test_a_column_whose_contract_says_nothing_of_it_may_be_a_feature_whatever_it_is_called(name: str) -> None:
    made = flat([name], {"name": name, "type": "text"})
    assert [feature.name for feature in features_of(made)] == [name]
    with pytest.raises(InputError, match=f"contract leads says pii.*column {name}"):
        features_of(flat([name], {"name": name, "type": "text", "pii": True}))


def test_a_feature_named_like_a_personal_column_of_any_source_is_refused() -> None:
    document = world.recipe(["rep_firm_base"]).model_dump()
    columns = [{"name": "x", "type": "text"}, {"name": "OwnershipType", "type": "text", "pii": True}]
    document["sources"]["firm_vintage"]["contract"] = {"name": "firms", "key": ["x"], "columns": columns}
    with pytest.raises(InputError, match=r"contract firms says pii.*column OwnershipType"):
        features_of(Recipe.model_validate(document))


def test_a_set_lies_whole_in_one_folder(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "contact_time.sql").write_text("SELECT d.decision_id FROM decisions AS d", "utf-8")
    with pytest.raises(InputError, match="lie in different folders"):
        load_set("contact_time", SqlPath((tmp_path, *ADVISOR.folders)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY.replace("definition: d, type: flag", "definition: d, type: flag, unitt: x"), "unitt"),
        (ENTRY.replace("type: flag", "type: boolean"), "type"),
        (ENTRY.replace(", type: flag", ""), "type: Field required"),
        (ENTRY.replace("type: flag", "type: flag, pii: maybe"), "pii"),
        (ENTRY.replace("type: flag", "type: flag, feature_set: other"), "feature_set"),
        (ENTRY + "- {name: Hour, definition: d, type: integer}\n", "does not return, .*Hour"),
        (ENTRY.splitlines()[0], "does not list, .*Is_Weekend_Contact"),
        (ENTRY + ENTRY.splitlines()[0], "given twice"),
        (ENTRY.replace("type: flag", "type: flag, stage: fold"), "mixes"),
        ("name: x", "list of entries"),
        ("- [", "not valid YAML"),
    ],
)
def test_a_broken_catalogue_is_refused_and_named(catalogue: Callable[[str], SqlPath], text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_set("contact_time", catalogue(text))
    assert "contact_time.yaml" in str(caught.value)


def test_an_unknown_set_gets_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'employment'"):
        load_set("employmnt", ADVISOR)


def test_features_stand_in_the_order_of_the_recipe() -> None:
    names = [feature.name for feature in features_of(world.recipe(["contact_time", "home_metro"]))]
    assert names[:3] == ["Day_of_Contact", "Is_Weekend_Contact", "Home_MetropolitanArea_Chicago_Naperville_Elgin_IL_IN"]


def test_the_query_returns_decision_features_and_evidence_and_nothing_else() -> None:
    query = feature_query(world.recipe([*world.ALL_SETS, "m5_population"]))
    names = [feature.name for feature in query.features]
    assert parse(query.sql.rpartition("SELECT * FROM (\n")[2].rstrip()[:-1]).named_selects == [
        "decision_id", *names, *query.evidence,
    ]  # fmt: skip
    assert len(names) == 49 + 5 + 27 + 2 + 14
    assert {feature.stage for feature in query.features} == {"row"}
    assert "evidence_firm_history_vintage_known_at" in query.evidence


def test_a_set_of_the_fold_without_its_inputs_is_refused() -> None:
    with pytest.raises(InputError, match=r"m5_population.*needs AUM_per_Client"):
        features_of(world.recipe(["rep_firm_base", "m5_population"]))


def test_an_excluded_feature_is_gone_unless_a_fold_needs_it() -> None:
    sets = ["rep_firm_base", "m5_engineered", "m5_population"]
    made = world.recipe(features={"sets": sets, "exclude": ["Branch_State", "AverageAccountSize"]})
    assert not {"Branch_State", "AverageAccountSize"} & {feature.name for feature in features_of(made)}
    stored = {feature.name for feature in feature_query(made).features}
    assert "Branch_State" not in stored
    assert "AverageAccountSize" in stored


def test_excluding_what_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'Branch_State'"):
        features_of(world.recipe(features={"sets": ["rep_firm_base"], "exclude": ["Branch_Stat"]}))


def test_a_feature_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="given twice, in recipe world, column Day_of_Contact"):
        features_of(world.recipe(["contact_time", "contact_time"]))


def flat(names: list[str], *added: dict[str, Any]) -> Recipe:
    """A recipe whose features are columns of the log itself; ``added`` are further columns of its contract."""
    made = world.recipe(["contact_time"]).model_dump()
    made["features"] = {"columns": names}
    made["sources"]["leads"]["contract"]["columns"] += added
    return Recipe.model_validate(made)


def test_a_personal_column_of_a_flat_table_is_refused() -> None:
    with pytest.raises(InputError, match=r"cannot be a feature.*in recipe world, column Shoe_size"):
        features_of(flat(["Shoe_size"], {"name": "Shoe_size", "type": "number", "pii": True}))


@pytest.mark.parametrize("kind", ["key", "date", "timestamp"])
def test_a_column_that_is_no_value_is_refused(kind: str) -> None:
    with pytest.raises(InputError, match=f"type {kind} cannot be a feature"):
        feature_query(flat(["When"], {"name": "When", "type": kind}))


def test_a_column_known_after_the_outcome_is_composed_for_the_lineage_gate_to_refuse() -> None:
    made = flat(["Company", "Notes_after"], {"name": "Notes_after", "type": "text", "known": "after_outcome"})
    query = feature_query(made)
    assert [feature.name for feature in query.features] == ["Company", "Notes_after"]
    assert query.evidence == ("evidence_crm_leads_known_at",)
    assert fold_features_of(made) is None


def test_own_columns_come_from_the_first_version_that_shows_the_row_and_only_once_known(tmp_path: Path) -> None:
    lake = world.lake(tmp_path)
    row = {"Id": "a", "RepCRD": 1, "New_at": "2024-02-01T00:00:00", "Company": "First"}
    world.leads(lake, "2024-04-01", row)
    world.leads(lake, "2024-07-01", {**row, "Company": "Later"}, {**row, "Id": "b"})
    decided = world.decisions(
        ("a", 1, "2024-03-01T00:00:00"), ("b", 1, "2024-01-31T23:59:59"), ("c", 1, "2024-03-01T00:00:00")
    )
    found = table(lake, feature_query(flat(["Company"])).sql, {}, {"decisions": decided}).sort_by("decision_id")
    assert found["Company"].to_pylist() == ["First", None, None]
    assert found["evidence_crm_leads_known_at"].to_pylist() == [world.instant("2024-02-01T00:00:00"), None, None]
