"""`leadscore validate`: does everything a recipe names exist? Touches no data. Not here: any of the checks (core)."""

from __future__ import annotations

from leadscore_dagster.commands.outcome import DONE, REFUSED, TextOutcome
from leadscore_dagster.core.audit.safety import declarations_of, lineage_verdicts
from leadscore_dagster.core.audit.training_audit import contract_schemas
from leadscore_dagster.core.audit.verdict import overall
from leadscore_dagster.core.modelling.recipe_check import check_recipe
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.table.features.sets import features_of
from leadscore_dagster.core.table.sql_check import check_sql


def validate_recipe(name: str) -> TextOutcome:
    """Schema, contracts, SQL files, feature sets, what the model names, and the static lineage of every feature.

    Raises
    ------
    InputError : anything the recipe names does not exist or does not fit.
    """
    recipe = load_recipe(name)
    features = features_of(recipe)
    warnings = check_recipe(recipe, name)
    check_sql(recipe)
    query = feature_query(recipe)
    verdicts = lineage_verdicts(
        query.sql, contract_schemas(recipe), declarations_of(recipe), [feature.name for feature in query.features]
    )
    leaks = [verdict for verdict in overall(verdicts).values() if verdict.verdict == "leak"]
    lines = [
        f"{recipe.name}: {len(recipe.sources)} sources, {len(features)} features, {len(recipe.gates)} gates",
        *(f"leak: {verdict.feature}: {verdict.evidence}" for verdict in leaks),
        *(f"WARN: {warning}" for warning in warnings),
        "" if leaks else "Valid. No feature leaks by its lineage.",
    ]
    record = {
        "valid": not leaks,
        "features": len(features),
        "leaks": [verdict.as_dict() for verdict in leaks],
        "warnings": warnings,
    }
    return TextOutcome("\n".join(line for line in lines if line), record, REFUSED if leaks else DONE)
