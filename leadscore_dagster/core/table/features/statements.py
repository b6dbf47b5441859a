"""What a recipe's features are computed by: a digest of every statement, so that a model is not fed another meaning.

A stored model knows its features by name alone. If the statement behind a name is edited, the model would be given
other numbers and nobody would notice; so a version keeps these digests, and is held against today's before it scores.
Lives here: which statements there are, and their digests. Not here: refusing (registry), running them (features).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import sqlglot

from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.state.code import MODELS
from leadscore_dagster.core.state.evidence import fingerprint
from leadscore_dagster.core.table.features.query import feature_query, own_columns_query
from leadscore_dagster.core.table.features.sets import STATISTICS, FeatureSet, feature_sets, features_of, own_columns
from leadscore_dagster.core.table.labels import label_query
from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster.core.warehouse.dialect import translate
from leadscore_dagster.core.warehouse.statements import SqlPath, relations, statement


@dataclass(frozen=True)
class FeatureStatements:
    """What a recipe gives a model today.

    ``features``: names. ``digests``: statement name (``features/m5_engineered``; ``columns/age`` for a column of the
    decision's own row) to `statement_digest`.
    """

    features: frozenset[str]
    digests: Mapping[str, str]


def statements_of(recipe: Recipe) -> FeatureStatements:
    """The recipe's features, and the statements that compute them with those they read. Raises InputError as
    ``features_of`` does."""
    names = frozenset(feature.name for feature in features_of(recipe))
    sets, path = feature_sets(recipe), sql_of(recipe)
    known = relations(path)
    computed = names.union(*(entry.inputs() for entry in sets))
    texts: dict[str, str] = {}
    for entry in sets:
        if any(feature.name in computed for feature in entry.features):
            texts |= _texts(entry, path, known)
    for feature in own_columns(recipe) if recipe.features.columns else []:
        if feature.name in computed:
            texts[f"columns/{feature.name}"] = own_columns_query(recipe, [feature])
    return FeatureStatements(names, {name: statement_digest(text) for name, text in sorted(texts.items())})


def code_version_of(recipe: Recipe) -> str:
    """Version of everything a model of the recipe depends on but its data: the statements of its features and labels,
    the recipe, the code. Comments and white space in a statement do not count; 16 hexadecimal digits."""
    digests = statements_of(recipe).digests
    composed = [statement_digest(text) for text in (feature_query(recipe).sql, label_query(recipe))]
    stated = [f"{name}={digest}" for name, digest in digests.items()]
    return fingerprint(*composed, *stated, recipe.model_dump_json(exclude={"automation"}), code=MODELS)[:16]


@lru_cache(maxsize=512)
def statement_digest(sql: str) -> str:
    """SHA-256 of a statement's tokens as they are written, without comments and white space: 64 hexadecimal digits.

    Tokens rather than a tree written out again, which another version of the parser would write differently.
    """
    tokens = [sql[token.start : token.end + 1] for token in sqlglot.tokenize(sql, read="bigquery")]
    while tokens and tokens[-1] == ";":
        tokens.pop()
    return hashlib.sha256("\x1f".join(tokens).encode()).hexdigest()


def _texts(entry: FeatureSet, path: SqlPath, known: Mapping[str, str]) -> dict[str, str]:
    """Name to text of a set's statements; for a set of stage ``row`` also of every statement it reads."""
    name = f"features/{entry.name}"
    if entry.statistics is not None:
        return {name: entry.sql, f"{name}{STATISTICS}": entry.statistics}
    found: dict[str, str] = {}
    waiting = [name]
    while waiting:
        name = waiting.pop()
        found[name] = statement(name, path)
        read = [known[table] for table in translate(found[name]).tables if table in known]
        waiting += [other for other in read if other not in found]
    return found
