"""The report as a browser lays it out: nothing is cut off, and nothing but a table scrolls, however narrow the screen.

A real Chromium looks at it, from a file, as it is sent by mail.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from leadscore_dagster.core.pages.model import model_page
from leadscore_dagster_tests.pages.model.test_page import evidence

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage

pytestmark = pytest.mark.rehearsal

CHROMIUM = Path("/usr/bin/chromium")
#: pixels: a small telephone, a telephone, a tablet, a desktop
WIDTHS = (320, 390, 768, 1280)
#: what reaches beyond the window and is not inside a table that scrolls
BEYOND = """() => [...document.querySelectorAll("main *")]
  .filter(one => !one.closest(".scroll") && one.getBoundingClientRect().right > innerWidth + 1)
  .map(one => one.outerHTML.slice(0, 120))"""
#: letters of a chart that reach beyond its drawing
CUT = """() => [...document.querySelectorAll("svg text")].filter(one => {
    const text = one.getBoundingClientRect(), drawing = one.closest("svg").getBoundingClientRect();
    return text.left < drawing.left - 1 || text.right > drawing.right + 1 || text.top < drawing.top - 1
      || text.bottom > drawing.bottom + 1;
  }).map(one => one.textContent)"""
#: the smallest letters of a chart, pixels
SMALLEST = """() => Math.min(...[...document.querySelectorAll(".chart text")].map(one =>
  parseFloat(getComputedStyle(one).fontSize) * one.closest("svg").getBoundingClientRect().width / 420))"""


@pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"no Chromium at {CHROMIUM}: nobody looked at the report")
def test_the_report_fits_every_screen_and_its_charts_can_be_read(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    given = evidence()
    given["track_record"][0]["metrics"]["top_decile_lift"] = {"value": 1.9, "low": 1.2, "high": 2.6}
    file = tmp_path / "report.html"
    file.write_text(model_page(given), encoding="utf-8")
    refused: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        refused.append(message.text)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for width in WIDTHS:
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.on("console", heard)
            page.goto(file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(BEYOND) == [], width
            assert page.evaluate(CUT) == [], width
            assert page.evaluate(SMALLEST) >= (7.5 if width < 390 else 10), width
            assert refused == [], "the page asked for something that it may not load"
            page.close()
        browser.close()
