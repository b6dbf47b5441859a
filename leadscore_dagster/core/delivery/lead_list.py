"""The list of a day: the scores that were stored, with the CRM's own columns, as a file.

Lives here: what stands in it. Not here: how it is laid out (ranked_csv), who is scored and how (scoring).
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from leadscore_dagster.core.delivery.ranked_csv import write_ranked_csv
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.day import LEAD_SCORES, daily_log_table
from leadscore_dagster.core.sources.checks import require_partition
from leadscore_dagster.core.warehouse import Warehouse, table

_PREFIX, _SUFFIX = "ranked_leads_", ".csv"


def list_name(day: date) -> str:
    """File name of a day's list."""
    return f"{_PREFIX}{day.isoformat()}{_SUFFIX}"


def days_listed(folder: Path) -> set[date]:
    """The days whose lists lie in a folder."""
    names = (path.name for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"))
    return {date.fromisoformat(name.removeprefix(_PREFIX).removesuffix(_SUFFIX)) for name in names}


def write_list(warehouse: Warehouse, recipe: Recipe, day: date, path: Path) -> int:
    """Write the list of a day as a CSV that a spreadsheet opens; returns its rows. Raises InputError without scores."""
    require_partition(warehouse, LEAD_SCORES, day)
    scores = table(warehouse, f"SELECT * FROM {LEAD_SCORES} WHERE score_day = @day", {"day": day})
    carried = ", ".join(f"`{name}`" for name in recipe.scoring.carry)
    carry = None
    if carried:
        carry = table(
            warehouse,
            f"SELECT CAST({recipe.decisions.id} AS STRING) AS decision_id, {carried} "
            f"FROM {daily_log_table(recipe)} WHERE as_of = @as_of",
            {"as_of": day + timedelta(days=1)},
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_ranked_csv(scores, carry, path)
