"""The code location of a scenario: the one recipe that ``LEADSCORE_STRESS_RECIPE`` names.

Not here: starting it (processes).
"""

import os

import dagster as dg

from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.definitions import build_defs


@dg.definitions
def defs() -> dg.Definitions:
    """What the scenario's daemon loads."""
    return build_defs([load_recipe(os.environ["LEADSCORE_STRESS_RECIPE"])])
