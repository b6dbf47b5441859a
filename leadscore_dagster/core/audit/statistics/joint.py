"""Part ``joint``: columns that know the outcome only together.

All pairs are screened on one half of the time blocks; what looks strong is confirmed on the other, with cells, cuts
and ratios as the first half gave them. So the number of pairs screened cannot fool it, only that of pairs confirmed,
and that is paid for (Holm).

Lives here: the two screens (cells, differences), the confirmation, the verdicts. Not here: cells (cells), three or more
columns (ensemble).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.audit.statistics import caps
from leadscore_dagster.core.audit.statistics.cells import Half, halves, held_out, learned, numbers, screen
from leadscore_dagster.core.audit.statistics.ensemble import ensemble_suspects
from leadscore_dagster.core.audit.statistics.measures import Strength
from leadscore_dagster.core.audit.statistics.prepared import Prepared
from leadscore_dagster.core.audit.verdict import FeatureVerdict

PART = "joint"
#: pairs of each screen, and of each half, that are confirmed
CONFIRMED = 30
#: pairs of numbers correlated less are seen in coarse cells; a difference of others is finer than cells
CORRELATED, DIFFERENCES, DIFFERENCE_BINS = 0.5, 400, 10
#: rows a correlation, and a screened difference, is computed from
SAMPLE = 4000


@dataclass(frozen=True)
class Pair:
    """Two columns, how they are looked at, their strength together on held-out rows and that of their sum."""

    first: int
    second: int
    how: str
    together: Strength
    summed: Strength

    def score(self, cap: float) -> float:
        """Standard errors by which both conditions hold: together above the cap, and beyond the sum by `SYNERGY`."""
        first, second = (2 * each.distance * each.error for each in (self.together, self.summed))
        beyond = (self.together.iv - self.summed.iv - caps.SYNERGY) / max(float(np.hypot(first, second)), 1e-9)
        return min(self.together.score(cap), beyond)


def joint_verdicts(table: Prepared) -> list[FeatureVerdict]:
    """One verdict per feature. suspect: together with another column it is above the cap of strength on held-out
    blocks, the sum of the two is not nearly, and neither is above it alone; or it is one of the few columns a small
    model needs to be too good to be true."""
    split = halves(table)
    if split is None:
        text = "too few of one outcome to learn on one half of the blocks and confirm on the other"
        return [FeatureVerdict(column.name, PART, "unproven", text) for column in table.columns]
    pairs = [pair for learn, test in (split, split[::-1]) for pair in _confirmed(table, learn, test)]
    suspects = _suspects(table, pairs)
    suspects.update(ensemble_suspects(table, split, frozenset(suspects)))
    strongest = _strongest(table, pairs)
    return [
        suspects.get(column.name)
        or FeatureVerdict(column.name, PART, "clear", strongest.get(place, "no pair with it stands out"))
        for place, column in enumerate(table.columns)
    ]


def _confirmed(table: Prepared, learn: Half, test: Half) -> list[Pair]:
    joint, synergy = screen(learn)
    alone = _too_strong_alone(table)
    pairs = [_cells(learn, test, *pair) for pair in _top(joint, synergy, alone)]
    return pairs + _differences(table, learn, test, alone)


def _too_strong_alone(table: Prepared) -> np.ndarray:
    """Columns whose strength is above the cap anyway: strength names them, and with them any pair would be."""
    best = [table.measured[column.name].best for column in table.columns]
    return np.array([each.iv > caps.CAP for each in best])


def _top(joint: np.ndarray, synergy: np.ndarray, alone: np.ndarray) -> Iterable[tuple[int, int]]:
    first, second = np.triu_indices(len(joint), 1)
    kept = ~(alone[first] | alone[second]) & (joint[first, second] > caps.CAP / 2)
    first, second = first[kept], second[kept]
    best = np.argsort(-synergy[first, second], kind="stable")[:CONFIRMED]
    return [(int(first[place]), int(second[place])) for place in best if synergy[first[place], second[place]] > 0]


def _cells(learn: Half, test: Half, first: int, second: int) -> Pair:
    width = int(max(learn.coarse[:, second].max(), test.coarse[:, second].max())) + 1
    height = int(max(learn.coarse[:, first].max(), test.coarse[:, first].max())) + 1
    cell = [half.coarse[:, first].astype(np.int32) * width + half.coarse[:, second] for half in (learn, test)]
    together = held_out(learned(cell[0], height * width, learn)[cell[1]], test)
    return Pair(first, second, "together", together, held_out(_sum(learn, test, first, second), test))


def _sum(learn: Half, test: Half, *columns: int) -> np.ndarray:
    """Sum of what the columns say one by one, for the rows of ``test``."""
    score = np.zeros(len(test.rows))
    for column in columns:
        bins = int(max(learn.coarse[:, column].max(), test.coarse[:, column].max())) + 1
        score += learned(learn.coarse[:, column].astype(np.int32), bins, learn)[test.coarse[:, column]]
    return score


def _differences(table: Prepared, learn: Half, test: Half, alone: np.ndarray) -> list[Pair]:
    """Differences of correlated numbers, such as two dates: finer than any cells of the two."""
    chosen = [
        place
        for place, column in enumerate(table.columns)
        if not column.is_category and column.levels > DIFFERENCE_BINS and not alone[place]
    ]
    found = []
    for first, second, slope in _correlated(table, learn, chosen):
        values = [_rest(table, half, first, second, slope) for half in (learn, test)]
        known = values[0][~np.isnan(values[0])]
        if len(known) < 2 * caps.MINIMUM_CLASS:
            continue
        cuts = np.unique(np.quantile(known, np.linspace(0, 1, DIFFERENCE_BINS + 1)[1:-1]))
        cell = [np.where(np.isnan(each), 0, np.searchsorted(cuts, each) + 1).astype(np.int32) for each in values]
        stated = learned(cell[0], len(cuts) + 2, learn)
        own = held_out(stated[cell[0]], learn)
        found.append((own.iv, first, second, slope, stated[cell[1]]))
    found.sort(key=lambda entry: -entry[0])
    return [
        Pair(
            first,
            second,
            f"as a difference ({table.columns[first].name} - {slope:.4g} x {table.columns[second].name})",
            held_out(score, test),
            held_out(_sum(learn, test, first, second), test),
        )
        for strength, first, second, slope, score in found[:CONFIRMED]
        if strength > caps.CAP / 2
    ]


def _rest(table: Prepared, half: Half, first: int, second: int, slope: float) -> np.ndarray:
    return numbers(table.columns[first], half.rows) - slope * numbers(table.columns[second], half.rows)


def _correlated(table: Prepared, half: Half, chosen: list[int]) -> list[tuple[int, int, float]]:
    """Pairs of numbers that run together, closest first, with the slope of one on the other (1 where it is about 1)."""
    sample = half.rows[:: max(len(half.rows) // SAMPLE, 1)]
    if len(chosen) < 2:
        return []
    values = np.stack([numbers(table.columns[place], sample) for place in chosen], axis=1)
    here = ~np.isnan(values)
    centre = np.nanmedian(np.where(here.any(axis=0), values, 0.0), axis=0)
    # a few wild values would make every correlation theirs
    spread = np.nanquantile(np.abs(np.where(here.any(axis=0), values, 0.0) - centre), 0.9, axis=0)
    scaled = np.clip((values - centre) / np.where(spread > 0, spread, 1.0), -5, 5)
    scaled[~here] = 0.0
    squares = (scaled**2).T @ here
    product = scaled.T @ scaled
    correlation = product / np.sqrt(np.maximum(squares * squares.T, 1e-12))
    first, second = np.triu_indices(len(chosen), 1)
    close = np.abs(correlation[first, second])
    order = [int(place) for place in np.argsort(-close, kind="stable") if close[place] >= CORRELATED][:DIFFERENCES]
    found = []
    for place in order:
        i, j = int(first[place]), int(second[place])
        slope = float(product[i, j] / max(squares[j, i], 1e-12) * spread[i] / max(spread[j], 1e-300))
        found.append((chosen[i], chosen[j], 1.0 if 0.8 < slope < 1.25 else slope))
    return found


def _suspects(table: Prepared, pairs: list[Pair]) -> dict[str, FeatureVerdict]:
    """Verdicts of columns in refused pairs; where one of the two has a proven history it is the other's."""
    names = [column.name for column in table.columns]
    proven_iv = caps.proven_iv(table.blocks.base_rate)
    both = [names[pair.first] in table.proven and names[pair.second] in table.proven for pair in pairs]
    limits = [proven_iv if proven else caps.CAP for proven in both]
    scores = np.array([pair.score(cap) for pair, cap in zip(pairs, limits, strict=True)])
    refused, z = caps.holm(scores)
    found: dict[str, FeatureVerdict] = {}
    for place in np.argsort(-scores, kind="stable"):
        pair, cap = pairs[place], limits[place]
        if not refused[place]:
            continue
        for name, other in ((names[pair.first], names[pair.second]), (names[pair.second], names[pair.first])):
            if (name not in table.proven or both[place]) and name not in found:
                text = (
                    f"with {other} {pair.how}: {_describe(pair)} on held-out blocks; above IV {cap:.3g} nothing honest "
                    f"has been seen, and neither is near it alone"
                )
                found[name] = FeatureVerdict(name, PART, "suspect", text, "iv_of_pair_low", pair.together.low(z), cap)
    return found


def _strongest(table: Prepared, pairs: list[Pair]) -> dict[int, str]:
    """What is said of a column that is clear: its strongest pair."""
    found: dict[int, str] = {}
    for pair in sorted(pairs, key=lambda pair: -pair.together.iv):
        for mine, other in ((pair.first, pair.second), (pair.second, pair.first)):
            found.setdefault(mine, f"strongest with {table.columns[other].name} {pair.how}: {_describe(pair)}")
    return found


def _describe(pair: Pair) -> str:
    return (
        f"AUC {caps.auc_of_iv(pair.together.iv):.3f} (IV {pair.together.iv:.2f}), the sum of the two AUC "
        f"{caps.auc_of_iv(pair.summed.iv):.3f} (IV {pair.summed.iv:.2f})"
    )
