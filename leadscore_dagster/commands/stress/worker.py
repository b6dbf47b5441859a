"""What a scenario runs in a process of its own when no command of the command line does it: home, recipe, day.

``rescore``: the day's scores again, of the decisions that lie there. ``rewrite``: a partition again, where no file may
grow beyond half of it: what a quota does, on a machine that gives nobody a small disk.

Not here: what is measured about it (scenarios), starting it (processes).
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from leadscore_dagster.commands.instance import execute, instance_of
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.loading import load_recipe, parse_day
from leadscore_dagster.core.scoring.day import LEAD_SCORES, PROSPECT_SCORES
from leadscore_dagster.core.warehouse import table
from leadscore_dagster.defs.assets.shell import key
from leadscore_dagster.defs.resources import Workspace


def rescore(home: Path, name: str, day: str) -> int:
    """Score what lies in the day's decisions, and write its list; 2 when a gate says no."""
    recipe, workspace = load_recipe(name), Workspace(home=str(home))
    wanted = [key(recipe, LEAD_SCORES), key(recipe, "ranked_leads")]
    if recipe.scoring.prospects:
        wanted.append(key(recipe, PROSPECT_SCORES))
    with instance_of(home) as instance:
        refusal = execute(instance, recipe, workspace, "daily_scores", day, wanted)
    if refusal is not None:
        print(f"Refused: {refusal.why}", file=sys.stderr)
    return 0 if refusal is None else 2


def rewrite(home: Path, name: str, day: str) -> int:
    """Write the day's scores again where files may have half their size; 1 when that is refused."""
    warehouse = Workspace(home=str(home)).warehouse(load_recipe(name))
    rows = table(warehouse, f"SELECT * FROM {LEAD_SCORES} WHERE score_day = @day", {"day": parse_day(day)})
    size = (home / "warehouse" / load_recipe(name).name / LEAD_SCORES / f"{day}.parquet").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, resource.RLIM_INFINITY))
    try:
        warehouse.write_partition(LEAD_SCORES, day, rows)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit({"rescore": rescore, "rewrite": rewrite}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3], sys.argv[4]))
