"""Metrics of probabilities where not every row was served one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.modelling.judgement import judging
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.recipe.schema import Gate, Model, Segment
from leadscore_dagster.core.versions.gates import evaluate_gates

ROWS = 4000
COLUMNS = Columns(("x",), ("number",), {})


@dataclass(frozen=True)
class Final:
    """What the segments read of a scoring model."""

    columns: Columns


@pytest.mark.parametrize(("served", "judged"), [(0.1, False), (0.49, False), (0.51, True), (1.0, True)])
def test_no_metric_of_probabilities_is_measured_on_the_few_that_were_served(served: float, judged: bool) -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(ROWS, 1)).astype(np.float32)
    label = (rng.random(ROWS) < 0.04).astype(int)
    probability = np.full(ROWS, 0.04)
    probability[int(ROWS * served) :] = np.nan
    model = Model(segments={"s": Segment(feature="x", edges=(0.0,))}, bootstrap_replicates=100)
    rows = Judged(label, matrix[:, 0].astype(float), probability)
    found = judging._period_metrics(rows, 0.04, model)
    found |= judging._segment_metrics(rows, matrix, Final(COLUMNS), model=model)  # type: ignore[arg-type]
    for name in ("ece", "segment_ece"):
        assert np.isfinite(found[name].high) == judged
        (gate,) = evaluate_gates(found, {name: Gate(at_most=0.2)})  # type: ignore[dict-item]
        assert gate.passed == judged
    if not judged:
        assert f"{served:.0%} of the rows" in found["segment_ece"].method
        assert found["segment_ece"].n == round(ROWS * served)


def test_without_segments_there_is_no_metric_of_segments() -> None:
    nobody = np.full(10, np.nan)
    rows, matrix = Judged(np.zeros(10, int), nobody, nobody), np.zeros((10, 1), np.float32)
    assert judging._segment_metrics(rows, matrix, Final(COLUMNS), model=Model()) == {}  # type: ignore[arg-type]
