"""Checks of the candidate: every gate of the recipe, blocking. The champion asset evaluates the same gates again.

Not here: judging (core/versions/gates).
"""

from __future__ import annotations

import dagster as dg

from leadscore_dagster.core.measures.catalogue import phrase_of
from leadscore_dagster.core.recipe.schema import Gate, Recipe
from leadscore_dagster.core.versions import promotion
from leadscore_dagster.defs.assets.shell import key
from leadscore_dagster.defs.checks.shell import checks_of
from leadscore_dagster.defs.partitions import periods


def build_checks(recipe: Recipe) -> list[dg.AssetChecksDefinition]:
    """One check per gate of the recipe."""
    return [
        checks_of(
            key(recipe, "candidate_model"),
            periods(recipe),
            {name: _described(name, gate) for name, gate in recipe.gates.items()},
            recipe,
            lambda _, as_of, workspace: promotion.judge(
                workspace.state(recipe),
                workspace.models(recipe),
                recipe,
                version=promotion.candidate_of(workspace.state(recipe), as_of),  # type: ignore[arg-type]
                on=workspace.now().date(),
            ),
        )
    ]


def _described(name: str, gate: Gate) -> str:
    where = "the value itself" if gate.use == "point" else "the unfavourable end of its 95% interval"
    side = f"at least {gate.at_least:g}" if gate.at_least is not None else f"at most {gate.at_most:g}"
    phrase = phrase_of(name)
    return f"{phrase[0].upper()}{phrase[1:]}: {where} must be {side}."
