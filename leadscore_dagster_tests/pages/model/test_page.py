"""The report of a version: it says what it was given, says what it was not, and nothing from outside can act."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.measures.period import period_metrics
from leadscore_dagster.core.modelling.choice.selection import COMPARED
from leadscore_dagster.core.modelling.judgement.candidate_evidence import candidate_evidence, ranking_record
from leadscore_dagster.core.modelling.judgement.evaluation import gains_table
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.pages.model import model_page
from leadscore_dagster.core.pages.model.reading import contenders, fold_difference, percent, spanned
from leadscore_dagster.core.recipe.schema import Gate, Model, Segment
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.versions.comparison import PROMOTION
from leadscore_dagster.core.versions.gates import evaluate_gates, metrics_to_dict
from leadscore_dagster_tests.pages.test_audit import HOSTILE, Page

VERSION = "2026-01-01-0123456789ab"
LEVEL = "<b onclick=alert(1)>west"
N = 3000
FEATURES = (
    Feature("tenure", "months at the firm", "number", "months"),
    Feature("region", "where they live", "category"),
    Feature("mail", "an address", "number", pii=True),
)
COLUMNS = Columns(("tenure", "region", "mail"), ("number", "category", "number"), {"region": ("east", LEVEL)})
MODEL = Model(
    segments={"length": Segment(feature="tenure", edges=(-1.0, 2.5))},
    reference_ranking=("region", "age", "tenure"),
    bootstrap_replicates=100,
    seed=1,
)


@lru_cache(maxsize=1)
def scored() -> dict[str, Any]:
    """A test period with one strong feature."""
    generator = np.random.default_rng(1)
    tenure, region, mail = generator.normal(size=N), generator.integers(0, 2, N), generator.normal(size=N)
    matrix = np.stack([tenure, region, mail], axis=1).astype(np.float32)
    contributions = np.stack([1.2 * tenure, 0.2 * (region - 0.5), 0 * mail], axis=1).astype(np.float32)
    margin = contributions.sum(axis=1, dtype=np.float64) - 2.5
    probability = 1 / (1 + np.exp(-margin))
    return {
        "judged": Judged((generator.random(N) < probability).astype(np.int64), margin, probability),
        "contributions": contributions,
        "matrix": matrix,
        "columns": COLUMNS,
        "features": FEATURES,
        "decision_at": np.datetime64("2025-06-10") + np.arange(N).astype("timedelta64[h]"),
    }


@lru_cache(maxsize=1)
def measured() -> str:
    return json.dumps(candidate_evidence(**scored(), model=MODEL, constant_rate=0.1))


def evidence(**changes: Any) -> dict[str, Any]:
    """Everything a page can be given."""
    judged: Judged = scored()["judged"]
    label, metrics = judged.label, period_metrics(judged, 0.1, MODEL.bootstrap)
    gates = evaluate_gates(metrics, {"auc_roc": Gate(at_least=0.6), "ece": Gate(at_most=0.2)})
    period = {"rows": N, "positives": int(label.sum())}
    fold = {"rows": 900, "positives": 90, "first": "2024-01-01T00:00:00Z", "last": "2024-06-01T00:00:00Z"}
    later = fold | {"first": "2024-07-01T00:00:00Z", "last": "2024-09-01T00:00:00Z"}
    manifest = {
        "recipe": "leads", "as_of": "2026-01-01", "estimator": "xgboost", "why_chosen": "it is simpler",
        "code_version": "c0de", "libraries": {"numpy": "2.4"}, "files": {"m.ubj": "ab"},
        "vintages": {"reps/2025-07-01": "d1gest" * 10}, "label_window_days": 30, "purged": 41,
        "compared": {
            name: {"estimator": name, "imbalance": "none", "folds": folds, "variation": 0.06,
                   "metrics": metrics_to_dict({part: metrics[part] for part in COMPARED})}
            for name, folds in (("xgboost", [0.30, 0.32, 0.34]), ("lightgbm", [0.29, 0.30, 0.34]))
        },
        "contender": {"estimator": "xgboost", "imbalance": "none", "parameters": {"max_depth": 2}},
        "failed": {"xgboost + smote": "too few positives"},
        "searched": {"xgboost": {"parameters": {"max_depth": 2}, "value": 0.33, "trials": 30, "cut_short": False}},
        "folds": [{"training": fold, "validation": later}],
        "periods": [
            period | {"name": "development", "first": "2024-01-01T00:00:00Z", "last": "2025-01-01T00:00:00Z"},
            period | {"name": "test", "first": "2025-06-10T00:00:00Z", "last": "2025-10-12T00:00:00Z"},
        ],
        "features": [asdict(feature) for feature in FEATURES], "metrics": metrics_to_dict(metrics),
        "baseline_metrics": {}, "importances": {"tenure": 1.0, "region": 0.1},
        "gains": [asdict(one) for one in gains_table(judged)],
    }  # fmt: skip
    entry = {"sequence": 3, "version": VERSION, "action": "promote", "effective_from": "2026-01-01", "why": "better"}
    verdicts = {"tenure": {"lineage": "clear", "replay": "clear"}, "region": {"lineage": "unproven"}}
    given = {
        "version": VERSION, "as_of": "2026-01-01", "manifest": manifest, "measured": json.loads(measured()),
        "recipe": {"title": "Leads that call back", "owner": "RevOps", "cadence": "quarter", "stale_after_periods": 2},
        "gates": [asdict(gate) for gate in gates], "ledger": [entry],
        "standing": {"champion": True, "since": "2026-01-01", "why": "The improvement is larger than chance."},
        "audit": {"blocks": False, "why": "", "overall": {"tenure": "clear", "region": "unproven"}, "parts": verdicts,
                  "findings": [{"name": "kept", "passed": True, "why": "no row was lost", "severity": "error"}]},
        "previous": {"version": "2025-10-01-aaaaaaaaaaaa", "relation": "the champion before",
                     "ranking": ranking_record(["tenure", "region", "mail"], ["region", "tenure", "old"]),
                     "metrics": metrics_to_dict(metrics), "paired": None},
        "track_record": [{"as_of": "2025-10-01", "version": "2025-10-01-aaaaaaaaaaaa", "from": "2025-10-01",
                          "until": "2026-01-01", "n": 812, "positives": 37, "role": "champion", "claimed": {},
                          "metrics": {"auc_roc": {"value": 0.71, "low": 0.63, "high": 0.79}}, "oracle": {}}],
    }  # fmt: skip
    return given | changes


@pytest.fixture(scope="module")
def html() -> str:
    return model_page(evidence())


def test_the_summary_says_whether_it_may_be_used_and_what_sales_gets(html: str) -> None:
    words = Page(html).words
    assert "May be used. It has been the champion since 2026-01-01: the version that scores the leads." in words
    assert "All 2 gates passed: the conditions a version must meet before it may score." in words
    given = evidence()
    tenth = next(one for one in given["measured"]["lists"] if one["share"] == 0.1)
    assert f"Of 100 calls to the best tenth {tenth['per_hundred']['value']:.1f} [" in words
    lift = given["manifest"]["metrics"]["top_decile_lift"]
    assert f"converts {lift['value']:.2f} [{lift['low']:.2f}, {lift['high']:.2f}] times as often" in words
    area = given["manifest"]["metrics"]["auc_roc"]
    assert f"in less than 60% of all pairs (AUC-ROC, now {area['value']:.0%} [" in words
    assert "1 feature is unproven" in words


def test_every_number_of_the_summary_has_what_it_rests_on_and_an_interval(html: str) -> None:
    given, words = evidence(), Page(html).words
    positives = given["manifest"]["periods"][-1]["positives"]
    assert f"Measured on {N:,} decisions with {positives:,} conversions, from 2025-06-10 to 2025-10-12." in words
    everyone = given["measured"]["lists"][-1]
    ends = (f"{everyone['per_hundred'][end]:.1f}" for end in ("value", "low", "high"))
    value, low, high = ends
    assert f"at random {value} [{low}, {high}]" in words
    came = everyone["conversions"]
    assert f"and {positives} [{came['low']:.0f}, {came['high']:.0f}] came" in words


def test_the_strongest_features_are_told_in_a_salespersons_words() -> None:
    given = evidence()
    given["manifest"]["features"][0] |= {"phrase": "{value:.0f} months at the firm"}
    words = Page(model_page(given)).words
    assert "Strongest first: … months at the firm (more raises the score); region (depends on which)" in words


def test_every_number_it_was_given_is_on_the_page(html: str) -> None:
    words = " ".join(" ".join(Page(html).text).split())
    for told in ("max depth 2", "c0de", "d1gestd1gest", "41 rows purged", "after a gap of", "160 days",
                 "luckiest of many", "too few positives",
                 "It is simpler.", "0.710 [0.630, 0.790]", "812", "The champion before".lower(), "no row was lost",
                 "30 days", "better", "2025-06", "length", "below -1"):  # fmt: skip
        assert told in words, told


def test_a_refused_candidate_is_refused_in_the_first_sentence_with_its_reasons() -> None:
    gate = {"name": "auc_roc", "passed": False, "value": 0.62, "low": 0.5, "high": 0.6, "threshold": 0.6, "why": "Low."}
    paired = gate | {"name": PROMOTION, "why": "noise"}
    page = model_page(evidence(gates=[gate, paired]))
    assert 'class="banner refused"' in page
    words = Page(page.replace("</p><p>", " ")).words
    assert "Must not be used: 1 gate of 1 refused it. It cannot be ruled out that given a lead that converts" in words
    assert "in less than 60% of all pairs. Low." in words
    assert "nothing is scored with it while it is refused" in words
    assert "It is not to be trusted now" in words
    worse = Page(model_page(evidence(gates=[gate | {"value": 0.55}], standing={"holder": "v1"}))).words
    assert "In the test period given a lead that converts and one that does not" in worse
    assert "v1 scores instead." in worse
    blocked = model_page(evidence(audit={"blocks": True, "why": "gap: 41 rows change", "overall": {}, "parts": {}}))
    assert "the leakage audit of its training table blocks" in Page(blocked).words


def test_a_waived_gate_is_called_waived_and_not_passed() -> None:
    gate = {"name": "auc_roc", "passed": True, "waived": True, "value": 0.55, "low": 0.5, "high": 0.6, "threshold": 0.6,
            "why": "Any sentence.", "found": "Low.", "waiver": {"until": "2026-03-31", "by": "Ann", "why": "a bridge"},
            }  # fmt: skip
    fine = {"name": "ece", "waived": False, "waiver": None, "why": "Fine."}
    page = model_page(evidence(gates=[gate, gate | fine]))
    words = Page(page.replace("</p><p>", " ")).words
    assert "May be used, with 1 gate waived. It has been the champion since 2026-01-01" in words
    assert "1 gate of 2 passed, 1 waived. Waived: AUC-ROC, until 2026-03-31 by Ann: a bridge. Low." in words
    assert "the waiver of AUC-ROC ends" in words
    assert 'class="banner waiting"' in page
    assert page.count("<span>waived</span>") == 1


def test_a_gate_that_passed_says_its_rule_once_and_one_that_refused_says_all() -> None:
    gate = {"name": "auc_roc", "passed": True, "value": 0.7, "low": 0.65, "high": 0.75, "threshold": 0.6,
            "why": "AUC-ROC is 0.700; and so on", "asked": "The low end, 0.650, must be at least"}  # fmt: skip
    gates = re.search(r'<section id="gates">.*?</section>', model_page(evidence(gates=[gate])), re.DOTALL)
    assert gates is not None
    assert "The low end, 0.650, must be at least<" in gates[0]
    assert "AUC-ROC is 0.700" not in gates[0]
    assert 'class="limit"' in gates[0], "the threshold is drawn into the interval"
    refused = model_page(evidence(gates=[gate | {"passed": False}]))
    assert refused.count(str(gate["why"])) == 2, "in the banner and in the table"


def test_the_comparison_with_the_champion_is_no_gate_to_count() -> None:
    gate = {
        "name": "auc_roc",
        "passed": True,
        "value": 0.7,
        "low": 0.65,
        "high": 0.75,
        "threshold": 0.6,
        "why": "Well.",
    }
    paired = gate | {"name": PROMOTION, "passed": False, "why": "The difference may be noise: unchanged."}
    page = model_page(evidence(gates=[gate, paired]))
    assert "All 1 gates passed" in Page(page).words
    assert "Unchanged. The difference may be noise: unchanged." in Page(page).words
    assert "<span>refused</span>" not in page


def test_a_sound_version_that_is_not_champion_names_who_scores() -> None:
    standing = {"champion": False, "holder": "2025-10-01-aaaaaaaaaaaa", "why": "The difference may be noise."}
    words = Page(model_page(evidence(standing=standing))).words
    assert "Sound, but not in use. 2025-10-01-aaaaaaaaaaaa scores instead." in words


def test_every_section_stays_and_says_what_was_not_measured() -> None:
    empty = model_page({})
    Page(empty)
    headings = re.findall(r"<h2>(.*?)</h2>", model_page(evidence()))
    assert re.findall(r"<h2>(.*?)</h2>", empty) == headings
    sections = re.findall(r'<section id="(\w+)">(.*?)</section>', empty, re.DOTALL)
    assert [name for name, body in sections if "not measured: " not in body] == ["limits"]
    assert "No gate has judged this version" in Page(empty).words


def test_a_version_from_before_evidence_was_kept_still_has_its_report() -> None:
    words = Page(model_page(evidence(measured=None))).words
    assert "not measured: contributions by value and their intervals" in words
    assert "Conversion rate and lift by tenth of the scores" in words


def test_every_chart_names_its_axes_and_tells_what_it_shows_in_words(html: str) -> None:
    given = evidence()
    given["track_record"][0]["metrics"]["top_decile_lift"] = {"value": 1.9, "low": 1.2, "high": 2.6}
    charts = re.findall(r'<svg class="chart".*?</svg>', model_page(given), re.DOTALL)
    assert len(charts) == 7
    for chart in charts:
        told = re.search(r'role="img" aria-label="([^"]*)"', chart)
        assert told is not None
        assert re.search(r"\d", told[1]), f"no number in {told[1]}"
        assert len(re.findall('<text class="axis"', chart)) >= 2, told[1]
    for strip in re.findall(r'<svg class="strip" .*?>', html):
        assert re.search(r'aria-label="contribution by value: \S+ [+-]\d', strip), strip


def test_an_interval_that_leaves_the_chart_ends_in_an_arrow_and_not_in_a_bar() -> None:
    given = evidence()
    months = given["measured"]["months"]
    months[-1] |= {"small": True, "rate": 0.5, "low": 0.1, "high": 0.99, "n": 8, "auc_roc": None}
    page = model_page(given)
    drawn = re.search(r"<title>2025-10: 50\.0% of 8 converted.*?</g>", page, re.DOTALL)
    assert drawn is not None
    assert re.search(r"l4 5\"", drawn[0])
    others = re.search(r"<title>2025-09.*?</g>", page, re.DOTALL)
    assert others is not None
    assert not re.search(r"l4 5\"", others[0])


def test_the_track_record_says_what_was_claimed_what_came_and_what_could_not_be_measured() -> None:
    given = evidence()
    [record] = given["track_record"]
    record["metrics"] |= {"top_decile_lift": {"value": 1.9, "low": 1.2, "high": 2.6}}
    record["claimed"] = {"top_decile_lift": {"value": 2.3, "low": 1.8, "high": 2.8}}
    lost = record | {"as_of": "2025-07-01", "metrics": {}, "claimed": {}, "why": "its files are damaged."}
    page = model_page(given | {"track_record": [record, lost]})
    words = Page(page).words
    assert "1 model of earlier quarters reached 1.90 times on the decisions that came after them" in words
    assert "2.30 [1.80, 2.80]" in words
    assert "not measured: its files are damaged." in words
    assert "2025-10-01: 1.90 (1.20 to 2.60) on 812 decisions, 2.30 claimed" in page
    assert "lift of the true ranking" not in page
    known = record | {"oracle": {"top_decile_lift": {"value": 3.5, "low": 3.0, "high": 4.0}}}
    assert "3.50 [3.00, 4.00]" in Page(model_page(given | {"track_record": [known]})).words


def test_a_quarter_that_was_never_delivered_is_named() -> None:
    given = evidence()
    days = ("2025-01-01", "2025-04-01", "2025-10-01")
    given["manifest"]["vintages"] = {f"reps/{day}": "ab" for day in days} | {"calls/all": "cd"}
    data = re.search(r'<section id="data">.*?</section>', model_page(given), re.DOTALL)
    assert data is not None
    assert re.findall(r'data-of="missing quarters">(.*?)</td>', data[0]) == [
        "<span class=nowrap>2025-07-01</span>", "–"
    ]  # fmt: skip


def test_a_metric_that_looks_at_no_outcome_has_no_positives_and_a_baseline_that_is_the_model_no_column() -> None:
    given = evidence()
    counted = {"value": 4.0, "low": 4.0, "high": 4.0, "n": 3, "positives": 0, "method": "count"}
    given["manifest"]["metrics"]["business_signals"] = counted
    section = re.compile(r'<section id="metrics">.*?</section>', re.DOTALL)
    shown = section.search(model_page(given))
    assert shown is not None
    row = re.search(r"expected features among.*?</tr>", shown[0], re.DOTALL)
    assert row is not None
    cells = re.findall(r"<td class=n[^>]*>(.*?)</td>", row[0])
    assert cells[0] == "4"
    assert cells[1] == "3<small>features</small>"
    assert "–" in cells[2]
    assert 'data-of="baseline"' in shown[0]
    given["manifest"]["baseline_metrics"] = given["manifest"]["metrics"]
    same = section.search(model_page(given))
    assert same is not None
    assert 'data-of="baseline"' not in same[0]
    assert "there is nothing to compare" in same[0]


def test_where_the_base_rate_is_followed_it_is_said_who_got_a_probability() -> None:
    given = evidence()
    given["manifest"]["served"] = {"keep": 0.45, "correct": 0.15, "rank_only": 0.4}
    assert "of 45% of the leads were kept, of 15% corrected, and 40% got a rank and no probability" in (
        Page(model_page(given)).words
    )


def test_text_from_outside_is_text() -> None:
    given = evidence(
        recipe={"title": HOSTILE, "owner": HOSTILE, "cadence": "month"},
        version=HOSTILE, ledger=[], standing={"why": HOSTILE},
        track_record=[{"as_of": HOSTILE, "version": HOSTILE, "from": HOSTILE, "until": HOSTILE, "n": 1, "positives": 0,
                       "role": HOSTILE, "claimed": {}, "metrics": {HOSTILE: None}}],
    )  # fmt: skip
    given["manifest"] |= {"why_chosen": HOSTILE, "vintages": {HOSTILE: HOSTILE}, "failed": {HOSTILE: HOSTILE}}
    given["manifest"]["contender"]["parameters"] = {HOSTILE: HOSTILE}
    given["manifest"]["compared"][HOSTILE] = given["manifest"]["compared"]["lightgbm"]
    page = Page(model_page(given))
    assert {tag for tag, _ in page.tags} & {"script", "img", "iframe", "link", "object"} == set()
    assert not [
        name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "autofocus"
    ]
    assert LEVEL in page.words or LEVEL in str(page.text)


def test_nothing_is_loaded_from_anywhere_and_equal_evidence_gives_equal_bytes(html: str) -> None:
    assert not re.search(r"https?://|//cdn|url\(|@import", html)
    assert "default-src 'none'" in html
    assert all(str(attributes["href"]).startswith("#") for tag, attributes in Page(html).tags if tag == "a")
    anchors = {attributes.get("id") for tag, attributes in Page(html).tags if tag == "section"}
    assert {str(attributes["href"])[1:] for tag, attributes in Page(html).tags if tag == "a"} <= anchors
    assert model_page(evidence()) == html


def test_evidence_is_small_the_same_again_and_shows_no_value_of_a_personal_feature() -> None:
    again = candidate_evidence(**scored(), model=MODEL, constant_rate=0.1)
    assert json.dumps(again, allow_nan=False) == measured()
    assert len(measured()) < 200_000
    assert [one["feature"] for one in again["importance"]] == ["tenure", "region", "mail"]
    assert [one["feature"] for one in again["summary"]] == ["tenure", "region"]
    assert [cell["name"] for cell in again["segments"]["length"]["parts"]] == ["below -1", "-1 to 2.5", "from 2.5"]
    assert again["segments"]["length"]["parts"][-1]["small"]
    assert sum(cell["n"] for cell in again["months"]) == again["n"] == N
    assert sum(again["histogram"]["positives"]) == again["positives"]
    assert again["reference"]["only_second"] == ["age"]


def test_numbers_are_written_with_ends_as_exact_as_their_value() -> None:
    assert spanned({"value": 2.26, "low": 1.7, "high": 2.8}) == '2.26 <span class="ends">[1.70, 2.80]</span>'
    assert spanned({"value": 0.2312, "low": 0.18, "high": 0.28}, "percent") == (
        '23% <span class="ends">[18%, 28%]</span>'
    )
    assert spanned({"value": 4, "low": None, "high": None}, "signed") == "+4.00"
    assert spanned({"value": 0.06, "low": 0.032, "high": 0.11}, "percent").startswith("6.0% <")
    assert spanned({"value": 0.0, "low": 0.0, "high": 0.025}, "percent").endswith("[0.0%, 2.5%]</span>")
    assert spanned({"value": 0.0, "low": 0.0, "high": 0.0165}).endswith("[0.0000, 0.0165]</span>")
    assert (percent(0.0032), percent(0.1), percent(None)) == ("0.32%", "10%", '<span class="none">–</span>')


def test_the_chosen_contender_is_known_by_estimator_and_treatment() -> None:
    compared = {
        name: {"estimator": "xgboost", "imbalance": imbalance, "folds": [0.1], "metrics": {}}
        for name, imbalance in (("xgboost", "none"), ("xgboost + smote", "smote"))
    }
    listed = {"contender": {"estimator": "xgboost", "imbalance": "smote"}, "compared": compared}
    assert [(one["name"], one["chosen"]) for one in contenders(listed)] == [
        ("xgboost", False),
        ("xgboost + smote", True),
    ]


def test_differences_are_paired_by_fold() -> None:
    found = fold_difference([0.29, 0.30, 0.34], [0.30, 0.32, 0.34])
    assert found is not None
    assert found["value"] == pytest.approx(-0.01)
    assert found["high"] == pytest.approx(-0.01 + 4.302653 * 0.01 / np.sqrt(3), rel=1e-5)
    assert fold_difference([0.1, 0.2], [0.1, 0.2]) is None
