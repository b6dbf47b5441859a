"""What a feature is. Lives here: the catalogue entry. Not here: reading catalogues from YAML, composing SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from leadscore_dagster.core.errors import InputError

#: on which side a feature may be given as a reason for a score
Side = Literal["both", "in_favour", "against", "never"]


@dataclass(frozen=True)
class Feature:
    """One entry of the catalogue: a column of the training table that a model may use.

    ``phrase`` is what a salesperson reads; ``{value}`` stands for the value, e.g.
    ``"{value:.0f} months at the current firm"``. ``stage`` ``fold`` marks a feature that needs statistics learned
    on the training fold (quantiles, medians): it is computed inside the fold, never stored.

    What a salesperson is told is one fact, true, and worth saying:

    - ``phrase_when`` says of which rows the phrase is true, e.g. ``"num_prior_firms > 0 and ratio < 100"``:
      comparisons of features of the same set with numbers, joined by ``and``. A ratio to nothing, or a cap, is no fact.
    - ``phrase_absent`` is what is said of a flag that is not set; without it an unset flag is no reason.
    - ``fact`` names what several features speak of (``tenure``): a lead hears of it once, by the strongest of them.
    - ``reason`` says on which side it may stand: a regulatory disclosure is nothing to recommend somebody by, and what
      describes the call instead of the lead is never a reason.
    """

    name: str
    definition: str
    type: Literal["number", "integer", "flag", "category"]
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    temporal: Literal["stable", "calculable", "mutable"] = "mutable"
    pii: bool = False
    phrase: str = ""
    phrase_when: str = ""
    phrase_absent: str = ""
    fact: str = ""
    reason: Side = "both"
    feature_set: str = ""
    stage: Literal["row", "fold"] = "row"


@dataclass(frozen=True)
class Condition:
    """A comparison of a feature's value with a number; a missing value meets none."""

    feature: str
    operator: Literal["<", "<=", "=", ">=", ">"]
    number: float


_CONDITION = re.compile(r"\s*([A-Za-z_]\w*)\s*(<=|>=|<|>|=)\s*(-?\d+(?:\.\d+)?)\s*")


def conditions(feature: Feature) -> tuple[Condition, ...]:
    """``phrase_when`` of a feature, part by part. Raises InputError for anything but comparisons joined by ``and``."""
    found = []
    for part in filter(None, re.split(r"\band\b", feature.phrase_when)):
        match = _CONDITION.fullmatch(part)
        if match is None:
            raise InputError(
                f"phrase_when {feature.phrase_when!r} cannot be read",
                column=feature.name,
                remedy="write comparisons of features with numbers, joined by `and`",
            )
        name, operator, number = match.groups()
        found.append(Condition(name, operator, float(number)))  # type: ignore[arg-type]
    return tuple(found)
