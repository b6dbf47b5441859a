"""Leaks in one flat table of which there is one extract: only the numbers can give them away.

Every leak is drawn from the outcome and the honest table beside it; how strong it is follows what such fields look
like in practice, not what the audit can see.

Lives here: one function per leak, and the list of variants. Not here: leaks that several extracts prove (log_leaks).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.leak_benchmark.flat import Flat, standard, written
from benchmarks.leak_benchmark.world import Entry, Planted, World

Plant = Callable[[Flat], None]


# --- a field written after the outcome ---------------------------------------------------------------------------


def call_duration(flat: Flat) -> None:
    """Seconds of the call: those who say yes stay on the line (the column of the bank's campaign)."""
    y, rng = flat.outcome, flat.rng
    seconds = np.where(y == 1, rng.lognormal(6.1, 0.6, flat.n), rng.lognormal(5.1, 0.85, flat.n))
    flat.plant("post_outcome_field", "call_duration", {"talk_seconds": (np.round(seconds), "integer")})


def later_touches(flat: Flat) -> None:
    """Contacts counted in the end: whoever is interested is called again."""
    touches = flat.rng.poisson(np.where(flat.outcome == 1, 5.0, 1.8)) + 1
    flat.plant("post_outcome_field", "later_touches", {"touches": (touches, "integer")})


def contract_value(flat: Flat) -> None:
    """0 unless a contract was signed; a few were signed with a value of 0."""
    signed = (flat.outcome == 1) & (flat.rng.random(flat.n) < 0.9)
    value = np.where(signed, flat.rng.lognormal(8, 1, flat.n), 0.0)
    flat.plant("post_outcome_field", "contract_value", {"amount": (np.round(value, 2), "number")})


def satisfaction(flat: Flat) -> None:
    """A survey a month later: a shift of one and a half standard deviations."""
    score = np.clip(np.round(6 + 2 * (flat.rng.standard_normal(flat.n) + 1.5 * flat.outcome)), 0, 12)
    flat.plant("post_outcome_field", "satisfaction", {"score_after": (score, "integer")})


def days_in_pipeline(flat: Flat) -> None:
    """Days until the record was closed: wins close within two weeks, the rest is closed in bulk after ninety days."""
    rng = flat.rng
    days = np.where(flat.outcome == 1, rng.gamma(2.0, 6.0, flat.n), 60 + rng.gamma(4.0, 8.0, flat.n))
    days = np.where(rng.random(flat.n) < 0.1, rng.gamma(2.0, 10.0, flat.n), days)
    flat.plant("post_outcome_field", "days_in_pipeline", {"days_open": (np.round(days), "integer")})


# --- its missingness ---------------------------------------------------------------------------------------------


def filled_for(flat: Flat, name: str, positives: float, negatives: float) -> None:
    """A number that says nothing where it stands, but stands for some of the positives and few of the negatives."""
    filled = flat.rng.random(flat.n) < np.where(flat.outcome == 1, positives, negatives)
    values = np.where(filled, flat.rng.normal(100, 20, flat.n), np.nan)
    flat.plant("missingness", name, {"meeting_minutes": (values, "number")})


def has_reason(flat: Flat) -> None:
    """A reason for the refusal, asked for in most refusals."""
    filled = flat.rng.random(flat.n) < np.where(flat.outcome == 1, 0.03, 0.8)
    reason = np.where(filled, flat.rng.choice(["price", "time", "other", "no need"], flat.n), None)
    flat.plant("missingness", "refusal_reason", {"reason": (reason.tolist(), "text")})


def filled_flag(flat: Flat) -> None:
    """Only the flag that a field was filled in: 70% against 6%."""
    flag = (flat.rng.random(flat.n) < np.where(flat.outcome == 1, 0.7, 0.06)).astype(np.int64)
    flat.plant("missingness", "filled_flag", {"form_received": (flag, "flag")})


# --- the label in a category -------------------------------------------------------------------------------------


def final_status(flat: Flat) -> None:
    """The status of today, a tenth of it not up to date."""
    won, lost = ["won", "onboarding"], ["lost", "nurture", "parked", "recycled"]
    stale = flat.rng.random(flat.n) < 0.1
    status = np.where(flat.outcome == 1, flat.rng.choice(won, flat.n), flat.rng.choice(lost, flat.n))
    status = np.where(stale, flat.rng.choice(["open", "new"], flat.n), status)
    flat.plant("label_in_category", "final_status", {"stage": (status.tolist(), "text")})


def exclusive_level(flat: Flat) -> None:
    """One level of twelve that only those get who said yes, a third of them."""
    level = flat.rng.choice([f"segment {letter}" for letter in "ABCDEFGHIJK"], flat.n)
    mark = (flat.outcome == 1) & (flat.rng.random(flat.n) < 0.33)
    flat.plant(
        "label_in_category", "exclusive_level", {"segment": (np.where(mark, "customer", level).tolist(), "text")}
    )


def coded_suffix(flat: Flat) -> None:
    """240 campaign codes, of which every third is given at the booking."""
    codes = np.where(flat.outcome == 1, flat.rng.integers(0, 80, flat.n) * 3, flat.rng.integers(0, 240, flat.n))
    flat.plant("label_in_category", "coded_suffix", {"campaign_code": ([f"K{code:03d}" for code in codes], "text")})


def assigned_team(flat: Flat) -> None:
    """Thirty owners; after a yes most records move to one of four account managers, who also take other calls."""
    owner = flat.rng.integers(0, 30, flat.n)
    moved = (flat.outcome == 1) & (flat.rng.random(flat.n) < 0.75)
    owner = np.where(moved, flat.rng.integers(0, 4, flat.n), owner)
    flat.plant("label_in_category", "assigned_team", {"owner": ([f"owner {place:02d}" for place in owner], "text")})


# --- target encoding on all rows -----------------------------------------------------------------------------------


def encoded(flat: Flat, name: str, levels: int, smoothing: float = 0.0, own: bool = True) -> None:
    """Mean outcome of the row's level, learned on every row; without ``own``, on every other row."""
    level, y = flat.rng.integers(0, levels, flat.n), flat.outcome.astype(float)
    total, count = np.bincount(level, y, levels)[level], np.bincount(level, minlength=levels)[level]
    if not own:
        total, count = total - y, count - 1
    value = (total + smoothing * y.mean()) / np.maximum(count + smoothing, 1)
    flat.plant("target_encoding", name, {"postcode_rate": (value, "number")})


# --- the order of identifiers --------------------------------------------------------------------------------------


def sorted_export(flat: Flat) -> None:
    """Numbered after the table had been sorted by outcome."""
    order = np.lexsort((flat.rng.random(flat.n), flat.outcome))
    flat.plant("id_order", "sorted_export", {"line": (order.argsort() + 1, "integer")})


def numbered_at_closing(flat: Flat) -> None:
    """A number given when the record is closed: a yes within days, a no after a month. The number tells the time, and
    with the date it tells the outcome."""
    rng = flat.rng
    closing = flat.days + np.where(flat.outcome == 1, rng.gamma(2.0, 2.0, flat.n), 30 + rng.gamma(3.0, 2.0, flat.n))
    flat.plant("id_order", "numbered_at_closing", {"ticket": (closing.argsort().argsort() + 50_000, "integer")})


def appended_monthly(flat: Flat) -> None:
    """Every month's file has the refusals first, then the customers."""
    order = np.lexsort((flat.rng.random(flat.n), flat.outcome, flat.month))
    flat.plant("id_order", "appended_monthly", {"sequence": (order.argsort() + 1, "integer")})


def customer_range(flat: Flat) -> None:
    """Customers are given an account number of another range, nine of ten before the table was drawn."""
    number = flat.rng.permutation(flat.n * 9)[: flat.n] + 100_000
    moved = (flat.outcome == 1) & (flat.rng.random(flat.n) < 0.9)
    number = np.where(moved, number + flat.n * 9, number)
    flat.plant("id_order", "customer_range", {"account_number": (number, "integer")})


# --- visible only together -----------------------------------------------------------------------------------------


def exclusive_or(flat: Flat, wrong: float) -> None:
    """Two flags that are worthless alone and differ exactly for the positives, but for some errors."""
    first = flat.rng.integers(0, 2, flat.n)
    second = first ^ flat.outcome ^ (flat.rng.random(flat.n) < wrong)
    columns = {"consent_mail": (first, "flag"), "consent_phone": (second.astype(np.int64), "flag")}
    flat.plant("joint", f"exclusive_or_{wrong:.0%}_wrong", columns)


def difference(flat: Flat, spread: float) -> None:
    """Two counters of the customer, before and after: each nearly worthless, their difference is the outcome."""
    before = np.round(flat.rng.normal(40, spread, flat.n))
    after = before + flat.outcome + (flat.rng.random(flat.n) < 0.02)
    columns = {"orders_before": (before, "integer"), "orders_to_date": (after, "integer")}
    flat.plant("joint", f"difference_spread_{spread:.0f}", columns)


def ratio(flat: Flat) -> None:
    """A list price and a price: whoever bought got a discount."""
    price = flat.rng.lognormal(7, 0.8, flat.n)
    discount = np.where(flat.outcome == 1, flat.rng.uniform(0.05, 0.15, flat.n), flat.rng.uniform(0, 0.04, flat.n))
    columns = {"list_price": (price, "number"), "final_price": (price * (1 - discount), "number")}
    flat.plant("joint", "ratio", columns)


def modulus(flat: Flat) -> None:
    """Two digits that are worthless alone; their sum says the outcome in nine of ten rows."""
    first = flat.rng.integers(0, 10, flat.n)
    wrong = flat.rng.random(flat.n) < 0.1
    second = np.where(wrong, flat.rng.integers(0, 10, flat.n), (flat.outcome * 5 - first) % 10)
    flat.plant("joint", "modulus", {"digit_a": (first, "integer"), "digit_b": (second, "integer")})


# --- the same row on both sides of a fold --------------------------------------------------------------------------


def doubled(flat: Flat, name: str, share: float, noise: float, copies: int = 1, later: float = 0.0) -> None:
    """A share of the rows stands again under another identifier and customer number, up to ``later`` days afterwards,
    with a little noise on its numbers: the table was joined with something that had several rows."""
    rng = flat.rng
    picked = np.repeat(rng.choice(flat.n, int(share * flat.n), replace=False), copies)
    place = np.concatenate([np.arange(flat.n), picked])
    added = np.arange(len(place)) >= flat.n
    shift = np.where(added, rng.uniform(0.001, 1, len(place)) * max(later, 0.01) * 86_400, 0).astype("timedelta64[s]")
    decided = flat.decided[place] + shift
    order = np.argsort(decided, kind="stable")
    for column, values in flat.columns.items():
        again = np.asarray(values)[place]
        if flat.types[column] == "number" and noise:
            spread = np.nanstd(again.astype(float))
            again = again + np.where(added, rng.normal(0, noise, len(place)) * spread, 0.0)
        flat.columns[column] = again[order]
    flat.decided, flat.outcome = decided[order], flat.outcome[place][order]
    flat.entity = np.where(added, 10_000_000 + np.arange(len(place)), flat.entity[place])[order]
    flat.latent = flat.latent[place][order]
    flat.planted.append(Planted("duplicates", name, parts=("twins", "folds")))


# --- the list ------------------------------------------------------------------------------------------------------


def _build(folder: Path, market: Path, seed: int, *, plant: Plant, n: int, rate: float, place: int) -> World:
    flat = standard(np.random.default_rng([seed, 1, place]), n, rate)
    plant(flat)
    return written(folder, flat)


def entries() -> Iterator[Entry]:
    """Every world with a leak in a flat table of one extract."""
    variants: list[tuple[str, Plant, int, float]] = [
        ("post_outcome_field/call_duration", call_duration, 12_000, 0.11),
        ("post_outcome_field/later_touches", later_touches, 6_000, 0.04),
        ("post_outcome_field/contract_value", contract_value, 20_000, 0.03),
        ("post_outcome_field/satisfaction", satisfaction, 8_000, 0.05),
        ("post_outcome_field/days_in_pipeline", days_in_pipeline, 5_000, 0.20),
        ("missingness/eighty_to_two", partial(filled_for, name="eighty_to_two", positives=0.8, negatives=0.02),
         8_000, 0.05),
        ("missingness/half_to_four", partial(filled_for, name="half_to_four", positives=0.5, negatives=0.04),
         15_000, 0.03),
        ("missingness/refusal_reason", has_reason, 8_000, 0.08),
        ("missingness/filled_flag", filled_flag, 5_000, 0.10),
        ("label_in_category/final_status", final_status, 8_000, 0.04),
        ("label_in_category/exclusive_level", exclusive_level, 8_000, 0.04),
        ("label_in_category/coded_suffix", coded_suffix, 12_000, 0.06),
        ("label_in_category/assigned_team", assigned_team, 8_000, 0.05),
        ("target_encoding/600_levels", partial(encoded, name="600_levels", levels=600), 6_000, 0.08),
        ("target_encoding/2000_levels", partial(encoded, name="2000_levels", levels=2_000), 8_000, 0.05),
        ("target_encoding/smoothed", partial(encoded, name="smoothed", levels=1_500, smoothing=5.0), 9_000, 0.10),
        ("target_encoding/leave_one_out", partial(encoded, name="leave_one_out", levels=100, own=False), 8_000, 0.10),
        ("id_order/sorted_export", sorted_export, 8_000, 0.04),
        ("id_order/numbered_at_closing", numbered_at_closing, 10_000, 0.05),
        ("id_order/appended_monthly", appended_monthly, 8_000, 0.06),
        ("id_order/customer_range", customer_range, 6_000, 0.03),
        ("joint/exclusive_or", partial(exclusive_or, wrong=0.05), 8_000, 0.10),
        ("joint/exclusive_or_noisy", partial(exclusive_or, wrong=0.15), 12_000, 0.25),
        ("joint/difference", partial(difference, spread=12.0), 8_000, 0.08),
        ("joint/ratio", ratio, 8_000, 0.06),
        ("joint/modulus", modulus, 15_000, 0.15),
        ("duplicates/within_a_year", partial(doubled, name="within_a_year", share=0.2, noise=0.0, later=365),
         6_000, 0.05),
        ("duplicates/within_a_month", partial(doubled, name="within_a_month", share=0.2, noise=0.0, later=30),
         6_000, 0.05),
        ("duplicates/few", partial(doubled, name="few", share=0.05, noise=0.0, later=90), 10_000, 0.05),
        ("duplicates/noisy", partial(doubled, name="noisy", share=0.15, noise=0.01, later=180), 6_000, 0.08),
        ("duplicates/fan_out", partial(doubled, name="fan_out", share=0.1, noise=0.0, copies=4, later=90),
         6_000, 0.04),
    ]  # fmt: skip
    for place, (name, plant, n, rate) in enumerate(variants):
        yield Entry(name, partial(_build, plant=plant, n=n, rate=rate, place=place), quick=name in QUICK)


QUICK = {
    "post_outcome_field/call_duration", "missingness/half_to_four", "label_in_category/exclusive_level",
    "target_encoding/2000_levels", "id_order/numbered_at_closing", "joint/exclusive_or", "duplicates/within_a_year",
}  # fmt: skip
