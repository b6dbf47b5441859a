"""`leadscore demo`: a simulated market through the whole product, and a summary beside the truth.

Lives here: the demo's calendar and its summary. Not here: the simulator (core/simulation/market), any step of a run.
The truth file is read here alone, to be shown beside the result; the pipeline cannot see it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from leadscore_dagster.commands.instance import Progress, instance_of
from leadscore_dagster.commands.outcome import REFUSED, TextOutcome, columns
from leadscore_dagster.commands.pages import write_audit_page, write_model_page
from leadscore_dagster.commands.run import gate_table, opened, refresh
from leadscore_dagster.commands.score import day_outcome, list_path, score
from leadscore_dagster.core.audit.training_audit import audit_training_table
from leadscore_dagster.core.audit.verdict import SEVERITY, overall
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.intervals import Bootstrap, Interval
from leadscore_dagster.core.measures.judged import Judged, entity_codes
from leadscore_dagster.core.measures.period import period_metrics
from leadscore_dagster.core.recipe.schema import Recipe, VintageSource
from leadscore_dagster.core.simulation.market import DEMO, MarketSize, generate_market
from leadscore_dagster.core.sources.ledger import INGESTS
from leadscore_dagster.core.table.labels import label_report
from leadscore_dagster.core.versions import promotion, registry
from leadscore_dagster.core.versions.ledger import champion_at
from leadscore_dagster.core.warehouse import Warehouse, table
from leadscore_dagster.defs.resources import Workspace

RECIPE = "advisor_mql"
#: the simulated world ends on 2026-02-01
QUARTER = date(2026, 1, 1)
DAY = date(2026, 1, 26)
CLOCK = "2026-02-01"


def run_demo(home: Path, leads: int | None, seed: int, progress: Progress) -> TextOutcome:
    """Simulate, ingest, train, gate, promote and score.

    Parameters
    ----------
    leads : size of the market, with advisors and firms in proportion; the demo size by default.
    seed : of the market.
    """
    market = home / "market"
    size = DEMO if leads is None else _size(leads)
    if not _is_there(market, size, seed):
        progress(f"simulating {size.reps:,} advisors, {size.firms:,} firms and {size.leads:,} leads")
        generate_market(market, size, seed)
        _mark(market, size, seed)
    recipe, workspace = opened(home, RECIPE, _locations(market), CLOCK)
    with instance_of(home) as instance:
        refusal = refresh(instance, recipe, workspace, QUARTER, progress)
        champion = champion_at(workspace.state(recipe), datetime.combine(DAY, datetime.min.time(), tzinfo=UTC))
        unscored = score(instance, recipe, workspace, DAY, progress) if champion else None
    refusal = refusal or unscored
    if refusal is not None:
        return TextOutcome(f"Refused: {refusal.why}", {"status": "refused", "why": refusal.why}, REFUSED)
    return _summary(recipe, workspace, market)


def _size(leads: int) -> MarketSize:
    share = leads / DEMO.leads
    try:
        return MarketSize(reps=round(DEMO.reps * share), firms=round(DEMO.firms * share), leads=leads)
    except ValueError as error:
        raise InputError(f"{leads:,} leads make no market", where="--leads", remedy="ask for 500 or more") from error


def _locations(market: Path) -> dict[str, str]:
    drops = str(market / "drops")
    return {"reps": drops, "firms": drops, "employment": drops, "firm_history": drops, "leads": str(market / "crm")}


def _is_there(market: Path, size: MarketSize, seed: int) -> bool:
    path = market / "made_from.json"
    return path.is_file() and json.loads(path.read_text()) == _made_from(size, seed)


def _mark(market: Path, size: MarketSize, seed: int) -> None:
    (market / "made_from.json").write_text(json.dumps(_made_from(size, seed)))


def _made_from(size: MarketSize, seed: int) -> dict[str, int]:
    return {"reps": size.reps, "firms": size.firms, "leads": size.leads, "seed": seed}


def _summary(recipe: Recipe, workspace: Workspace, market: Path) -> TextOutcome:
    """Everything the quarter ended with, in one page."""
    quarter = QUARTER
    warehouse, state, models = workspace.warehouse(recipe), workspace.state(recipe), workspace.models(recipe)
    version = promotion.candidate_of(state, quarter)
    results = promotion.judge(state, models, recipe, version=version, on=workspace.now().date())
    labels = label_report(warehouse, recipe, quarter)
    audit = audit_training_table(warehouse, recipe, quarter)
    champion = champion_at(state, datetime.combine(DAY, datetime.min.time(), tzinfo=UTC))
    assert champion is not None
    lifts = _lifts(registry.load_test_scores(models, version), market, recipe)
    day = day_outcome(recipe, workspace, DAY)
    answers = [verdict.verdict for verdict in overall(audit.verdicts).values()]
    sections = [
        "Rows kept of every drop, and what went to quarantine (mostly a second row of the same representative)",
        _vintages(warehouse, recipe),
        f"Labels as of {quarter}",
        columns([(name, n) for name, n in labels.counts.items() if n], ("status", "decisions")),
        f"  {labels.positives:,} of {labels.labelled:,} labelled positive: {labels.positives / labels.labelled:.2%}",
        f"Leakage audit of the training table of {quarter}",
        "  " + ", ".join(f"{answers.count(answer)} {answer}" for answer in SEVERITY if answers.count(answer)),
        *(f"  {part}: {finding.why}" for part, finding in audit.findings if not finding.passed),
        *(f"  {name}: {rows:,} violating rows" for name, rows, _ in audit.violations),
        f"  page: {write_audit_page(recipe, workspace, audit)}",
        f"Gates of candidate {version}",
        gate_table(results),
        "Top-decile lift on the test period",
        columns(
            [(name, m.value, m.low, m.high, m.n, m.positives) for name, m in lifts.items()],
            ("ranked by", "lift", "low", "high", "n", "positives"),
        ),
        "Champion",
        f"  {champion.version} since {champion.effective_from:%Y-%m-%d}. {champion.why}",
        f"  report: {write_model_page(recipe, workspace, champion.version)}",
        "Scores",
        *("  " + line for line in day.text.splitlines() if line),
    ]
    record: dict[str, Any] = {
        "status": "done",
        "champion": champion.version,
        "gates": [result.as_dict() for result in results],
        "top_decile_lift": {name: replace(m).to_dict() for name, m in lifts.items()},
        "labels": dict(labels.counts),
        "outputs": {"home": workspace.home, "ranked_leads": str(list_path(recipe, workspace, DAY))},
    }
    return TextOutcome(_spaced(sections), record)


def _vintages(warehouse: Warehouse, recipe: Recipe) -> str:
    """One row per quarter, one column per source."""
    sql = f"SELECT table_name, as_of, rows_kept, rows_quarantined FROM {INGESTS} ORDER BY available_at"
    found = {(row["table_name"], row["as_of"]): row for row in table(warehouse, sql).to_pylist()}
    names = [source.table for source in recipe.sources.values() if isinstance(source, VintageSource)]
    quarters = sorted({as_of for name, as_of in found if name in names})
    rows = [
        (
            as_of,
            *(found[name, as_of]["rows_kept"] for name in names),
            sum(found[name, as_of]["rows_quarantined"] for name in names),
        )
        for as_of in quarters
    ]
    return columns(rows, ("as of", *names, "quarantine"))


def _lifts(scores: pa.Table, market: Path, recipe: Recipe) -> dict[str, Interval]:
    """Lift of the model and of the oracle, which ranks by the true propensity, on the same test decisions."""
    truth = pq.read_table(market / "truth" / "propensity.parquet")
    joined = scores.join(truth, "decision_id", right_keys="lead_id", join_type="inner").sort_by("decision_id")
    label = joined["label"].to_numpy()
    codes = entity_codes(joined[recipe.decisions.entity])
    ranked = {"model": joined["margin"].to_numpy(), "oracle": joined["propensity"].to_numpy()}
    return {
        name: period_metrics(Judged(label, margin, label * 0.0, codes), 0.5, Bootstrap(1000, 0))["top_decile_lift"]
        for name, margin in ranked.items()
    }


def _spaced(sections: list[str]) -> str:
    """Sections under each other, a blank line before every heading."""
    lines: list[str] = []
    for section in sections:
        if lines and section and not section.startswith(" "):
            lines.append("")
        if section:
            lines.append(section)
    return "\n".join(lines)
