"""What a person sees who opens Dagit on a home: its rooms, a gate that said no and why, which quarters are there.

A real Chromium looks at a real ``dagster-webserver``. With ``LEADSCORE_SCREENSHOTS=FOLDER`` it also takes the pictures
that docs/images shows.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from leadscore_dagster.commands.instance import dagster_environment, instance_of
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.defs.checks import gates
from leadscore_dagster_tests import PROJECT, scenario
from leadscore_dagster_tests.dagit import answers, free_port

pytestmark = pytest.mark.rehearsal

CHROMIUM = Path("/usr/bin/chromium")
GROUPS = [f"advisor_mql_{room}" for room in ("vintages", "training", "model", "scores", "shadow", "monitoring")]
FIRST = scenario.FIRST.isoformat()
QUARTERS = 5  # from the recipe's first quarter to the champion's
START_SECONDS, SHOW_MILLISECONDS = 90, 60_000


@pytest.mark.timeout(600)
@pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"no Chromium at {CHROMIUM}: nobody looked at Dagit")
def test_dagit_shows_the_rooms_the_gate_that_refused_with_its_evidence_and_the_quarters_that_are_there(
    finished_home: Path, small_market: Path, tmp_path: Path
) -> None:
    from playwright.sync_api import sync_playwright

    home = scenario.copy_home(finished_home, tmp_path / "home")
    refused = _refusal_of_the_shipped_gates(home, small_market)
    with _webserver(home, tmp_path / "webserver.log") as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(SHOW_MILLISECONDS)

        page.goto(f"{address}/asset-groups")
        for name in GROUPS:
            page.get_by_text(name, exact=True).first.wait_for()
        _picture(page, "dagit_groups", 550)

        page.goto(f"{address}/assets/advisor_mql/candidate_model?view=checks&checkDetail=auc_roc")
        page.get_by_text(refused, exact=True).first.wait_for()
        page.get_by_text("Failed", exact=True).first.wait_for()
        _picture(page, "dagit_failed_check", 650)

        page.goto(f"{address}/assets/advisor_mql/rep_vintage?view=partitions&partition={FIRST}")
        page.get_by_text(FIRST, exact=True).first.wait_for()
        page.get_by_text(f"Materialized ({QUARTERS})", exact=True).wait_for()
        _picture(page, "dagit_partitions", 800)
        browser.close()


def _refusal_of_the_shipped_gates(home: Path, market: Path) -> str:
    """Ask the gates that Dagit shows, which 40 positives cannot pass; the sentence that AUC-ROC is refused with."""
    recipe, workspace = scenario.opened(home, market, scenario.recipe_document())
    shipped = recipe.model_copy(update={"gates": load_recipe("advisor_mql").gates})
    with instance_of(home) as instance:
        result = dg.materialize(
            gates.build_checks(shipped),
            selection=dg.AssetSelection.all_asset_checks(),
            tags={"dagster/partition": FIRST},  # no asset is selected to take it from
            instance=instance,
            resources={"workspace": workspace},
            raise_on_error=False,
        )
    refused = {
        check.check_name: str(check.description) for check in result.get_asset_check_evaluations() if not check.passed
    }
    assert "must be at least 0.600: refused" in refused["auc_roc"]
    return refused["auc_roc"]


@contextmanager
def _webserver(home: Path, log: Path) -> Iterator[str]:
    """The address of Dagit on a home, with all its processes gone afterwards."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port)]
    with log.open("w") as output:
        server = subprocess.Popen(
            [*command, "-w", str(PROJECT / "workspace.yaml")],
            cwd=PROJECT,
            env={**os.environ, **dagster_environment(home, PROJECT)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(port):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"no answer within {START_SECONDS} s: {log.read_text()}"
            time.sleep(0.5)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _picture(page, name: str, height: int) -> None:  # type: ignore[no-untyped-def]
    """The upper part of the window, when pictures are wanted."""
    folder = os.environ.get("LEADSCORE_SCREENSHOTS")
    if folder:
        page.wait_for_timeout(3_000)  # fonts, plots and the layout of the graph come after the text
        Path(folder).mkdir(parents=True, exist_ok=True)
        clip = {"x": 0, "y": 0, "width": 1400, "height": height}
        page.screenshot(path=Path(folder) / f"{name}.png", clip=clip)
