"""`leadscore backtest`: the models earlier quarters would have had, and what they would have delivered.

Lives here: which quarters are run, and the table. Does not: any measuring (core/track_record), a run (instance).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from leadscore_dagster.assets.shell import key
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.timetable import quarters_between
from leadscore_dagster.core.track_record import TABLE, read_track_record
from leadscore_dagster.runs.instance import Progress, execute, instance_of
from leadscore_dagster.runs.outcome import REFUSED, TextOutcome, columns
from leadscore_dagster.runs.refresh import ingest_until, log_keys, opened, quarter_of_run

CANDIDATE = ("labels", "training_table", "candidate_model")
SHOWN = ("top_decile_lift", "auc_pr", "ece")


def backtest(
    home: Path,
    name: str,
    quarters: int,
    as_of: str | None,
    locations: dict[str, str],
    progress: Progress,
    clock: str = "",
) -> TextOutcome:
    """Train the candidates that the quarters before ``as_of`` do not have, each on what was known then, and hold every
    quarter's model against the decisions after it. Nobody becomes champion: that would rewrite who scored when."""
    recipe, workspace = opened(home, name, locations, clock)
    newest = quarter_of_run(recipe, workspace, as_of)
    warehouse = workspace.warehouse(recipe)
    skipped: list[tuple[date, str]] = []
    cuts = list(quarters_between(recipe.first_quarter, newest))[-quarters - 1 :]
    with instance_of(home) as instance:
        for quarter in cuts:
            wanted = CANDIDATE if quarter < newest else CANDIDATE[:-1]
            if quarter.isoformat() in warehouse.partitions(wanted[-1]):
                continue
            progress(f"{quarter}: {'what could have been trained then' if quarter < newest else 'what is known now'}")
            keys = [*log_keys(recipe), *(key(recipe, name) for name in wanted)]
            try:
                refusal = ingest_until(instance, recipe, workspace, quarter, progress)
                refusal = refusal or execute(instance, recipe, workspace, "refresh", quarter.isoformat(), keys)
            except InputError as error:
                skipped.append((quarter, str(error)))
            else:
                if refusal is not None and quarter.isoformat() not in warehouse.partitions(wanted[-1]):
                    skipped.append((quarter, refusal.why))
        progress(f"{newest}: every quarter's model on the decisions after it")
        refusal = execute(instance, recipe, workspace, "refresh", newest.isoformat(), [key(recipe, TABLE)])
    if refusal is not None:
        return TextOutcome(f"Refused: {refusal.why}", {"status": "refused", "why": refusal.why}, REFUSED)
    return _outcome(recipe.title, newest, read_track_record(warehouse, newest), skipped)


def _outcome(title: str, as_of: date, records: list[dict[str, Any]], skipped: list[tuple[date, str]]) -> TextOutcome:
    rows = [
        (
            record["as_of"],
            record["version"],
            record["role"],
            record["n"],
            record["positives"],
            *(_told(record["metrics"].get(name)) for name in SHOWN),
            _told(record["claimed"].get(SHOWN[0])),
        )
        for record in records
    ]
    header = ("quarter", "version", "role", "n", "positives", *SHOWN, f"claimed {SHOWN[0]}")
    lines = [
        f"{title}: every quarter's model on the decisions after it, as known on {as_of}",
        "",
        columns(rows, header),
    ]
    lines += [f"{quarter}: no model. {why}" for quarter, why in skipped]
    record = {"status": "done", "as_of": as_of.isoformat(), "records": records}
    return TextOutcome("\n".join(lines), record | {"skipped": {str(quarter): why for quarter, why in skipped}})


def _told(interval: dict[str, Any] | None) -> str:
    if interval is None or interval["value"] is None:
        return "–"
    if interval["low"] is None:
        return f"{interval['value']:.3f}"
    return f"{interval['value']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"
