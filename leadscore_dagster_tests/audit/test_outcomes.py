"""Outcomes: silent on honest labels, loud on those that could not be known or were picked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from leadscore_dagster.core.audit.outcomes import RULES, outcome_findings
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.verdict import Verdict

AS_OF, WINDOW = date(2025, 1, 1), 30
UTC = pa.timestamp("us", tz="UTC")
DAY = np.timedelta64(1, "D")


def world(seed: int, *, rows: int = 2_000, rate: float = 0.04, recorded_from: str | None = None) -> pa.Table:
    """Labels of a year: outcomes 1 to 30 days after the decision, recorded from a date on or always."""
    random = np.random.default_rng(seed)
    decided = np.datetime64("2024-01-01", "us") + (random.random(rows) * 366 * 86_400e6).astype("timedelta64[us]")
    outcome = decided + (random.integers(1, WINDOW, rows) * DAY).astype("timedelta64[us]")
    happened = random.random(rows) < rate
    if recorded_from is not None:
        happened &= outcome >= np.datetime64(recorded_from)
    is_open = decided + WINDOW * DAY > np.datetime64(AS_OF)
    label = np.where(is_open, 0, happened).astype(np.int64)
    return pa.table(
        {
            "decision_id": [f"d{number:05}" for number in range(rows)],
            "person": random.permutation(rows),
            "decision_at": pa.array(decided, pa.timestamp("us")).cast(UTC),
            "outcome_at": pa.array(outcome, pa.timestamp("us"), mask=~happened).cast(UTC),
            "label": pa.array(label, mask=is_open),
            "status": np.where(is_open, "right_censored", "labelled"),
        }
    )


def trained(labels: pa.Table) -> pa.Table:
    """The training rows made of labels, in an order of their own."""
    kept = labels.filter(pc.equal(labels["status"], "labelled"))
    return kept.select(["decision_id", "person", "decision_at", "label"]).sort_by([("person", "descending")])


def found(labels: pa.Table, rows: pa.Table, earlier: pa.Table | None = None) -> dict[str, Verdict]:
    findings = outcome_findings(labels, rows, earlier, AS_OF, WINDOW, "person")
    assert [finding.name for finding in findings] == list(RULES)
    return {finding.name: finding for finding in findings}


def broken(findings: dict[str, Verdict]) -> set[str]:
    return {name for name, finding in findings.items() if not finding.passed}


def replaced(rows: pa.Table, column: str, values: object) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(column), column, values)


@pytest.mark.parametrize("seed", range(20))
def test_honest_labels_pass(seed: int) -> None:
    labels = world(seed, rate=(0.004, 0.04, 0.4)[seed % 3])
    rows = trained(labels)
    earlier = rows.filter(
        pc.less(rows["decision_at"], pa.scalar(np.datetime64("2024-10-01", "us"), pa.timestamp("us")).cast(UTC))
    )
    assert broken(found(labels, rows, earlier)) == set()


def test_a_row_whose_outcome_was_still_open_is_found() -> None:
    labels = world(1)
    censored = labels.filter(pc.equal(labels["status"], "right_censored")).slice(0, 3)
    added = replaced(censored, "label", pa.array([0, 0, 0])).select(trained(labels).column_names)
    findings = found(labels, pa.concat_tables([trained(labels), added]))
    assert broken(findings) == {"windows_observed", "no_censored_row"}
    assert findings["no_censored_row"].value == findings["windows_observed"].value == 3


def test_a_window_that_ends_when_the_table_is_closed_was_observed() -> None:
    labels = world(2)
    last = np.datetime64(AS_OF, "us") - WINDOW * DAY
    for moment, expected in ((last, set()), (last + np.timedelta64(1, "us"), {"windows_observed"})):
        rows = trained(labels).slice(0, 1)
        rows = replaced(rows, "decision_at", pa.array([moment], pa.timestamp("us")).cast(UTC))
        assert broken(found(labels, rows)) == expected


def test_an_outcome_before_its_decision_is_found() -> None:
    labels = world(3)
    early = pc.subtract(labels["decision_at"], pa.scalar(3 * DAY.astype("timedelta64[us]")))
    wrong = replaced(
        labels, "outcome_at", pc.if_else(pc.equal(labels["decision_id"], "d00007"), early, labels["outcome_at"])
    )
    assert found(wrong, trained(labels))["no_negative_lag"].value == 1
    status = pc.if_else(pc.equal(labels["decision_id"], "d00007"), "negative_lag", labels["status"])
    by_status = found(replaced(labels, "status", status), trained(labels))
    assert broken(by_status) == {"no_negative_lag"}


def test_a_decision_that_stands_twice_in_the_labels_is_judged_by_the_row_it_was_trained_on() -> None:
    labels = world(3)
    again = replaced(labels.slice(0, 5), "status", pa.array(["negative_lag"] * 5))
    assert broken(found(pa.concat_tables([labels, again]), trained(labels))) == set()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("rate", "recorded_from"), [(0.04, "2024-05-01"), (0.3, "2024-02-15"), (0.02, "2024-08-01")])
def test_outcomes_that_begin_on_a_date_are_found(seed: int, rate: float, recorded_from: str) -> None:
    labels = world(seed, rate=rate, recorded_from=recorded_from)
    findings = found(labels, trained(labels))
    assert broken(findings) == {"outcomes_from_the_start"}
    finding = findings["outcomes_from_the_start"]
    assert finding.severity == "warn"
    assert finding.value is not None
    assert finding.value < 1e-3
    assert f"happened on {recorded_from[:7]}" in finding.why


def test_outcomes_without_instants_begin_with_the_first_positive_decision() -> None:
    labels = world(4, recorded_from="2024-06-01")
    bare = replaced(labels, "outcome_at", pa.nulls(labels.num_rows, UTC))
    assert broken(found(bare, trained(labels))) == {"outcomes_from_the_start"}
    honest = world(4)
    bare = replaced(honest, "outcome_at", pa.nulls(honest.num_rows, UTC))
    assert broken(found(bare, trained(honest))) == set()


def test_a_rate_that_grows_is_not_taken_for_outcomes_that_begin() -> None:
    """Twice as many in the second half as in the first: a quiet beginning is no proof."""
    alarms = 0
    for seed in range(40):
        labels = world(seed, rate=0.02)
        late = pc.greater(pc.month(labels["decision_at"]), 6)
        dropped = np.random.default_rng(seed + 1_000).random(labels.num_rows) < 0.5
        keep = pc.or_(late, pa.array(~dropped))
        labels = replaced(labels, "label", pc.if_else(keep, labels["label"], pc.multiply(labels["label"], 0)))
        labels = replaced(labels, "outcome_at", pc.if_else(keep, labels["outcome_at"], pa.scalar(None, UTC)))
        alarms += not found(labels, trained(labels))["outcomes_from_the_start"].passed
    assert alarms == 0


def test_no_positive_row_says_nothing_of_when_outcomes_begin() -> None:
    labels = world(5, rate=0)
    assert broken(found(labels, trained(labels))) == set()
    assert broken(found(labels, trained(labels).slice(0, 0))) == set()


def test_repeated_decisions_and_repeated_entities_at_one_instant_are_found() -> None:
    labels = world(6)
    rows = trained(labels)
    again = found(labels, pa.concat_tables([rows, rows.slice(0, 4)]))
    assert broken(again) == {"no_repeated_decision", "no_repeated_instant"}
    assert again["no_repeated_decision"].blocks
    assert again["no_repeated_decision"].value == 4
    renamed = replaced(rows.slice(0, 4), "decision_id", pa.array(["x1", "x2", "x3", "x4"]))
    other = found(labels, pa.concat_tables([rows, renamed]))
    assert broken(other) == {"no_repeated_instant"}
    assert not other["no_repeated_instant"].blocks


def test_an_entity_decided_on_again_later_and_decisions_about_nobody_are_no_repetition() -> None:
    labels = world(7)
    rows = trained(labels)
    assert broken(found(labels, replaced(rows, "person", pa.array([1] * rows.num_rows)))) == set()
    at_once = replaced(rows, "decision_at", pa.array([rows["decision_at"][0].as_py()] * rows.num_rows, UTC))
    nobody = replaced(at_once, "person", pa.nulls(rows.num_rows, pa.int64()))
    assert "no_repeated_instant" not in broken(found(labels, nobody))


def _without(rows: pa.Table, share: float, label: int | None, seed: int = 0) -> pa.Table:
    lost = np.random.default_rng(seed + 1_000).random(rows.num_rows) < share
    if label is not None:
        lost &= rows["label"].to_numpy() == label
    return rows.filter(pa.array(~lost))


@pytest.mark.parametrize("label", [0, 1])
def test_rows_lost_for_one_label_only_are_found(label: int) -> None:
    labels = world(8, rate=0.1)
    earlier = trained(labels)
    rows = _without(earlier, 0.2, label)
    findings = found(labels, rows, earlier)
    assert broken(findings) == {"retained_whatever_the_label"}
    assert findings["retained_whatever_the_label"].blocks
    assert findings["retained_whatever_the_label"].value == pytest.approx(0.2 if label == 0 else -0.2, abs=0.06)


def test_rows_lost_whatever_the_label_are_no_finding() -> None:
    for seed in range(30):
        labels = world(seed, rate=0.1)
        assert broken(found(labels, _without(trained(labels), 0.2, None, seed), trained(labels))) == set()


def test_a_difference_too_small_to_matter_is_no_finding() -> None:
    labels = world(9, rows=60_000, rate=0.3)
    earlier = trained(labels)
    finding = found(labels, _without(earlier, 0.004, 1), earlier)["retained_whatever_the_label"]
    assert finding.passed
    assert finding.value is not None
    assert -0.01 < finding.value < -0.001


def test_labels_that_flipped_are_told_and_many_of_them_block() -> None:
    labels = world(10, rate=0.1)
    rows = trained(labels)
    for flips, blocks in ((2, False), (200, True)):
        turned = np.where(np.arange(rows.num_rows) < flips, 1 - rows["label"].to_numpy(), rows["label"].to_numpy())
        earlier = replaced(rows, "label", pa.array(turned)).sort_by("decision_id")
        finding = found(labels, rows, earlier)["labels_did_not_flip"]
        assert (finding.passed, finding.blocks) == (False, blocks)
        assert finding.value == pytest.approx(flips / rows.num_rows)
    assert found(labels, rows, rows.slice(0, 100))["labels_did_not_flip"].passed


def test_without_an_earlier_build_there_is_nothing_to_compare() -> None:
    labels = world(11)
    findings = found(labels, trained(labels))
    assert "no earlier build" in findings["retained_whatever_the_label"].why
    assert "no earlier build" in findings["labels_did_not_flip"].why


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda labels, rows: (labels.drop_columns(["status"]), rows, None), "no column status, in labels"),
        (lambda labels, rows: (labels, rows.drop_columns(["person"]), None), "no column person, in the training table"),
        (lambda labels, rows: (labels, rows, rows.drop_columns(["label"])), "no column label, in the build before"),
    ],
)
def test_a_missing_column_is_named(
    change: Callable[[pa.Table, pa.Table], tuple[pa.Table, pa.Table, pa.Table | None]], message: str
) -> None:
    labels, rows, earlier = change(world(12), trained(world(12)))
    with pytest.raises(InputError, match=message):
        outcome_findings(labels, rows, earlier, AS_OF, WINDOW, "person")


def test_outcomes_that_fade_because_the_newest_were_not_known_yet_are_told() -> None:
    labels = world(3, rows=9_000, rate=0.1)
    rows = trained(labels)
    decided = rows["decision_at"].cast(pa.int64()).to_numpy()
    newest = decided > decided.max() - 14 * 86_400_000_000
    label = np.where(newest, 0, rows["label"].to_numpy())
    faded = found(labels, rows.set_column(3, "label", pa.array(label)))["outcomes_to_the_end"]
    assert not faded.passed
    assert not faded.blocks  # a season ends like this too
    assert "lengthen the label window" in faded.why


@pytest.mark.parametrize("seed", range(10))
def test_a_steady_rate_does_not_fade(seed: int) -> None:
    labels = world(seed, rows=4_000, rate=0.05)
    assert found(labels, trained(labels))["outcomes_to_the_end"].passed
