"""`leadscore backtest`: the models earlier periods would have had, and what they would have delivered.

Lives here: which periods are run, and the table. Not here: any measuring (core/versions/track_record), a run
(instance). The truth of a simulated market is read here alone, after everything has run, to be shown beside the result.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from leadscore_dagster.commands.instance import Progress, execute, instance_of
from leadscore_dagster.commands.outcome import REFUSED, TextOutcome, columns
from leadscore_dagster.commands.pages import write_model_page
from leadscore_dagster.commands.run import ingest_until, log_keys, opened, period_of_run
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.versions.ledger import champion_at
from leadscore_dagster.core.versions.oracle import beside_oracle, read_truth
from leadscore_dagster.core.versions.track_record import TABLE, read_track_record
from leadscore_dagster.defs.assets.shell import key
from leadscore_dagster.defs.resources import Workspace

CANDIDATE = ("labels", "training_table", "candidate_model")
LIFT = "top_decile_lift"
SHOWN = (LIFT, "auc_pr", "ece")


def backtest(
    home: Path,
    name: str,
    periods: int,
    as_of: str | None,
    locations: dict[str, str],
    progress: Progress,
    clock: str = "",
    truth: Path | None = None,
) -> TextOutcome:
    """Train the candidates that the periods before ``as_of`` do not have, each on what was known then, and hold every
    period's model against the decisions after it. Nobody becomes champion: that would rewrite who scored when.

    Parameters
    ----------
    truth : Parquet file of every decision's true probability, for a simulated market alone. The ranking by it is shown
        beside each model in the answer and on the page, and kept nowhere that a run reads.
    """
    known = read_truth(truth) if truth else None
    recipe, workspace = opened(home, name, locations, clock)
    newest = period_of_run(recipe, workspace, as_of)
    warehouse = workspace.warehouse(recipe)
    skipped: list[tuple[date, str]] = []
    cuts = list(recipe.cadence.between(recipe.first_as_of, newest))[-periods - 1 :]
    with instance_of(home) as instance:
        for cut in cuts:
            wanted = CANDIDATE if cut < newest else CANDIDATE[:-1]
            if cut.isoformat() in warehouse.partitions(wanted[-1]):
                continue
            progress(f"{cut}: {'what could have been trained then' if cut < newest else 'what is known now'}")
            keys = [*log_keys(recipe), *(key(recipe, name) for name in wanted)]
            try:
                refusal = ingest_until(instance, recipe, workspace, cut, progress)
                refusal = refusal or execute(instance, recipe, workspace, "refresh", cut.isoformat(), keys)
            except InputError as error:
                skipped.append((cut, str(error)))
            else:
                if refusal is not None and cut.isoformat() not in warehouse.partitions(wanted[-1]):
                    skipped.append((cut, refusal.why))
        progress(f"{newest}: every {recipe.cadence.value}'s model on the decisions after it")
        refusal = execute(instance, recipe, workspace, "refresh", newest.isoformat(), [key(recipe, TABLE)])
    if refusal is not None:
        return TextOutcome(f"Refused: {refusal.why}", {"status": "refused", "why": refusal.why}, REFUSED)
    records = read_track_record(warehouse, newest)
    if known is not None:
        records = beside_oracle(warehouse, workspace.models(recipe), recipe, as_of=newest, records=records, truth=known)
    return _outcome(recipe, newest, records, skipped, _page(recipe, workspace, records, progress))


def _page(recipe: Recipe, workspace: Workspace, records: list[dict[str, Any]], progress: Progress) -> Path | None:
    """The report of today's champion, or of the newest model where there is none, with these records."""
    if not records:
        return None
    champion = champion_at(workspace.state(recipe), workspace.now())
    try:
        return write_model_page(recipe, workspace, champion.version if champion else records[-1]["version"], records)
    except InputError as error:  # files of that version are damaged; what was measured of the others still stands
        progress(f"no page: {error}")
        return None


def _outcome(
    recipe: Recipe, as_of: date, records: list[dict[str, Any]], skipped: list[tuple[date, str]], page: Path | None
) -> TextOutcome:
    period = recipe.cadence.value
    known = any("oracle" in record for record in records)
    rows = [
        (
            record["as_of"],
            record["version"],
            record["role"],
            record["n"],
            record["positives"],
            _told(record["metrics"].get(LIFT)),
            *([_told(record["oracle"].get(LIFT))] if known else []),
            *(_told(record["metrics"].get(name)) for name in SHOWN[1:]),
            _told(record["claimed"].get(LIFT)),
        )
        for record in records
    ]
    beside = [f"oracle's {LIFT}"] if known else []
    header = (period, "version", "role", "n", "positives", LIFT, *beside, *SHOWN[1:], f"claimed {LIFT}")
    lines = [
        f"{recipe.title}: every {period}'s model on the decisions after it, as known on {as_of}",
        "",
        columns(rows, header),
    ]
    lines += [f"{cut}: no model. {why}" for cut, why in skipped]
    lines += [f"{one['as_of']}: {one['version']} is not measured. {one['why']}" for one in records if one.get("why")]
    if page is not None:
        lines += ["", f"Page: {page}"]
    record = {"status": "done", "as_of": as_of.isoformat(), "records": records, "page": str(page) if page else None}
    return TextOutcome("\n".join(lines), record | {"skipped": {str(cut): why for cut, why in skipped}})


def _told(interval: dict[str, Any] | None) -> str:
    if interval is None or interval["value"] is None:
        return "–"
    if interval["low"] is None:
        return f"{interval['value']:.3f}"
    return f"{interval['value']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"
