"""The scenarios: what is done to a copy of the home, what has to come of it, and what came of it.

Lives here: one function each. Not here: how data is made worse (core/simulation/damage), processes and copies (beside
it).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.commands.instance import dagster_environment, shipped_configuration
from leadscore_dagster.commands.stress import copies
from leadscore_dagster.commands.stress.bench import Bench, Result
from leadscore_dagster.commands.stress.processes import Ended, on_a_full_disk, run, small_disk
from leadscore_dagster.core.delivery.lead_list import list_name
from leadscore_dagster.core.recipe.schema import LogSource, Recipe, VintageSource, WindowLabel
from leadscore_dagster.core.scoring.day import DECISIONS, LEAD_SCORES, PROSPECT_SCORES, PROSPECTS
from leadscore_dagster.core.simulation.damage import (
    changed,
    emptied,
    flooded,
    memory_is_bounded,
    names_a_column,
    repeated,
    thinned,
)
from leadscore_dagster.core.versions.ledger import history
from leadscore_dagster.core.warehouse import table

Scenario = Callable[[Bench], Result]


def scenarios(recipe: Recipe) -> dict[str, Scenario]:
    """Every scenario of a recipe, by name, in the order in which they run."""
    vintages = [name for name, source in recipe.sources.items() if isinstance(source, VintageSource)]
    found: dict[str, Scenario] = {f"volume-{times}x": partial(volume, times=times) for times in (2, 10)}
    found |= {f"absent-column-{name}": partial(absent_column, source=name) for name in recipe.sources}
    found |= {f"empty-columns-{name}": partial(empty_columns, source=name) for name in recipe.sources}
    found |= {"positives-1-in-100": partial(imbalance, flood=False), "positives-all": partial(imbalance, flood=True)}
    for name in vintages[:1]:
        damages = {"truncated": _truncate, "encoding": _wrong_encoding, "archive": _unreadable_archive}
        found |= {f"damaged-drop-{how}": partial(damaged_drop, source=name, damage=do) for how, do in damages.items()}
    return found | {"full-disk": full_disk, "killed-run": killed_run, "killed-daemon": killed_daemon}


def volume(bench: Bench, times: int) -> Result:
    """The day's decisions and prospects many times over: each scored once, memory bounded."""
    extract = f"{bench.recipe.decision_source.table}_of_day"
    groups = [(DECISIONS, LEAD_SCORES)] + ([(PROSPECTS, PROSPECT_SCORES)] if bench.recipe.scoring.prospects else [])
    before = {decisions: _ids(bench, decisions) for decisions, _ in groups}
    for name, identity, partition in [
        (extract, bench.recipe.decisions.id, bench.day + timedelta(days=1)),
        *((decisions, "decision_id", bench.day) for decisions, _ in groups),
    ]:
        rows = table(bench.warehouse, f"SELECT * FROM {name} WHERE {_partition_is(name, extract)}", {"key": partition})
        bench.warehouse.write_partition(name, partition.isoformat(), repeated(rows, identity, times))
    ended = run(bench.worker("rescore"))
    rows_before = sum(len(ids) for ids in before.values())
    once = not ended.exit_code and all(
        sorted(_ids(bench, scores)) == sorted(_ids(bench, decisions)) and len(set(_ids(bench, scores))) == total
        for (decisions, scores), total in zip(groups, (times * len(before[d]) for d, _ in groups), strict=True)
    )
    bounded = memory_is_bounded(ended.peak, bench.plain.peak, times * rows_before, rows_before)
    return Result(
        f"{times} × {rows_before:,} decisions and prospects of {bench.day}",
        f"{'each scored once' if once else 'NOT each scored once: ' + ended.said}; {ended.seconds:.1f} s "
        f"({bench.plain.seconds:.1f} s plain), {_gib(ended.peak)} at the peak ({_gib(bench.plain.peak)} plain)",
        once and bounded,
    )


def absent_column(bench: Bench, source: str) -> Result:
    """A file without one of its columns: refused with the column's name."""
    contract = bench.recipe.sources[source].contract
    column = next(
        c.raw_name for c in reversed(contract.columns) if c.derived_equal is None and c.name not in contract.key
    )
    ended = _spoilt(bench, source, lambda rows: rows.drop_columns([column]))
    passed = ended.exit_code in (1, 2) and not ended.crashed and column in ended.said and not _moved(bench)
    return Result(f"column {column} is absent from {source}", _told(ended, bench), passed)


def empty_columns(bench: Bench, source: str) -> Result:
    """A file in which nothing but the key and the times is filled: refused with the name of a column."""
    description = bench.recipe.sources[source]
    contract = description.contract
    needed = {*contract.key}
    if isinstance(description, LogSource):
        needed |= {bench.recipe.decisions.id, bench.recipe.decisions.entity, description.known_at}
    columns = [c.raw_name for c in contract.columns if c.name not in needed and c.derived_equal is None]
    ended = _spoilt(bench, source, lambda rows: emptied(rows, columns))
    named = names_a_column(ended.said, [*columns, *(c.name for c in contract.columns)])
    passed = ended.exit_code in (1, 2) and not ended.crashed and named and not _moved(bench)
    return Result(f"{len(columns)} columns of {source} are empty", _told(ended, bench), passed)


def imbalance(bench: Bench, flood: bool) -> Result:
    """Hardly any positives, or nothing else: training or a gate refuses, with a reason, and the champion stays."""
    recipe = bench.recipe
    column = recipe.label.outcome_at if isinstance(recipe.label, WindowLabel) else recipe.label.column
    empty = "" if isinstance(recipe.label, WindowLabel) else "0"

    def change(rows: pa.Table) -> pa.Table:
        if not flood:
            return thinned(rows.cast(pa.schema([(n, pa.string()) for n in rows.column_names])), column, empty, 100)
        if isinstance(recipe.label, WindowLabel):
            return flooded(rows, column, rows[recipe.decisions.at])
        return flooded(rows, column, pa.chunked_array([pa.repeat(str(recipe.label.positive), rows.num_rows)]))

    source = recipe.decisions.source
    folder = copies.spoilt_log(recipe.decision_source, bench.location(source), bench.home / "spoilt", change)
    ended = run(bench.train("--source", f"{source}={folder}"))
    passed = ended.exit_code in (1, 2) and not ended.crashed and not _moved(bench)
    did = "every decision has a positive outcome" if flood else "one of 100 positives is left"
    return Result(did, _told(ended, bench), passed)


def damaged_drop(bench: Bench, source: str, damage: Callable[[Path], None]) -> Result:
    """The newest drop cannot be read: refused with the file's name, and nothing that was there has changed."""
    description = bench.recipe.sources[source]
    assert isinstance(description, VintageSource)
    location, newest = bench.location(source), bench.period
    drops = copies.linked_drops(location, bench.home / "spoilt", newest, bench.recipe.cadence)
    victim = drops / copies.files_of_period(description, location, newest, bench.recipe.cadence)[0].name
    damage(victim)
    ended = run(bench.train("--source", f"{source}={drops}"))
    lost = bench.lost("warehouse", "models", "outputs")
    passed = ended.exit_code == 1 and not ended.crashed and victim.name.split(".")[0] in ended.said and not lost
    return Result(f"{victim.name} {damage.__name__.strip('_').replace('_', ' ')}", _told(ended, bench), passed)


def full_disk(bench: Bench) -> Result:
    """The disk of the warehouse is full: one clear error, and every partition is as it was."""
    way, warehouse, after = small_disk(), bench.home / "warehouse", bench.home / "after"
    if way:
        ended = on_a_full_disk(way, warehouse, 65_536, after, bench.score())
        did = "the day is scored again on a file system with 64 KiB left"
    else:
        ended = run(bench.worker("rewrite"))
        after, did = warehouse, "the day's scores are written again where files may have half their size"
    lost = changed(copies.digests(warehouse), copies.digests(after))
    half = [path.name for path in after.rglob("*.tmp")]
    passed = ended.exit_code == 1 and not ended.crashed and "the disk" in ended.said and not lost and not half
    return Result(did, _told(ended, bench) + ("; " + ", ".join(half + lost[:3]) if half or lost else ""), passed)


def killed_run(bench: Bench) -> Result:
    """A run killed when its first table is there, and started again: the very files of a run nobody disturbed."""
    first = _unscored(bench)
    return _run_again(bench, run(bench.score(), kill_when=first.exists), "the run")


def killed_daemon(bench: Bench) -> Result:
    """The same, of a run in Dagster's queue: the daemon is killed with the code location and the run's own process."""
    first, job = _unscored(bench), f"{bench.recipe.name}_daily_scores"
    variables = {
        **dagster_environment(bench.home, shipped_configuration()),
        "LEADSCORE_STRESS_RECIPE": bench.name,
    }
    where = ["--module-name", "leadscore_dagster.commands.stress.location"]
    tags = json.dumps({"dagster/partition": bench.day.isoformat()})
    launch = [sys.executable, "-m", "dagster", "job", "launch", *where, "--job", job, "--tags", tags]
    queued = run(launch, environment=variables)
    if queued.exit_code:
        return Result("a run was queued", queued.errors.strip().splitlines()[-1], False)
    daemon = [sys.executable, "-m", "dagster._daemon", "run", *where]
    return _run_again(bench, run(daemon, kill_when=first.exists, environment=variables), "the daemon and its run")


def _unscored(bench: Bench) -> Path:
    """Take the day's tables and its list away; the file of the table that a run writes first but one."""
    key, extract = bench.day.isoformat(), f"{bench.recipe.decision_source.table}_of_day"
    for name in (DECISIONS, PROSPECTS, LEAD_SCORES, PROSPECT_SCORES):
        bench.warehouse.drop_partition(name, key)
    bench.warehouse.drop_partition(extract, (bench.day + timedelta(days=1)).isoformat())
    (bench.home / "outputs" / bench.recipe.name / list_name(bench.day)).unlink(missing_ok=True)
    return bench.home / "warehouse" / bench.recipe.name / DECISIONS / f"{key}.parquet"


def _run_again(bench: Bench, killed: Ended, who: str) -> Result:
    again = run(bench.score())
    made = ("warehouse", "models", "outputs")
    different = [name for name in changed(bench.before, copies.digests(bench.home)) if name.startswith(made)]
    passed = killed.exit_code == -9 and again.exit_code == 0 and not different
    saw = "the same files" if not different else "OTHER FILES: " + ", ".join(different[:3])
    return Result(
        f"{who} was killed after {killed.seconds:.1f} s, when {DECISIONS} was there; scored again",
        f"{saw}; {again.seconds:.1f} s the second time" if again.exit_code == 0 else again.said,
        passed,
    )


def _spoilt(bench: Bench, source: str, change: Callable[[pa.Table], pa.Table]) -> Ended:
    """Take in a source whose newest files were changed: a log when the day is scored, a vintage when it arrives."""
    description, location, spoilt = bench.recipe.sources[source], bench.location(source), bench.home / "spoilt"
    if isinstance(description, LogSource):
        folder = copies.spoilt_log(description, location, spoilt, change)
        return run(bench.score("--source", f"{source}={folder}"))
    newest = bench.period
    drops = copies.linked_drops(location, spoilt, newest, bench.recipe.cadence)
    for path in copies.files_of_period(description, location, newest, bench.recipe.cadence):
        copies.rewrite(path, drops / path.name, change)
    return run(bench.train("--source", f"{source}={drops}"))


def _moved(bench: Bench) -> list[str]:
    """What must not have changed when an input is refused: the ledger, the models and the day's scores."""
    root = f"warehouse/{bench.recipe.name}"
    ledger = [] if history(bench.state)[: len(bench.entries)] == bench.entries else ["ledger"]
    return ledger + bench.lost("models", f"{root}/{LEAD_SCORES}", f"{root}/{PROSPECT_SCORES}", "outputs")


def _told(ended: Ended, bench: Bench) -> str:
    moved = _moved(bench)
    text = ended.said if not ended.crashed else "CRASHED: " + (ended.errors.strip().splitlines() or ["no word"])[-1]
    kept = "champion and scores unchanged" if not moved else "CHANGED: " + ", ".join(moved[:3])
    return f"exit code {ended.exit_code}: {text}; {kept}"


def _truncate(victim: Path) -> None:
    import gzip

    data = gzip.compress(victim.read_bytes(), mtime=0)
    victim.unlink()
    victim.with_name(f"{victim.name}.gz").write_bytes(data[: len(data) // 2])


def _wrong_encoding(victim: Path) -> None:
    data = victim.read_bytes()
    middle = data.index(b"\n", len(data) // 2) + 1
    victim.unlink()
    victim.write_bytes(data[:middle] + "Zoë".encode("latin-1") + data[middle:])


def _unreadable_archive(victim: Path) -> None:
    data = victim.read_bytes()
    victim.unlink()
    victim.with_name(f"{victim.name}.zip").write_bytes(b"PK\x03\x04" + data[:4096])


def _ids(bench: Bench, name: str) -> list[str]:
    sql = f"SELECT decision_id FROM {name} WHERE score_day = @day"
    return list(pc.cast(table(bench.warehouse, sql, {"day": bench.day})["decision_id"], pa.string()).to_pylist())


def _partition_is(name: str, extract: str) -> str:
    return "as_of = @key" if name == extract else "score_day = @key"


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
