"""What a leak costs, in three numbers on the same test rows: the backtest the model would claim with the flagged
features, the honest one without them, and what the claiming model delivers once it is served with what is known at the
decision.

The models are chosen and fitted exactly as a candidate is (core/modelling/candidate); what only its report needs
(baseline, contributions, shuffled labels) is left out.

Lives here: training, scoring and measuring them. Not here: what would have been served (as_known), finding leaks
(core/audit), the audit's page.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.audit.fold import fold_inputs
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.catalogue import curve_metrics, phrase_of
from leadscore_dagster.core.measures.intervals import Bootstrap, Interval
from leadscore_dagster.core.measures.judged import entity_codes
from leadscore_dagster.core.measures.period import flattered
from leadscore_dagster.core.modelling.candidate import Progress, fit_scoring_model, select
from leadscore_dagster.core.modelling.scoring import ScoringModel
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.table.features.fold import fold_features_of
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.table.features.sets import feature_sets, features_of
from leadscore_dagster.core.table.training_rows import ordered_rows, refuse_too_few, rows_of, split_rows

SHOWN = ("top_decile_lift", "auc_pr", "auc_roc")
#: the intervals of cross-validation are not read here and do not enter the choice; fewest a recipe may ask for
_CHOICE_REPLICATES = 100


@dataclass(frozen=True)
class ServedFeature:
    """A flagged feature on the test rows: share whose served value differs from the training table, share missing."""

    feature: str
    changed: float
    missing: float


@dataclass(frozen=True)
class ThreeNumbers:
    """Metric name to interval, for three scores of the same test rows.

    Attributes
    ----------
    left_out : features the honest model lacks: the flagged ones and those computed from them inside the fold; empty
        where the honest model has them as known.
    estimators : what the choice rule took for the claiming and for the honest model.
    claimed_less_delivered, honest_less_delivered : paired differences, drawn together.
    """

    flagged: tuple[str, ...]
    left_out: tuple[str, ...]
    served: tuple[ServedFeature, ...]
    estimators: Mapping[str, str]
    claimed: Mapping[str, Interval]
    honest: Mapping[str, Interval]
    delivered: Mapping[str, Interval]
    claimed_less_delivered: Mapping[str, Interval]
    honest_less_delivered: Mapping[str, Interval]

    def sentence(self) -> str:
        """For a manager, in terms of the top-decile lift."""
        claimed, honest, delivered = (
            found["top_decile_lift"].value for found in (self.claimed, self.honest, self.delivered)
        )
        lost = self.claimed_less_delivered["top_decile_lift"]
        names, pronoun = " and ".join(self.flagged), "it" if len(self.flagged) == 1 else "them"
        told = (
            f"With {names} the best tenth seems to convert {claimed:.2f} times as often as all; served with what is "
            f"known at the decision the same model reaches {delivered:.2f}"
        )
        how = f"without {pronoun}" if self.left_out else f"trained on {pronoun} as known"
        told += f", a model {how} {honest:.2f}."
        if not any(entry.changed for entry in self.served):
            return told + " What would be served is what the training table holds, so nothing is lost by serving it."
        if lost.low > 0:
            return told + f" {lost.value:.2f} of the claim ({_ends(lost)}) would never arrive."
        return told + f" On {lost.positives:,} positives the difference ({_ends(lost)}) may be chance."

    def markdown(self) -> str:
        """The sentence, the numbers with their intervals, and how the served values differ."""
        how = "without" if self.left_out else "trained on the values as known"
        rows = (
            ("claimed: trained and judged with the training table's values", self.claimed, "claimed"),
            (f"honest: {how}", self.honest, "honest"),
            ("delivered: the claiming model, served with what is known", self.delivered, "claimed"),
            ("claimed less delivered", self.claimed_less_delivered, ""),
            ("honest less delivered", self.honest_less_delivered, ""),
        )
        shown = self.claimed["auc_roc"]
        lines = [
            self.sentence(),
            "",
            f"| | {' | '.join(map(phrase_of, SHOWN))} | model |",
            "|---" * (len(SHOWN) + 2) + "|",
            *(
                f"| {name} | {' | '.join(_told(metric, found[metric]) for metric in SHOWN)} "
                f"| {self.estimators.get(model, '')} |"
                for name, found, model in rows
            ),
            "",
            f"{shown.n:,} decisions of the test period, {shown.positives:,} positives; 95% intervals, {shown.method}.",
            "",
            "| flagged feature | served value differs | served value missing |\n|---|--:|--:|",
            *(f"| {entry.feature} | {entry.changed:.1%} | {entry.missing:.1%} |" for entry in self.served),
        ]
        if set(self.left_out) - set(self.flagged):
            also = ", ".join(name for name in self.left_out if name not in self.flagged)
            lines += ["", f"Left out as well, because computed from them inside the fold: {also}."]
        return "\n".join(lines) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: flagged, left_out, sentence, estimators, served, and metric → interval per number."""
        numbers = ("claimed", "honest", "delivered", "claimed_less_delivered", "honest_less_delivered")
        return {
            "flagged": list(self.flagged),
            "left_out": list(self.left_out),
            "sentence": self.sentence(),
            "estimators": dict(self.estimators),
            "served": [asdict(entry) for entry in self.served],
            **{name: {metric: found.to_dict() for metric, found in getattr(self, name).items()} for name in numbers},
        }


def three_numbers(
    recipe: Recipe,
    rows: pa.Table,
    served: pa.Table,
    flagged: Sequence[str],
    *,
    honest: Literal["without", "as_known"] = "without",
    progress: Progress | None = None,
) -> ThreeNumbers:
    """Claimed, honest and delivered quality of a model with the ``flagged`` features.

    Parameters
    ----------
    rows : the training table, any order: decision_id, decision_at, label, the entity and the stored features.
    served : decision_id and the flagged features as known at the decision (``served_values``), at least for the test
        rows (``judged_rows``); missing where nothing can be known.
    flagged : stored features that leak, or a policy's. Features computed from them inside the fold follow their inputs.
    honest : ``without`` the flagged features, or trained on them ``as_known`` (then ``served`` must hold every row).

    Raises InputError for a name that is no stored feature of the recipe, for served values that are missing or of
    another kind, for nothing left to train on, and as ``train_candidate`` does.
    """
    features, names = features_of(recipe), tuple(dict.fromkeys(flagged))
    stored = {feature.name for feature in feature_query(recipe).features}
    for name in names:
        if name not in stored:
            raise InputError("not a stored feature of the recipe", where=recipe.name, column=name,
                             remedy="flag the stored features it is computed from")  # fmt: skip
    if not names:
        raise InputError("no feature is flagged, so there is nothing to compare", where=recipe.name)
    kept, honest_rows = features, rows
    if honest == "without":
        tainted = _tainted(recipe, names)
        kept = [feature for feature in features if feature.name not in tainted]
        if not kept:
            raise InputError("no feature is left without the flagged ones", where=recipe.name, rows=rows.num_rows)
    else:
        honest_rows = _replaced(rows, served, names)
    entity, say = recipe.decisions.entity, progress or (lambda message: None)
    test = judged_rows(recipe, rows)
    as_known = _replaced(test, served, names)
    leaky, leaky_estimator = _trained(recipe, rows, features, say)
    clean, clean_estimator = _trained(recipe, honest_rows, kept, say)
    margins = (
        leaky.score(test).margin,
        clean.score(judged_rows(recipe, honest_rows)).margin,
        leaky.score(as_known).margin,
    )
    found = _measured(test, margins, entity, bootstrap=recipe.model.bootstrap)
    lacking = {feature.name for feature in features} - {feature.name for feature in kept}
    return ThreeNumbers(
        names,
        tuple(feature.name for feature in features if feature.name in lacking),
        tuple(_difference(name, test[name], as_known[name]) for name in names),
        {"claimed": leaky_estimator, "honest": clean_estimator},
        *found,
    )


def judged_rows(recipe: Recipe, rows: pa.Table) -> pa.Table:
    """The rows of a training table that judge: its test period, in order of decision_at, decision_id."""
    ordered = ordered_rows(rows, features_of(recipe), recipe.decisions.entity)
    split = split_rows(ordered, recipe.model, recipe.label_window_days, recipe.decisions.entity)
    return ordered.take(split.test)


def _tainted(recipe: Recipe, flagged: Collection[str]) -> set[str]:
    """The flagged features, and those computed from them inside the fold."""
    inputs = {
        name: read for entry in feature_sets(recipe) if entry.is_fold for name, read in fold_inputs(entry).items()
    }
    return set(flagged) | {name for name, read in inputs.items() if read & set(flagged)}


def _trained(recipe: Recipe, rows: pa.Table, features: Sequence[Feature], say: Progress) -> tuple[ScoringModel, str]:
    """The model ``train_candidate`` would judge, and its estimator."""
    model = recipe.model.model_copy(update={"bootstrap_replicates": _CHOICE_REPLICATES})
    entity, window = recipe.decisions.entity, recipe.label_window_days
    ordered, fold_features = ordered_rows(rows, features, entity), fold_features_of(recipe)
    split = split_rows(ordered, model, window, entity)
    development, calibration = ordered.take(split.development), ordered.take(split.calibration)
    refuse_too_few(development, calibration, model)
    chosen = select(
        development, features, model, window_days=window, entity=entity, fold_features=fold_features, say=say
    ).chosen
    fitted = fit_scoring_model(
        development, calibration, features, contender=chosen.contender, model=model, fold_features=fold_features
    )
    return fitted, chosen.name


def _replaced(rows: pa.Table, served: pa.Table, flagged: Sequence[str]) -> pa.Table:
    """``rows`` with the flagged features as served, in the type the training table has them in."""
    for name in flagged:
        if name not in served.column_names:
            raise InputError("the served values lack a flagged feature", column=name, rows=served.num_rows)
    aligned = rows_of(served, rows["decision_id"])
    for name in flagged:
        place = rows.schema.get_field_index(name)
        wanted = rows.schema.field(place).type
        try:
            column = aligned[name].cast(wanted)
        except pa.ArrowException as error:
            raise InputError(f"served as {aligned[name].type}, trained as {wanted}", column=name) from error
        rows = rows.set_column(place, name, column)
    return rows


def _measured(
    test: pa.Table, margins: Sequence[np.ndarray], entity: str, *, bootstrap: Bootstrap
) -> Iterator[dict[str, Interval]]:
    """Claimed, honest, delivered, claimed - delivered, honest - delivered, from one set of replicates."""
    # in the order of the claimed score, as a report measures it, so that both draw the same rows
    order = np.argsort(-margins[0], kind="stable")
    label, codes = test["label"].to_numpy()[order], entity_codes(test[entity])
    codes = None if codes is None else codes[order]
    margins = [margin[order] for margin in margins]
    rankings, measures = [metrics.rank(label, margin) for margin in margins], curve_metrics()

    def statistic(weight: np.ndarray) -> np.ndarray:
        curves = [metrics.curve(ranking, weight) for ranking in rankings]
        values = np.array([[measures[name](points) for name in SHOWN] for points in curves])
        return np.concatenate([values, values[:2] - values[2]]).ravel()

    shifted = np.tile(flattered(SHOWN), 5)
    values = statistic(np.ones(len(label)))
    low, high = bootstrap.ends(statistic, len(label), codes, shifted=shifted)
    n, positives, method = len(label), int(label.sum()), bootstrap.method(codes)
    for row in range(5):
        cells = zip(SHOWN, range(row * len(SHOWN), (row + 1) * len(SHOWN)), strict=True)
        told = method if row < 3 else f"paired {method}"
        yield {
            name: Interval(float(values[at]), float(low[at]), float(high[at]), n, positives, told) for name, at in cells
        }


def _difference(name: str, trained: pa.ChunkedArray, served: pa.ChunkedArray) -> ServedFeature:
    one, other = (
        pc.if_else(pc.is_nan(column), None, column) if pa.types.is_floating(column.type) else column
        for column in (trained, served)
    )
    same = pc.or_(pc.fill_null(pc.equal(one, other), False), pc.and_(pc.is_null(one), pc.is_null(other)))
    rows = max(len(trained), 1)
    return ServedFeature(name, 1 - pc.sum(same).as_py() / rows, other.null_count / rows)


def _told(metric: str, found: Interval) -> str:
    digits = 2 if metric == "top_decile_lift" else 3
    return f"{found.value:.{digits}f} ({_ends(found, digits)})"


def _ends(found: Interval, digits: int = 2) -> str:
    if not np.isfinite(found.low):
        return "no interval: too few decisions"
    return f"{found.low:.{digits}f} … {found.high:.{digits}f}"
