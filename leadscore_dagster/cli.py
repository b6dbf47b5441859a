"""The ``leadscore`` command line: thin over Dagster.

Lives here: arguments, exit codes, output. Not here: what a command does (commands), what a recipe means (core/recipe).
Exit codes: 0 done, 2 refused by a gate, 1 error. ``--json`` prints one object on stdout; progress goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from leadscore_dagster.core.errors import GateRefused, InputError

app = typer.Typer(
    help="Lead scoring that knows when each fact became known.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
#: how `leadscore --help` groups the commands
START, DAILY, MODELS, OPERATIONS = "Start", "Every day", "Models", "Operations"
RecipeName = Annotated[
    str, typer.Argument(help="Name of a shipped recipe, or the path of your own (folder or YAML file).")
]
Home = Annotated[Path | None, typer.Option(help="Folder of warehouse, models and Dagster.", envvar="LEADSCORE_HOME")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Sources = Annotated[
    list[str] | None, typer.Option("--source", help="NAME=PATH_OR_URL; remembered. Repeat it for several.")
]
Day = Annotated[str | None, typer.Option(help="Day to score, YYYY-MM-DD. Default: the newest day that can be scored.")]


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"leadscore-dagster {version('leadscore-dagster')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


@app.command(rich_help_panel=START)
def demo(
    home: Home = None,
    leads: Annotated[int | None, typer.Option(help="Number of leads in the demo market.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the demo market.")] = 7,
    as_json: Json = False,
) -> None:
    """Simulate a market, ingest its drops, train, gate, promote and score: the whole product in one command."""
    from leadscore_dagster.commands.demo import run_demo

    _finish(run_demo(_home(home), leads=leads, seed=seed, progress=_progress), as_json)


@app.command(rich_help_panel=START)
def run(
    recipe: RecipeName,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Quarter or month to run, by the first day after it (YYYY-MM-DD); the newest with data by default."
        ),
    ] = None,
    source: Sources = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Ingest what has arrived, then train, audit, gate and promote for one quarter or month."""
    from leadscore_dagster.commands.run import run_recipe

    _finish(run_recipe(_home(home), recipe, as_of, _locations(source), progress=_progress), as_json)


@app.command(rich_help_panel=MODELS)
def audit(
    recipe: RecipeName,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Quarter or month to audit, by the first day after it (YYYY-MM-DD); the newest with data by default."
        ),
    ] = None,
    three_numbers: Annotated[
        bool,
        typer.Option("--three-numbers", help="Train with and without flagged features: claimed, honest and delivered."),
    ] = False,
    source: Sources = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Audit the training table of a quarter or month for leaks, and write the audit as a page."""
    from leadscore_dagster.commands.audit import audit_recipe

    outcome = audit_recipe(_home(home), recipe, as_of, _locations(source), _progress, three_numbers)
    _finish(outcome, as_json)


@app.command(rich_help_panel=START)
def validate(recipe: RecipeName, source: Sources = None, home: Home = None, as_json: Json = False) -> None:
    """Check a recipe and everything it names, without touching data."""
    from leadscore_dagster.commands.validate import validate_recipe

    _finish(validate_recipe(recipe), as_json)


@app.command(rich_help_panel=START)
def recipes(home: Home = None, as_json: Json = False) -> None:
    """List the shipped recipes and your own (LEADSCORE_RECIPES), and who is champion of each."""
    from leadscore_dagster.commands.recipes import list_recipes

    _finish(list_recipes(_home(home)), as_json)


@app.command("open", rich_help_panel=DAILY)
def open_page(
    recipe: RecipeName,
    page: Annotated[str, typer.Argument(help="report, audit, dashboard or list.")] = "report",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Open the newest page of a recipe in the browser, or its list in a spreadsheet."""
    from leadscore_dagster.commands.open import open_newest

    _finish(open_newest(_existing(home), recipe, page), as_json)


@app.command(rich_help_panel=DAILY)
def score(
    recipe: RecipeName, day: Day = None, source: Sources = None, home: Home = None, as_json: Json = False
) -> None:
    """Score the leads of one day with the champion of that day."""
    from leadscore_dagster.commands.score import score_recipe

    _finish(score_recipe(_home(home), recipe, day, _locations(source), progress=_progress), as_json)


@app.command(rich_help_panel=MODELS)
def backtest(
    recipe: RecipeName,
    periods: Annotated[int, typer.Option(min=1, max=40, help="How many earlier quarters or months.")] = 4,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Judge with what was known on this first day after a quarter or month (YYYY-MM-DD); "
            "the newest with data by default."
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="Parquet file with the true probability (decision_id or lead_id, propensity) of a simulated market's "
            "decisions; the lift of that ranking is shown beside each model's."
        ),
    ] = None,
    source: Sources = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Train what earlier quarters or months could have trained, and hold each model against the decisions after it."""
    from leadscore_dagster.commands.backtest import backtest as run_backtest

    outcome = run_backtest(_home(home), recipe, periods, as_of, _locations(source), progress=_progress, truth=truth)
    _finish(outcome, as_json)


@app.command(rich_help_panel=MODELS)
def champion(
    recipe: RecipeName,
    at: Annotated[str | None, typer.Option(help="Show the champion at this date, YYYY-MM-DD. Default: now.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show who is champion, since when, and why."""
    from leadscore_dagster.commands.champion import show_champion

    _finish(show_champion(_existing(home), recipe, at), as_json)


@app.command(rich_help_panel=MODELS)
def ledger(recipe: RecipeName, home: Home = None, as_json: Json = False) -> None:
    """Every decision about a version: number, when, from when, what, which version, why, on which waiver."""
    from leadscore_dagster.commands.champion import show_ledger

    _finish(show_ledger(_existing(home), recipe), as_json)


@app.command(rich_help_panel=MODELS)
def rollback(
    recipe: RecipeName,
    to: Annotated[str, typer.Option(help="Version to restore.")],
    why: Annotated[str, typer.Option(help="The reason. It is kept in the ledger.")],
    since: Annotated[
        str | None, typer.Option(help="Day from which it scores again, YYYY-MM-DD. Default: today.")
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Make an earlier version champion again. Appends to the ledger and rewrites nothing."""
    from leadscore_dagster.commands.champion import roll_back

    _finish(roll_back(_existing(home), recipe, to, why, since), as_json)


@app.command(rich_help_panel=MODELS)
def waive(
    recipe: RecipeName,
    version: Annotated[str, typer.Option(help="Version that failed the gate.")],
    gate: Annotated[str, typer.Option(help="Gate to waive.")],
    until: Annotated[str, typer.Option(help="Last day on which the waiver counts, YYYY-MM-DD.")],
    why: Annotated[str, typer.Option(help="The reason. It is kept in the ledger.")],
    by: Annotated[str, typer.Option(help="Who takes responsibility. It is kept in the ledger.")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Let a version pass a gate it failed, for a reason and until a given day. It is shown as waived everywhere."""
    from leadscore_dagster.commands.champion import waive as grant_waiver

    _finish(grant_waiver(_existing(home), recipe, version, gate, until, why, by), as_json)


@app.command(rich_help_panel=OPERATIONS)
def stress(
    recipe: RecipeName,
    scenario: Annotated[list[str] | None, typer.Option(help="Run only this scenario. Repeat it for several.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the copies for inspection.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Test a copy of the home under load, damage and kills. Exit code 2 if a scenario fails."""
    from leadscore_dagster.commands.stress.run import stress_recipe

    _finish(stress_recipe(_existing(home), recipe, scenario or [], keep, _progress), as_json)


@app.command(rich_help_panel=OPERATIONS)
def prune(
    recipe: RecipeName,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Delete scores, lists, runs and unused model versions that are older than the recipe's retention."""
    from leadscore_dagster.commands.prune import prune_recipe

    _finish(prune_recipe(_existing(home), recipe, dry_run), as_json)


@app.command(rich_help_panel=DAILY)
def monitor(
    recipe: RecipeName,
    day: Annotated[str | None, typer.Option(help="Day to check, YYYY-MM-DD. Default: the newest scored day.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Check a scored day (health, class balance, drift, performance of matured scores) and write the dashboard."""
    from leadscore_dagster.commands.monitor import monitor_recipe

    _finish(monitor_recipe(_existing(home), recipe, day, _progress), as_json)


@app.command(rich_help_panel=MODELS)
def shadow(
    recipe: RecipeName,
    version: Annotated[
        str | None, typer.Option(help="Version to try beside the champion. Default: show the one that is being tried.")
    ] = None,
    days: Annotated[int | None, typer.Option(help="Number of days. Default: the recipe's shadow.days.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Let a version score beside the champion for some days without delivering its scores, or show its progress."""
    from leadscore_dagster.commands.shadow import shadow_recipe

    _finish(shadow_recipe(_existing(home), recipe, version, days), as_json)


@app.command(rich_help_panel=MODELS)
def report(
    recipe: RecipeName,
    version: Annotated[str | None, typer.Option(help="Version to report on. Default: the champion.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Write a model version's report again, from what is stored about it."""
    from leadscore_dagster.commands.report import report_version

    _finish(report_version(_existing(home), recipe, version), as_json)


@app.command(rich_help_panel=OPERATIONS)
def alert_test(home: Home = None, as_json: Json = False) -> None:
    """Send a test alert to every configured address. Exit code 1 if one does not accept it."""
    from leadscore_dagster.commands.alerts import send_test_alert

    _finish(send_test_alert(_home(home)), as_json)


@app.command(rich_help_panel=OPERATIONS)
def alert_redeliver(home: Home = None, as_json: Json = False) -> None:
    """Send again the alerts that could not be delivered."""
    from leadscore_dagster.commands.alerts import redeliver

    _finish(redeliver(_existing(home)), as_json)


@app.command(rich_help_panel=START)
def ui(home: Home = None, port: int = 3000) -> None:
    """Start Dagit on this home."""
    from leadscore_dagster.commands.instance import open_dagit

    open_dagit(_home(home), port)


def _home(home: Path | None) -> Path:
    """The home, which the command may make."""
    from leadscore_dagster.defs.resources import default_home

    path = home.absolute() if home else default_home()
    for part in (path, *path.parents):
        if part.exists():
            if not part.is_dir():
                raise InputError("The home is a file, not a folder", where=part, remedy="give another --home")
            if not os.access(part, os.W_OK | os.X_OK):
                raise InputError(
                    "The home cannot be written", where=part, remedy="change its rights, or give another --home"
                )
            break
    return path


def _existing(home: Path | None) -> Path:
    """The home of a command that only makes sense where something has been run."""
    path = _home(home)
    if not path.is_dir():
        raise InputError("There is no home", where=path, remedy="check --home, or begin with `leadscore demo` or `run`")
    return path


def _locations(given: list[str] | None) -> dict[str, str]:
    from leadscore_dagster.core.sources.connectors import anchored

    locations = {}
    for entry in given or []:
        name, separator, location = entry.partition("=")
        if not separator or not name or not location:
            raise InputError(f"--source {entry!r} is not NAME=PATH_OR_URL", remedy="write --source leads=crm/leads.csv")
        locations[name] = anchored(location)
    return locations


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _finish(outcome: Any, as_json: bool) -> None:
    """Print an outcome (it has ``exit_code``, ``as_json()`` and ``as_text()``) and leave with its code."""
    if as_json and outcome.exit_code == 2:
        _progress(outcome.as_text())  # which feature leaks and by what path: the object of `run` has no place for it
    print(json.dumps(outcome.as_json(), indent=2, default=str) if as_json else outcome.as_text())
    raise _Ended(outcome.exit_code)


class _Ended(Exception):
    """A command has come to its end, with an exit code of its own."""


def main() -> None:
    """Entry point: the two errors a user is meant to read are one line on stderr, anything else is a traceback.

    Exit code 2 says that a gate refused, and nothing else: a mistyped command line is an error like any other.
    """
    try:
        app()
    except _Ended as ended:
        sys.exit(ended.args[0])
    except InputError as error:
        _progress(f"Error: {error}")
        sys.exit(1)
    except GateRefused as error:
        _progress(f"Refused: {error}")
        sys.exit(2)
    except SystemExit as left:  # of the parser: 2 for a command line it cannot read, or for none at all
        sys.exit(left.code if left.code != 2 else int(len(sys.argv) > 1))
