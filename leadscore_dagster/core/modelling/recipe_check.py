"""Does what a recipe says about its model exist? Asked before anything runs, not after an hour of training.

Lives here: the names a recipe's ``model`` gives, held against its catalogues and its estimators. Not here: the schema
of a recipe (recipes), feature sets and their catalogues (features), the rules for one parameter or one segment
(modelling).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.estimators.registry import complete_parameters, require_estimator
from leadscore_dagster.core.modelling.judgement.model_stability import MINIMUM_COMMON
from leadscore_dagster.core.modelling.segments import check_segment
from leadscore_dagster.core.recipe.loading import load_recipe, place_of
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.table.features.sets import feature_sets, features_of, own_columns
from leadscore_dagster.core.text import did_you_mean


def check_estimators(recipe: Recipe, name: str | Path | None = None) -> None:
    """Refuse a recipe that names an estimator the registry does not have.

    ``name`` : what the recipe was loaded by, so that the mistake can name file and line.

    Raises
    ------
    InputError : the first such name, with the nearest valid one.
    """
    named: dict[str, tuple[str | int, ...]] = {
        estimator: ("model", "parameters", estimator) for estimator in recipe.model.parameters
    }
    named |= {estimator: ("model", "estimators", at) for at, estimator in enumerate(recipe.model.estimators)}
    for estimator, location in named.items():
        require_estimator(estimator, ".".join(map(str, location[:2])) if name is None else place_of(name, location))


def load_checked(name: str | Path) -> Recipe:
    """`load_recipe`, with its estimators checked."""
    recipe = load_recipe(name)
    check_estimators(recipe, name)
    return recipe


def check_recipe(recipe: Recipe, name: str | Path | None = None) -> list[str]:
    """Refuse a recipe whose model names what does not exist; returns what is odd but allowed, one sentence each.

    Raises
    ------
    InputError : as ``check_estimators`` and ``features_of``; every other mistake, each with its YAML key, the nearest
        valid name and a remedy.
    """
    check_estimators(recipe, name)
    features = features_of(recipe)
    mistakes = [*_parameters(recipe), *_segments(recipe, features), *_expected(recipe), *_ranking(recipe, features)]
    if len(mistakes) == 1:
        raise mistakes[0]
    if mistakes:
        told = "; ".join(f"({number}) {mistake}" for number, mistake in enumerate(mistakes, start=1))
        raise InputError(f"{len(mistakes)} mistakes in recipe {recipe.name}: {told}")
    return [*_excluded(recipe), *_outside(recipe, features)]


def _parameters(recipe: Recipe) -> Iterator[InputError]:
    for estimator, given in recipe.model.parameters.items():
        for name, value in given.items():
            try:
                complete_parameters(estimator, {name: value})
            except InputError as mistake:
                yield mistake


def _segments(recipe: Recipe, features: Collection[Feature]) -> Iterator[InputError]:
    types: Mapping[str, str] = {feature.name: feature.type for feature in features}
    for name, segment in recipe.model.segments.items():
        try:
            check_segment(segment, types, f"model.segments.{name}", excluded=recipe.features.exclude)
        except InputError as mistake:
            yield mistake


def _expected(recipe: Recipe) -> Iterator[InputError]:
    """Expected features are the recipe's own, so an unknown name can only be a slip: it would never be found."""
    named = [feature.name for entry in feature_sets(recipe) for feature in entry.features]
    named += [feature.name for feature in own_columns(recipe)]
    for name in recipe.model.business_signals:
        if name not in named:
            yield InputError(
                f"there is no feature {name!r}{did_you_mean(name, named)}",
                where="model.business_signals",
                remedy="name one of the recipe's features, or take it out",
            )


def _ranking(recipe: Recipe, features: Collection[Feature]) -> Iterator[InputError]:
    """Another model's ranking may name features this recipe does not have; a gate on it needs some that both have."""
    common = {feature.name for feature in features} & set(recipe.model.reference_ranking)
    if "reference_rank_correlation" in recipe.gates and len(common) < MINIMUM_COMMON:
        yield InputError(
            f"{len(common)} of the names are features of the recipe; the gate reference_rank_correlation needs "
            f"{MINIMUM_COMMON}, or it can never pass",
            where="model.reference_ranking",
            remedy="name more of the recipe's features, or remove the gate",
        )


def _excluded(recipe: Recipe) -> Iterator[str]:
    for name in recipe.model.business_signals:
        if name in recipe.features.exclude:
            yield f"model.business_signals: {name!r} is in features.exclude, so it is never among the strongest."


def _outside(recipe: Recipe, features: Collection[Feature]) -> Iterator[str]:
    names = [feature.name for feature in features]
    for name in recipe.model.reference_ranking:
        if name not in names:
            yield (
                f"model.reference_ranking: {name!r} is not a feature of this recipe{did_you_mean(name, names)}; "
                "the comparison leaves it out."
            )
