"""Feature sets: a SELECT in ``sql/features`` and the catalogue beside it, checked against each other.

Lives here: reading catalogues strictly, and which features a recipe's model may see. Not here: composing the query
(query), statistics learned inside a fold (fold), what a feature is (catalogue).
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from pydantic import ValidationError, create_model

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.contract import Column, Strict
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.text import nearest_or
from leadscore_dagster.core.warehouse import statement
from leadscore_dagster.core.warehouse.dialect import parse
from leadscore_dagster.core.warehouse.statements import sql_folder

EVIDENCE = "evidence_"
STATISTICS = "_statistics"

#: Columns that identify a person or a firm, or speak of the outcome: never a feature (31 columns).
NEVER_A_FEATURE = frozenset(
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
_COLUMN_TYPES = {
    "text": "category", "zip": "category", "integer": "integer", "count": "integer",
    "number": "number", "money": "number", "flag": "flag",
}  # fmt: skip
#: the strict form of a catalogue entry: every field of Feature but the set's name, which the file gives
_ENTRY = create_model(  # type: ignore[call-overload]
    "Entry",
    __base__=Strict,
    **{
        field.name: (get_type_hints(Feature)[field.name], ... if field.default is MISSING else field.default)
        for field in fields(Feature)
        if field.name != "feature_set"
    },
)


@dataclass(frozen=True)
class FeatureSet:
    """A feature set: its catalogue in order, and its statement.

    ``statistics`` is the statement that learns what the set needs inside a fold, None for a set of stage ``row``.
    ``evidence`` names the columns of the statement that say when its facts became known.
    """

    name: str
    features: tuple[Feature, ...]
    sql: str
    evidence: tuple[str, ...] = ()
    statistics: str | None = None

    @property
    def is_fold(self) -> bool:
        return self.statistics is not None

    def inputs(self) -> frozenset[str]:
        """Columns of the relation ``features`` that a set of stage ``fold`` reads; empty for a set of stage ``row``."""
        if self.statistics is None:
            return frozenset()
        names = {column.name for text in (self.sql, self.statistics) for column in _columns_of(text, "features")}
        return frozenset(names - {"row_number"})


@lru_cache(maxsize=128)
def load_set(name: str, folder: Path | None = None) -> FeatureSet:
    """The feature set of that name.

    Raises
    ------
    InputError : no such set, a catalogue that is not a list of entries, an unknown key, a wrong type, a name that
        stands twice, a column of the statement without an entry or an entry without a column.
    """
    root = folder or sql_folder()
    path = root / "features" / f"{name}.yaml"
    known = sorted(entry.stem for entry in (root / "features").glob("*.yaml"))
    if name not in known:
        remedy = nearest_or(name, known, f"use one of {', '.join(known)}")
        raise InputError(f"there is no feature set {name!r}", where=root / "features", remedy=remedy)
    features = tuple(_entry(raw, name, path) for raw in _entries(path))
    _refuse_repeated([feature.name for feature in features], path)
    sql = statement(f"features/{name}", folder)
    stages = {feature.stage for feature in features}
    if len(stages) != 1:
        raise InputError("the set mixes features of stage row and fold", where=path, remedy="make two sets of it")
    fold = stages == {"fold"}
    evidence = _agree(features, sql, "row_number" if fold else "decision_id", path)
    statistics = statement(f"features/{name}{STATISTICS}", folder) if fold else None
    return FeatureSet(name, features, sql, evidence, statistics)


def feature_sets(recipe: Recipe) -> tuple[FeatureSet, ...]:
    """The sets of a recipe, in its order. Raises InputError as ``load_set`` does."""
    return tuple(load_set(name) for name in recipe.features.sets)


def features_of(recipe: Recipe) -> list[Feature]:
    """The features a model of the recipe may see, in a fixed order: set by set, then the recipe's own columns.

    Raises
    ------
    InputError : a set that does not exist or is broken, a feature that two sets give, an ``exclude`` that excludes
        nothing, a column that is personal data or cannot be a feature, a set inside the fold whose inputs no other
        set of the recipe gives.
    """
    sets = feature_sets(recipe)
    found = [feature for entry in sets for feature in entry.features]
    found += own_columns(recipe)
    names = [feature.name for feature in found]
    _refuse_repeated(names, f"recipe {recipe.name}")
    for name in recipe.features.exclude:
        if name not in names:
            remedy = nearest_or(name, names, "remove it from features.exclude")
            raise InputError(f"excluded feature {name!r} does not exist", where=f"recipe {recipe.name}", remedy=remedy)
    stored = {feature.name for feature in found if feature.stage == "row"}
    for entry in sets:
        missing = sorted(entry.inputs() - stored)
        if missing:
            raise InputError(
                f"feature set {entry.name!r} needs {', '.join(missing)}, which no set of the recipe gives",
                where=f"recipe {recipe.name}",
                remedy="add the sets it builds on to features.sets, before it",
            )
    kept = [feature for feature in found if feature.name not in recipe.features.exclude]
    for feature in kept:
        _refuse_personal(feature.name, feature.pii, recipe)
    return kept


def own_columns(recipe: Recipe) -> list[Feature]:
    """Features taken from the decision's own row, as their contract describes them.

    Raises InputError for personal data and for a column whose type is no feature (key, date, timestamp).
    """
    contract = recipe.decision_source.contract
    return [_from_column(contract.column(name), recipe) for name in recipe.features.columns]


def _from_column(column: Column, recipe: Recipe) -> Feature:
    _refuse_personal(column.name, column.pii, recipe)
    if column.type not in _COLUMN_TYPES:
        raise InputError(
            f"a column of type {column.type} is no feature",
            where=f"recipe {recipe.name}",
            column=column.name,
            remedy="remove it from features.columns",
        )
    return Feature(
        name=column.name,
        definition=column.description or column.name,
        type=_COLUMN_TYPES[column.type],  # type: ignore[arg-type]
        minimum=column.minimum,
        maximum=column.maximum,
        temporal=column.temporal,
        feature_set=recipe.decisions.source,
    )


def _refuse_personal(name: str, pii: bool, recipe: Recipe) -> None:
    if pii or name in NEVER_A_FEATURE:
        raise InputError(
            "personal data, an identifier or a trace of the outcome cannot be a feature",
            where=f"recipe {recipe.name}",
            column=name,
            remedy="remove it from the recipe's features, or name it in features.exclude",
        )


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"not valid YAML: {str(error).splitlines()[0]}", where=path) from error
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise InputError("a catalogue is a list of entries", where=path, remedy="see the other catalogues")
    return entries


def _entry(raw: dict[str, Any], name: str, path: Path) -> Feature:
    numbers = {key: float(raw[key]) for key in ("minimum", "maximum") if isinstance(raw.get(key), int)}
    try:
        entry = _ENTRY.model_validate({**raw, **numbers})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "entry"
        raise InputError(f"{key}: {first['msg']}", where=path, column=str(raw.get("name"))) from error
    return Feature(**entry.model_dump(), feature_set=name)


def _refuse_repeated(names: list[str], where: object) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError("the feature is given twice", where=where, column=repeated[0], remedy="keep one of them")


def _agree(features: tuple[Feature, ...], sql: str, row: str, path: Path) -> tuple[str, ...]:
    """Names of the evidence columns. Raises InputError unless statement and catalogue name the same columns."""
    columns = parse(sql).named_selects
    evidence = tuple(name for name in columns if name.startswith(EVIDENCE))
    given = [name for name in columns if name not in (row, *evidence)]
    listed = [feature.name for feature in features]
    if row not in columns:
        raise InputError(f"the statement does not return {row}", where=path.with_suffix(".sql"))
    for name in listed:
        if name not in given:
            raise InputError("the catalogue lists a column the statement does not return", where=path, column=name)
    for name in given:
        if name not in listed:
            raise InputError("the statement returns a column the catalogue does not list", where=path, column=name)
    return evidence


def _columns_of(sql: str, relation: str) -> list[Any]:
    from sqlglot import exp
    from sqlglot.optimizer.scope import traverse_scope

    found = []
    for scope in traverse_scope(parse(sql)):
        aliases = [
            name for name, source in scope.sources.items() if isinstance(source, exp.Table) and source.name == relation
        ]
        for alias in aliases:
            found += scope.source_columns(alias)
    return found


__all__ = ["EVIDENCE", "NEVER_A_FEATURE", "FeatureSet", "feature_sets", "features_of", "load_set", "own_columns"]
