"""Clean flat tables: honest features, some of them strong, and everything that makes honest data look guilty.

In none of them does a feature know anything of the outcome that was not there at the decision. Alone and within a
month honest features reach an AUC of about .68, together about .75; base rates go from 2% to 50%.

Lives here: the tables, by name. Not here: leaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.leak_benchmark.flat import (
    DAY,
    Flat,
    category,
    counts,
    empty,
    flags,
    numbers,
    partly_missing,
    quarter_after,
    standard,
    written,
)
from benchmarks.leak_benchmark.log_leaks import quarter_before
from benchmarks.leak_benchmark.world import Entry, World

Make = Callable[[np.random.Generator], Flat]


def strong(rng: np.random.Generator, n: int, rate: float) -> Flat:
    """Three strong features (.68, .66, .63 alone) and a handful of weak ones: together an AUC of about .77."""
    flat = empty(rng, n)
    numbers(flat, [0.66, -0.58, 0.47, 0.1, 0.0, 0.0])
    flags(flat, [0.2, 0.0])
    category(flat, "channel", 6, 0.2)
    flat.decide(rate)
    return flat


def seasonal(rng: np.random.Generator, n: int, rate: float, swing: float) -> Flat:
    """The rate swings over the year; month and season say so, and so does a temperature that varies within a month."""
    flat = empty(rng, n, months=24)
    phase = 2 * np.pi * flat.days / 365.25
    flat.add("month_of_year", (flat.month % 12 + 1).astype(np.int64), "integer", effect=swing * np.sin(phase))
    flat.add("season", np.array(["winter", "spring", "summer", "autumn"])[(flat.month % 12) // 3].tolist(), "text")
    flat.add("temperature", 10 + 9 * np.sin(phase - 0.5) + rng.normal(0, 4, n), "number")
    numbers(flat, [0.4, -0.3, 0.0])
    category(flat, "channel", 6, 0.2)
    flat.decide(rate)
    flat.clocks += ["month_of_year", "season"]
    return flat


def trending(rng: np.random.Generator, n: int, rate: float, trend: float) -> Flat:
    """The rate moves over the table; indices published monthly, quarterly and daily move with it and tell the time."""
    flat = empty(rng, n, months=24)
    progress = flat.days / flat.days.max()
    months = flat.month - flat.month[0]
    monthly = np.cumsum(rng.normal(-0.3, 0.25, months.max() + 1))[months] + 95
    quarterly = np.round(np.cumsum(rng.normal(-8, 5, months.max() // 3 + 1)), 1)[months // 3] + 5_200
    days = flat.days.astype(int)
    daily = np.round(5 - 4 * np.arange(days.max() + 1) / days.max() + rng.normal(0, 0.01, days.max() + 1).cumsum(), 3)
    flat.add("price_index", monthly, "number", effect=trend * progress)
    flat.add("people_employed", quarterly, "number")
    flat.add("interest_rate", daily[days], "number")
    flat.add("calls_so_far", np.arange(1, n + 1), "integer")
    numbers(flat, [0.45, -0.3, 0.0])
    flags(flat, [0.3])
    category(flat, "channel", 6, 0.2)
    flat.decide(rate)
    flat.clocks += ["price_index", "people_employed", "interest_rate", "calls_so_far"]
    return flat


def many_levels(rng: np.random.Generator, n: int, rate: float, levels: int, spread: float) -> Flat:
    """Categories of hundreds or thousands of levels, most of them rare."""
    flat = empty(rng, n)
    category(flat, "postcode", levels, spread, skew=0.6)
    category(flat, "occupation", max(levels // 4, 10), spread)
    category(flat, "channel", 5, 0.2)
    numbers(flat, [0.4, 0.2, 0.0])
    flat.decide(rate)
    return flat


def missing(rng: np.random.Generator, n: int, rate: float, share: float, shift: float) -> Flat:
    """Much is missing, and what is missing converts more often: true of the original assets (6.46%, 3.38%)."""
    flat = empty(rng, n)
    partly_missing(flat, "assets", share, 0.3, shift)
    partly_missing(flat, "age", share / 2, 0.2, 0.0)
    gone = rng.random(n) < share
    flat.add("education", np.where(gone, None, rng.choice(["school", "college", "doctor"], n)).tolist(), "text",
             effect=np.where(gone, -0.4, 0.0))  # fmt: skip
    numbers(flat, [0.4, 0.0])
    counts(flat, [0.2])
    flat.decide(rate)
    return flat


def introduced(rng: np.random.Generator, n: int, rate: float) -> Flat:
    """A field that the form asks for only since the eighth month; outcomes have become rarer since."""
    flat = empty(rng, n)
    since = flat.month >= flat.month[0] + 8
    flat.add("asked_since", np.where(since, rng.normal(5, 2, n), np.nan), "number", effect=-0.7 * since)
    numbers(flat, [0.45, -0.3, 0.0])
    category(flat, "channel", 5, 0.2)
    flat.decide(rate)
    return flat


def wide(rng: np.random.Generator, n: int, rate: float, features: int) -> Flat:
    """Many features, few of which mean anything: who asks often is fooled often."""
    flat = empty(rng, n)
    numbers(flat, [0.4, -0.3, 0.2, *([0.0] * features)])
    flags(flat, [0.3, *([0.0] * (features // 4))])
    for place in range(features // 6):
        category(flat, f"group_{place}", int(rng.integers(3, 40)), 0.0)
    flat.decide(rate)
    return flat


def repeated(rng: np.random.Generator, customers: int, times: int, rate: float) -> Flat:
    """Customers come again after months, with habits of their own that decide: numbers stand in several rows."""
    n = customers * times
    flat = empty(rng, n, months=24, entity=np.zeros(n, np.int64))
    who = rng.integers(0, customers, n)
    flat.entity = who + 70_001
    for place, effect in enumerate([0.5, -0.35, 0.2, 0.0]):
        habit = rng.standard_normal(customers)[who]
        flat.add(f"habit_{place}", np.round(habit, 3), "number", effect=effect * habit)
    flat.add("mood", rng.standard_normal(n), "number")
    category(flat, "channel", 5, 0.2)
    flat.decide(rate)
    return flat


def alike(rng: np.random.Generator, n: int, rate: float) -> Flat:
    """Features that say nearly the same, in other units, rounded, as ranks."""
    flat = empty(rng, n)
    z = rng.standard_normal(n)
    flat.add("turnover", np.exp(z + 10), "number", effect=0.6 * z)
    flat.add("turnover_thousands", np.round(np.exp(z + 10) / 1000), "integer")
    flat.add("turnover_class", np.digitize(z, [-1.5, -0.5, 0.5, 1.5]).astype(np.int64), "integer")
    flat.add("profit", np.exp(z + 8) + rng.normal(0, 500, n), "number")
    numbers(flat, [0.3, 0.0])
    flat.decide(rate)
    return flat


def interaction(rng: np.random.Generator, n: int, rate: float) -> Flat:
    """Two honest features that matter only together, moderately; and one that matters at both ends."""
    flat = empty(rng, n)
    first, second, bowl = (rng.standard_normal(n) for _ in range(3))
    flat.add("fit", first, "number")
    flat.add("budget", second, "number", effect=0.7 * np.sign(first * second))
    flat.add("age", 45 + 12 * bowl, "number", effect=0.45 * (bowl**2 - 1))
    numbers(flat, [0.3, 0.0])
    flags(flat, [0.2])
    flat.decide(rate)
    return flat


def odd(rng: np.random.Generator, n: int, rate: float) -> Flat:
    """Constant, nearly constant and nearly empty columns, and enormous tails."""
    flat = standard(rng, n, rate)
    tail = np.where(rng.random(n) < 0.001, rng.pareto(0.5, n) * 1e9, rng.pareto(1.2, n))
    for name, values, kind in (
        ("constant", np.full(n, 7), "integer"),
        ("nearly_constant", (rng.random(n) < 0.002).astype(np.int64), "flag"),
        ("nearly_empty", np.where(rng.random(n) < 0.003, 1.0, np.nan), "number"),
        ("tail", tail, "number"),
        ("free_text", [f"note {place}" for place in rng.integers(0, 10 * n, n)], "text"),
    ):
        flat.columns[name], flat.types[name] = values, kind
    return flat


def _build(folder: Path, market: Path, seed: int, *, make: Make, place: int) -> World:
    return written(folder, make(np.random.default_rng([seed, 6, place])))


def _two_extracts(folder: Path, market: Path, seed: int, *, typing_errors: float) -> World:
    """A quarter apart, nothing changed but typing errors that were corrected, for either outcome alike."""
    rng = np.random.default_rng([seed, 7, int(typing_errors * 1000)])
    flat = standard(rng, 8_000, 0.07)
    last = quarter_after(flat.decided[-1] + 2 * DAY)
    wrong = rng.random(flat.n) < typing_errors
    earlier = {
        name: np.where(wrong, values * 10, values) for name, values in flat.columns.items() if name == "measure_2"
    }
    return written(folder, flat, {quarter_before(last): earlier, last: {}}, last)


def entries() -> Iterator[Entry]:
    """Every clean flat world."""
    makes: list[tuple[str, Make]] = [
        ("plain_4000", partial(standard, n=4_000, rate=0.10)),
        ("plain_8000", partial(standard, n=8_000, rate=0.04)),
        ("plain_20000", partial(standard, n=20_000, rate=0.03)),
        ("plain_40000", partial(standard, n=40_000, rate=0.06)),
        ("plain_half", partial(standard, n=8_000, rate=0.50)),
        ("strong_5000", partial(strong, n=5_000, rate=0.05)),
        ("strong_12000", partial(strong, n=12_000, rate=0.10)),
        ("strong_30000", partial(strong, n=30_000, rate=0.03)),
        ("strong_half", partial(strong, n=6_000, rate=0.45)),
        ("seasonal", partial(seasonal, n=10_000, rate=0.06, swing=0.6)),
        ("seasonal_strong", partial(seasonal, n=20_000, rate=0.08, swing=1.2)),
        ("seasonal_small", partial(seasonal, n=4_000, rate=0.12, swing=0.9)),
        ("trending_up", partial(trending, n=10_000, rate=0.08, trend=2.5)),
        ("trending_down", partial(trending, n=20_000, rate=0.10, trend=-2.0)),
        ("trending_steep", partial(trending, n=30_000, rate=0.11, trend=4.0)),
        ("many_levels_200", partial(many_levels, n=8_000, rate=0.06, levels=200, spread=0.4)),
        ("many_levels_1000", partial(many_levels, n=12_000, rate=0.05, levels=1_000, spread=0.4)),
        ("many_levels_3000", partial(many_levels, n=20_000, rate=0.03, levels=3_000, spread=0.3)),
        ("missing_third", partial(missing, n=8_000, rate=0.045, share=0.3, shift=0.68)),
        ("missing_most", partial(missing, n=12_000, rate=0.045, share=0.8, shift=0.68)),
        ("missing_nearly_all", partial(missing, n=20_000, rate=0.035, share=0.95, shift=0.68)),
        ("missing_other_way", partial(missing, n=8_000, rate=0.06, share=0.5, shift=-0.68)),
        ("introduced", partial(introduced, n=9_000, rate=0.06)),
        ("rare_2", partial(standard, n=12_000, rate=0.02)),
        ("rare_3", partial(standard, n=25_000, rate=0.03, strength=1.2)),
        ("rare_4", partial(standard, n=6_000, rate=0.04, strength=1.2)),
        ("small_400", partial(standard, n=400, rate=0.12)),
        ("small_800", partial(standard, n=800, rate=0.06)),
        ("small_1500", partial(strong, n=1_500, rate=0.03)),
        ("small_wide", partial(wide, n=1_200, rate=0.05, features=30)),
        ("wide", partial(wide, n=6_000, rate=0.04, features=40)),
        ("repeated_thrice", partial(repeated, customers=3_000, times=3, rate=0.06)),
        ("repeated_often", partial(repeated, customers=800, times=10, rate=0.10)),
        ("alike", partial(alike, n=8_000, rate=0.06)),
        ("interaction", partial(interaction, n=10_000, rate=0.08)),
        ("odd", partial(odd, n=8_000, rate=0.05)),
    ]
    for place, (name, make) in enumerate(makes):
        yield Entry(f"flat/{name}", partial(_build, make=make, place=place), is_clean=True, quick=name in QUICK)
    for name, share in (("two_extracts", 0.0), ("two_extracts_corrected", 0.005)):
        yield Entry(f"flat/{name}", partial(_two_extracts, typing_errors=share), is_clean=True, quick=share > 0)


QUICK = {"plain_8000", "strong_5000", "trending_up", "seasonal", "missing_third", "small_800", "interaction"}
