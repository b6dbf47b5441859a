"""Feature sets: a SELECT under ``features/`` and the catalogue beside it, checked against each other.

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
from leadscore_dagster.core.table.features.catalogue import Feature, conditions
from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster.core.text import nearest_or
from leadscore_dagster.core.warehouse import SqlPath, statement
from leadscore_dagster.core.warehouse.dialect import parse

EVIDENCE = "evidence_"
STATISTICS = "_statistics"
#: where sets lie, and how their catalogues end
FEATURES, CATALOGUE = "features", ".yaml"

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
        names = _columns_of(self.sql, "features") | _columns_of(self.statistics, "features")
        return names - {"row_number"}


def load_set(name: str, path: SqlPath) -> FeatureSet:
    """The feature set of that name, from the first folder of ``path`` that has its catalogue.

    Raises
    ------
    InputError : no such set, a catalogue whose statement is found in another folder, a catalogue that is not a list of
        entries, an unknown key, a wrong type, a name that stands twice, a column of the statement without an entry or
        an entry without a column.
    """
    catalogue = path.find(f"{FEATURES}/{name}", CATALOGUE)
    if catalogue is None:
        known = [entry.rpartition("/")[2] for entry in path.names(FEATURES, CATALOGUE)]
        remedy = nearest_or(name, known, f"use one of {', '.join(known)}, or name the library that has it")
        raise InputError(f"there is no feature set {name!r}", where=f"{FEATURES}/ of {path}", remedy=remedy)
    sql, written = _beside(catalogue, name, path), catalogue.read_text(encoding="utf-8")
    learned = f"{name}{STATISTICS}"
    statistics = _beside(catalogue, learned, path) if catalogue.with_name(f"{learned}.sql").is_file() else None
    return _read_set(name, catalogue, written, sql, statistics)


@lru_cache(maxsize=128)
def _read_set(name: str, catalogue: Path, written: str, sql: str, statistics: str | None) -> FeatureSet:
    """By content, so that an edited file is read again."""
    features = tuple(_entry(raw, name, catalogue) for raw in _entries(written, catalogue))
    names = [feature.name for feature in features]
    _refuse_repeated(names, catalogue)
    for feature in features:
        for condition in conditions(feature):
            if condition.feature not in names:
                hint = nearest_or(condition.feature, names, "name features of the same set")
                problem = f"phrase_when names {condition.feature!r}, which is not in the set"
                raise InputError(problem, where=catalogue, column=feature.name, remedy=hint)
    stages = {feature.stage for feature in features}
    if len(stages) != 1:
        raise InputError("the set mixes features of stage row and fold", where=catalogue, remedy="make two sets of it")
    fold = stages == {"fold"}
    evidence = _agree(features, sql, "row_number" if fold else "decision_id", catalogue)
    if fold and statistics is None:
        raise InputError(
            "a set computed inside the fold has no statistics",
            where=catalogue,
            remedy=f"write {name}{STATISTICS}.sql beside it",
        )
    return FeatureSet(name, features, sql, evidence, statistics if fold else None)


def feature_sets(recipe: Recipe) -> tuple[FeatureSet, ...]:
    """The sets of a recipe, in its order. Raises InputError as ``load_set`` does."""
    path = sql_of(recipe)
    return tuple(load_set(name, path) for name in recipe.features.sets)


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
            f"a column of type {column.type} cannot be a feature",
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
    """What a contract or a catalogue calls personal is no feature, by whichever statement it comes."""
    declared = [
        source.contract.name
        for source in recipe.sources.values()
        if any(column.name == name and column.pii for column in source.contract.columns)
    ]
    if pii or declared:
        said_by = f" (contract {declared[0]} says pii)" if declared else ""
        raise InputError(
            f"personal data or an identifier cannot be a feature{said_by}",
            where=f"recipe {recipe.name}",
            column=name,
            remedy="remove it from the recipe's features, or name it in features.exclude; "
            "a feature that is something else needs another name",
        )


def _beside(catalogue: Path, name: str, path: SqlPath) -> str:
    """The statement of that name. A set comes whole from one folder: another's statement would not be what its
    catalogue describes."""
    text, file = statement(f"{FEATURES}/{name}", path), path.find(f"{FEATURES}/{name}")
    if file is None or file.parent != catalogue.parent:
        raise InputError(
            f"the catalogue of a set and {name}.sql lie in different folders",
            where=f"{catalogue} and {file}",
            remedy="put them into one folder",
        )
    return text


def _entries(text: str, path: Path) -> list[dict[str, Any]]:
    try:
        entries = yaml.safe_load(text)
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


@lru_cache(maxsize=128)
def _columns_of(sql: str, relation: str) -> frozenset[str]:
    from sqlglot import exp
    from sqlglot.optimizer.scope import traverse_scope

    found: set[str] = set()
    for scope in traverse_scope(parse(sql)):
        aliases = [
            name for name, source in scope.sources.items() if isinstance(source, exp.Table) and source.name == relation
        ]
        for alias in aliases:
            found |= {column.name for column in scope.source_columns(alias)}
    return frozenset(found)
