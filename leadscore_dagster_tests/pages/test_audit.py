"""The audit's page: everything that was found is on it, nothing that comes from data can act, nothing is loaded."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest

from leadscore_dagster.core.audit.restatement.association import AroundOutcome
from leadscore_dagster.core.audit.restatement.result import ColumnRestatement, Maturity
from leadscore_dagster.core.audit.verdict import CLOCK, SETTLED_BY_REPLAY, Answer, FeatureVerdict, overall
from leadscore_dagster.core.pages.audit import audit_page
from leadscore_dagster.core.verdict import held

VOID = {"meta", "input", "br", "wbr"}
HOSTILE = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\" autofocus onfocus=\"alert(3)\x00"
LEAK = FeatureVerdict("gap", "replay", "leak", "41 of 900 rows change", "rows_different", 41.0, 0.0)
FOUND = [
    FeatureVerdict("gap", "lineage", "leak", "employment_current shows today's state"),
    LEAK,
    FeatureVerdict("tenure", "strength", "suspect", "information value .78", "information_value", 0.78, 0.5),
    FeatureVerdict("index", "strength", "unproven", "clock: worthless within a month", CLOCK, 0.503, 0.55),
    FeatureVerdict("age", "restatement", "unproven", "only one extract"),
    FeatureVerdict("age", "replay", "clear", "900 rows identical"),
    FeatureVerdict("size", "lineage", "unproven", "other decisions are mixed in", SETTLED_BY_REPLAY),
    FeatureVerdict("size", "replay", "clear", "900 rows rebuilt"),
]
FINDINGS = [
    held("label_window_purged", True, value=30, threshold=30, why="30 days lie between"),
    held("row_retention", False, value=0.0765, threshold=0.01, why="positives were removed"),
    held("left_truncation", False, severity="warn", value=41, threshold=30, why="nothing before February"),
]
VIOLATIONS = [("decision_not_unique", 0, ""), ("event_after_decision", 3, "{'decision_id': 'a1'}")]
RESTATED: list[dict[str, Any]] = [
    {"table": "jobs", "column": "end_date", "facts": 12877, "share": 0.7123, "low": 0.704, "high": 0.72,
     "lags": {"p50": 63, "p90": 141, "p95": 180}, "completeness": {0: 0.05, 30: 0.29, 365: 0.99}, "wait_days": 180},
    {"table": "firms", "column": "aum", "facts": 400, "share": 0.0, "p50": None, "completeness": [["0", 1.0]]},
    {"table": "firms", "column": "never_seen"},
]  # fmt: skip
INTERVAL = {"value": 2.76, "low": 2.23, "high": 3.37, "n": 7671, "positives": 243, "method": "bootstrap"}
THREE = {
    "flagged": ["gap"], "sentence": "0.58 of the claim would never arrive.",
    "estimators": {"claimed": "xgboost", "honest": "logistic_regression"},
    "served": [{"feature": "gap", "changed": 0.072, "missing": 0.047}],
    "claimed": {"top_decile_lift": INTERVAL},
    "honest": {"top_decile_lift": {**INTERVAL, "value": 2.26}},
    "delivered": {"top_decile_lift": {**INTERVAL, "value": 2.18, "low": None, "high": None}},
    "claimed_less_delivered": {"top_decile_lift": {**INTERVAL, "value": 0.58, "low": -0.04, "high": 1.14}},
}  # fmt: skip
ACKNOWLEDGED = [{"feature": "tenure", "part": "strength", "reason": "checked with the vendor", "on": "2026-01-12"}]


class Page(HTMLParser):
    """The text, the tags and the attributes of a page; fails on tags that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] not in (["style"], ["script"]):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())


def page(verdicts: list[FeatureVerdict] | None = None, **changes: Any) -> str:
    found = FOUND if verdicts is None else verdicts
    given: dict[str, Any] = {
        "title": "Advisor leads",
        "summary": {"recipe": "advisor_mql", "as_of": "2026-01-01", "rows": 30685, "positives": 1214},
        "verdicts": found,
        "overall": overall(found),
        "findings": FINDINGS,
        "violations": VIOLATIONS,
        "restatements": RESTATED,
        "three_numbers": THREE,
        "acknowledged": [],
    }
    return audit_page(**(given | changes))


def cell(html: str, feature: str, part: str) -> str:
    """The HTML of one cell of the matrix."""
    body = html[html.index('id="matrix"') :]
    parts = re.findall(r'<th scope="col">(.*?)</th>', body)[2:]
    (row,) = (row for row in re.findall(r"<tr class=.*?</tr>", body, re.DOTALL) if f'row">{feature}</th>' in row)
    return row.split("<td")[2:][parts.index(part)]


@pytest.mark.parametrize("verdict", FOUND, ids=lambda verdict: f"{verdict.feature}-{verdict.part}")
def test_every_verdict_stands_in_its_cell_with_its_evidence_one_click_away(verdict: FeatureVerdict) -> None:
    found = cell(page(), verdict.feature, verdict.part)
    (anchor,) = re.findall(r'popovertarget="(e[0-9]+-[0-9]+)"', found)
    assert f'popover id="{anchor}"' in found
    words = unescape(re.sub(r"<[^>]*>", " ", found))
    assert verdict.evidence in words
    assert ("clock" if verdict.metric == CLOCK else verdict.verdict) in words


def test_a_number_stands_beside_its_threshold() -> None:
    words = Page(page()).words
    assert "rows different 41, threshold 0" in words
    assert "information value 0.78, threshold 0.5" in words


def test_the_manager_reads_first_what_blocks_and_then_what_warns() -> None:
    words = Page(page()).words
    told = [
        "Training is refused.",
        "1 feature leaks: gap.",
        "1 feature is suspect and not acknowledged: tenure.",
        "1 statement about the table does not hold: row_retention.",
        "3 rows break the recipe's SQL audits: event_after_decision.",
        "2 features are unproven, 1 of them because they only tell the time; that warns.",
    ]
    places = [words.index(sentence) for sentence in told]
    assert places == sorted(places)


def test_a_clean_audit_says_that_nothing_blocks() -> None:
    clear = [FeatureVerdict("age", "replay", "clear", "900 rows identical")]
    words = Page(page(clear, findings=FINDINGS[:1], violations=VIOLATIONS[:1], three_numbers=None)).words
    assert "Nothing blocks: this table may be trained on." in words
    assert "refused" not in words
    assert "What needs attention" not in words
    assert "Three numbers" not in words


def test_an_acknowledged_suspicion_is_shown_with_its_reason_and_does_not_block() -> None:
    found = [verdict for verdict in FOUND if verdict.verdict != "leak"]
    html = page(found, findings=[], violations=[], acknowledged=ACKNOWLEDGED)
    assert "Nothing blocks" in html
    assert 'class="chip suspect calm"' in cell(html, "tenure", "strength")
    assert "checked with the vendor" in html
    assert "2026-01-12" in html
    twice = [*found, FeatureVerdict("tenure", "joint", "suspect", "too strong together")]
    again = page(twice, findings=[], violations=[], acknowledged=ACKNOWLEDGED)
    assert "1 feature is suspect and not acknowledged" in Page(again).words
    row = again[again.index('<th scope="row">tenure') :]
    assert row.index('class="chip suspect"') < row.index('class="chip suspect calm"')  # the row as a whole blocks


def test_what_replay_has_settled_is_no_longer_open() -> None:
    section = page()[page().index('id="unproven"') :]
    section = section[: section.index("</section>")]
    assert "only one extract" in section
    assert "other decisions are mixed in" not in section


def test_the_table_as_a_whole_is_told_with_numbers_and_thresholds() -> None:
    words = Page(page()).words
    assert re.search(r"row retention.*positives were removed.*0\.0765.*0\.01", words)
    assert re.search(r"✕ ?fails", words)
    assert re.search(r"! ?warns", words)
    assert "{'decision_id': 'a1'}" in words
    assert "no violating row" in words
    assert "outcomes" in Page(page(findings=[("outcomes", FINDINGS[1])])).words


def test_restatement_tells_share_lags_and_waiting_and_draws_the_curve() -> None:
    html = page()
    words = Page(html).words
    assert re.search(r"end_date.*jobs.*12,877.*71\.2%.*70\.4% … 72\.0%.*63.*141.*180", words)
    assert "complete: 5% after 0 days, 29% after 30 days, 99% after 365 days" in html
    assert html.count('class="curve"') == 2  # a column without a curve draws none
    assert html.count('class="wait"') == 1
    assert "never_seen" in words


def test_restatement_is_read_as_the_audit_gives_it() -> None:
    around = AroundOutcome(200, 50, 4000, 200, 6.33, 4.5, 8.9, 1e-20)
    curve = (Maturity(0, 500, 20, 0.04), Maturity(90, 500, 300, 0.6))
    found = ColumnRestatement("jobs", "end_date", "event", 500, 350, 0.7, 0.66, 0.74, 0.7, 63, 141, 180, curve, None,
                              365, around)  # fmt: skip
    unjudged = ColumnRestatement("jobs", "id", "row", judged=False).as_dict() | {"why": HOSTILE}
    html = page(restatements=[found.as_dict(), unjudged])
    words = Page(html).words
    assert "complete: 4% after 0 days, 60% after 90 days" in html
    assert re.search(r"63 ?141 ?180", words)
    assert "> 365" in words
    assert "25.0% of positives, 5.0% of negatives" in words
    assert "1 column is not judged" in words
    assert "jobs.id" in words
    assert HOSTILE not in html


def test_three_numbers_are_told_with_their_intervals() -> None:
    words = Page(page()).words
    for text in ("0.58 of the claim would never arrive.", "2.23 … 3.37", "−0.04 … 1.14", "7,671", "243 positives"):
        assert text in words
    assert "no interval: too few decisions" in words
    assert "differs from the training table in 7.2% of the rows and is missing in 4.7%" in words


def hostile_page() -> str:
    verdicts = [replace(verdict, feature=f"{verdict.feature}{HOSTILE}", evidence=HOSTILE) for verdict in FOUND]
    verdicts.append(FeatureVerdict(f"a{HOSTILE}", HOSTILE, "leak", HOSTILE, HOSTILE, 1.0))
    three = {**THREE, "sentence": HOSTILE, "estimators": {HOSTILE: HOSTILE}, "served": [{"feature": HOSTILE}]}
    three["claimed"] = {"top_decile_lift": {**INTERVAL, "method": HOSTILE, "n": HOSTILE}}
    return page(
        verdicts,
        title=HOSTILE,
        summary={"recipe": HOSTILE, "as_of": HOSTILE, "rows": 1, "positives": 1, "parts": {HOSTILE: HOSTILE}},
        findings=[(HOSTILE, held(HOSTILE, False, value=1.0, threshold=2.0, why=HOSTILE))],
        violations=[(HOSTILE, 1, HOSTILE)],
        restatements=[{"table": HOSTILE, "column": HOSTILE, "facts": HOSTILE, "wait_days": HOSTILE,
                       "share": HOSTILE, "lags": {"p50": HOSTILE}, "completeness": {HOSTILE: HOSTILE}}],
        three_numbers=three,
        acknowledged=[{"feature": HOSTILE, "part": HOSTILE, "reason": HOSTILE, "date": HOSTILE}],
    )  # fmt: skip


def test_hostile_text_stays_text_everywhere() -> None:
    parsed = Page(hostile_page())
    assert {tag for tag, _ in parsed.tags} <= {tag for tag, _ in Page(page(acknowledged=ACKNOWLEDGED)).tags} | {"i"}
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    attributes = {name for _, given in parsed.tags for name in given}
    assert not {name for name in attributes if name.startswith("on") or name in ("src", "autofocus", "style")}
    assert parsed.words.count("alert(1)") > 30
    assert "\x00" not in hostile_page()


def test_a_script_that_is_not_the_page_s_own_would_not_run() -> None:
    """Browsers compare this digest with the script's; a second script has another."""
    html = page()
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert "default-src 'none'" in html


@pytest.mark.parametrize("html", [page(), hostile_page()], ids=["plain", "hostile"])
def test_nothing_is_loaded_from_anywhere(html: str) -> None:
    assert not re.search(r"https?:|//[a-z]|url\(|@import", html)
    assert not {"href", "src", "srcset", "action", "data"} & {name for _, given in Page(html).tags for name in given}


def test_equal_input_gives_equal_bytes() -> None:
    assert page(acknowledged=ACKNOWLEDGED).encode() == page(acknowledged=ACKNOWLEDGED).encode()


def test_every_anchor_is_used_once_and_every_button_finds_its_evidence() -> None:
    tags = Page(page()).tags
    anchors = [given["id"] for _, given in tags if "id" in given]
    assert len(anchors) == len(set(anchors))
    targets = [given["popovertarget"] for _, given in tags if "popovertarget" in given]
    assert len(targets) == len(FOUND)
    assert set(targets) <= set(anchors)


def test_every_kind_can_be_filtered_and_counts_its_features() -> None:
    html = page()
    counts = dict(re.findall(r'id="show-(\w+)"[^>]*><b>(\d+)</b>', html))
    assert counts == {"all": "5", "leak": "1", "suspect": "1", "unproven": "1", "clock": "1", "clear": "1"}
    for kind in counts:
        assert kind == "all" or f"body:has(#show-{kind}:checked) #matrix tbody tr:not(.r-{kind})" in html


def test_an_audit_of_nothing_is_a_page_too() -> None:
    html = page([], findings=[], violations=[], restatements=[], three_numbers=None, summary={})
    assert "No feature was judged." in Page(html).words


def test_a_large_audit_stays_small_and_quick() -> None:
    answers: tuple[Answer, ...] = ("clear", "clear", "unproven", "suspect", "leak")
    verdicts = [
        FeatureVerdict(f"Number_of_some_{row}", f"part{column}", answers[row * column % 5], "said so " * 28, "auc", 0.5)
        for row in range(150)
        for column in range(11)
    ]  # fmt: skip
    started = time.perf_counter()
    html = page(verdicts, restatements=RESTATED[:1] * 150)
    assert time.perf_counter() - started < 0.5
    assert len(html.encode()) < 1_500_000
