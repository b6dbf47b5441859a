"""The one query that computes a recipe's features, for past decisions and for today's alike.

Lives here: composing it. Not here: which features there are (sets), running it, what is learned in a fold (fold).
"""

from __future__ import annotations

from dataclasses import dataclass

from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.table.features.sets import EVIDENCE, FeatureSet, feature_sets, features_of, own_columns
from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster.core.warehouse import compose


@dataclass(frozen=True)
class ComposedQuery:
    """One GoogleSQL statement over the relation ``decisions`` (decision_id STRING, the entity, decision_at TIMESTAMP).

    Returns one row per decision: decision_id, the columns of ``features`` (stage ``row``), the columns of ``evidence``.
    """

    sql: str
    features: tuple[Feature, ...]
    evidence: tuple[str, ...]


def feature_query(recipe: Recipe) -> ComposedQuery:
    """The recipe's features as known at each decision.

    A feature the recipe excludes is left out, unless a set that is computed inside the fold reads it. Evidence
    columns that several sets give are reduced to the latest.

    Raises InputError as ``features_of`` does.
    """
    kept = {feature.name for feature in features_of(recipe)}
    sets = feature_sets(recipe)
    for entry in sets:
        kept |= entry.inputs()
    row_sets = [entry for entry in sets if not entry.is_fold]
    features = [feature for entry in row_sets for feature in entry.features if feature.name in kept]
    items = [f"s_{feature.feature_set}.`{feature.name}`" for feature in features]
    joins = [
        f"LEFT JOIN {entry.name} AS s_{entry.name} ON s_{entry.name}.decision_id = d.decision_id" for entry in row_sets
    ]
    givers = _evidence(row_sets)
    leading = ""
    own = [feature for feature in own_columns(recipe) if feature.name in kept] if recipe.features.columns else []
    if own:
        leading = f"WITH own_columns AS (\n{own_columns_query(recipe, own)}\n)\n"
        items += [f"o.`{feature.name}`" for feature in own]
        joins.append("LEFT JOIN own_columns AS o ON o.decision_id = d.decision_id")
        givers[_own_known_at(recipe)] = ["o"]
    items += [_latest(name, aliases) for name, aliases in givers.items()]
    text = leading + "SELECT\n  d.decision_id,\n  " + ",\n  ".join(items) + "\nFROM decisions AS d\n" + "\n".join(joins)
    return ComposedQuery(compose(text + "\n", sql_of(recipe)), (*features, *own), tuple(givers))


def _evidence(sets: list[FeatureSet]) -> dict[str, list[str]]:
    """Evidence column to the aliases of the sets that give it, in order of first appearance."""
    givers: dict[str, list[str]] = {}
    for entry in sets:
        for name in entry.evidence:
            givers.setdefault(name, []).append(f"s_{entry.name}")
    return givers


def _latest(name: str, aliases: list[str]) -> str:
    values = [f"{alias}.`{name}`" for alias in aliases]
    if len(values) == 1:
        return values[0]
    filled = [f"COALESCE({', '.join([value, *(other for other in values if other != value)])})" for value in values]
    return f"GREATEST({', '.join(filled)}) AS `{name}`"


def own_columns_query(recipe: Recipe, own: list[Feature]) -> str:
    """SELECT of columns of the decision's own row, and of when it became known.

    The log is stored once per period as it then stood: the row is taken from the first period that shows it, the
    nearest there is to what the decision saw, and never changes afterwards.
    """
    table, key = recipe.decision_source.table, recipe.decisions.id
    columns = ", ".join(f"s.`{feature.name}`" for feature in own)
    return (
        f"SELECT d.decision_id, {columns}, s.known_at AS `{_own_known_at(recipe)}`\n"
        f"FROM decisions AS d\n"
        f"JOIN `{table}` AS s ON CAST(s.`{key}` AS STRING) = d.decision_id AND s.known_at <= d.decision_at\n"
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY d.decision_id ORDER BY s.as_of, s.known_at DESC) = 1"
    )


def _own_known_at(recipe: Recipe) -> str:
    return f"{EVIDENCE}{recipe.decision_source.table}_known_at"
