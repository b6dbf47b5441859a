"""Checks of the candidate: every gate of the recipe, blocking. The champion asset evaluates the same gates again."""

from __future__ import annotations

import dagster as dg

from leadscore_dagster.assets.shell import key
from leadscore_dagster.checks.shell import checks_of
from leadscore_dagster.core import promotion
from leadscore_dagster.core.gates import PHRASES
from leadscore_dagster.partitions import quarters
from leadscore_dagster.recipes.schema import Gate, Recipe


def build_checks(recipe: Recipe) -> list[dg.AssetChecksDefinition]:
    """One check per gate of the recipe."""
    return [
        checks_of(
            key(recipe, "candidate_model"),
            quarters(recipe),
            {name: _described(name, gate) for name, gate in recipe.gates.items()},
            recipe,
            lambda warehouse, as_of, workspace: promotion.judge(
                warehouse,
                workspace.models(recipe),
                recipe,
                promotion.candidate_of(warehouse, as_of),  # type: ignore[arg-type]
                workspace.now().date(),
            ),
        )
    ]


def _described(name: str, gate: Gate) -> str:
    where = "the value itself" if gate.use == "point" else "the unfavourable end of its 95% interval"
    side = f"at least {gate.at_least:g}" if gate.at_least is not None else f"at most {gate.at_most:g}"
    return f"{PHRASES[name][0].upper()}{PHRASES[name][1:]}: {where} must be {side}."
