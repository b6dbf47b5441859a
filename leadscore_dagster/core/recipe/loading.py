"""Reading a recipe from YAML: every mistake is one error with file, line and the nearest valid name.

Lives here: YAML to ``Recipe``. Not here: what the fields mean (schema), what a source must hold (contract).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.contract import Contract
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.text import did_you_mean

#: one folder a shipped recipe: ``recipe.yaml``, ``contracts/``, and ``sql/`` where it has SQL of its own
RECIPES = Path(__file__).parents[2] / "recipes"
FILE = "recipe.yaml"


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the product, in alphabetical order."""
    return sorted(path.parent.name for path in RECIPES.glob(f"*/{FILE}"))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """The recipe of that shipped name, or in that YAML file.

    A recipe is a folder with ``recipe.yaml`` in it, or that file under any name. Its own SQL lies in ``sql`` beside it.
    A source's ``contract`` is written out in the recipe, or is the name of a file in the folder ``contracts`` beside
    it, or ``RECIPE/NAME`` for a contract of a shipped recipe, or the path of a YAML file relative to the recipe.

    Raises
    ------
    InputError : no such recipe, not YAML, unknown key, wrong type, a name that refers to nothing, a threshold out
        of range. The message names file and line, and the nearest valid name where there is one.
    """
    path = _recipe_path(name_or_path)
    document, lines = _read_yaml(path)
    if isinstance(document, dict) and isinstance(document.get("sources"), dict):
        for source in document["sources"].values():
            if isinstance(source, dict) and isinstance(source.get("contract"), str):
                source["contract"] = _load_contract(source["contract"], path.parent)
    recipe: Recipe = _validate(Recipe, document, path, lines)
    return recipe.in_folder(path.parent)


def place_of(name_or_path: str | Path, location: tuple[str | int, ...]) -> str:
    """Where a recipe says something, for a mistake that is found after loading: file and, if it is written there, line.

    ``location`` : keys and positions, like ``("model", "estimators", 0)``.
    """
    path = _recipe_path(name_or_path)
    _, lines = _read_yaml(path)
    return f"{path}, line {lines[location]}" if location in lines else str(path)


def _recipe_path(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if (path / FILE).is_file():
        return path / FILE
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise InputError("There is no such recipe file", where=path, remedy="check the path")
        return path
    names = shipped_recipes()
    if str(name_or_path) not in names:
        if path.is_dir():
            raise InputError(f"The folder holds no {FILE}", where=path, remedy=f"write {FILE} into it")
        raise InputError(
            f"There is no shipped recipe {str(name_or_path)!r}{did_you_mean(str(name_or_path), names)}",
            remedy=f"use one of {', '.join(names)}, or the path of a .yaml file or of a folder with {FILE}",
        )
    return RECIPES / str(name_or_path) / FILE


def _load_contract(name: str, folder: Path) -> Contract:
    path = _contract_path(name, folder)
    if not path.is_file():
        beside = [entry.stem for entry in sorted((folder / "contracts").glob("*.yaml"))]
        shipped = beside + [
            f"{entry.parents[1].name}/{entry.stem}" for entry in sorted(RECIPES.glob("*/contracts/*.yaml"))
        ]
        raise InputError(
            f"There is no contract {name!r}{did_you_mean(name, shipped)}",
            where=path,
            remedy=f"use one of {', '.join(shipped)}, or the path of a .yaml file relative to the recipe",
        )
    document, lines = _read_yaml(path)
    return _validate(Contract, document, path, lines)


def _contract_path(name: str, folder: Path) -> Path:
    if name.endswith((".yaml", ".yml")):
        return folder / name
    recipe, _, stem = name.rpartition("/")
    return (RECIPES / recipe if recipe else folder) / "contracts" / f"{stem}.yaml"


def shipped_document(name: str) -> dict[str, Any]:
    """A shipped recipe's YAML as plain values, fit to be written elsewhere: its contracts are named in full."""
    document, _ = _read_yaml(RECIPES / name / FILE)
    for source in document["sources"].values():
        source["contract"] = f"{name}/{source['contract']}"
    return dict(document)


def _read_yaml(path: Path) -> tuple[Any, dict[tuple[str | int, ...], int]]:
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
        lines = dict(_lines(root, ())) if root is not None else {}
    except UnicodeDecodeError as error:
        raise InputError("The file is not UTF-8 text", where=path, remedy="save it as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else path
        problem = getattr(error, "problem", None) or "unreadable"
        raise InputError(
            f"Not valid YAML: {problem}", where=where, remedy="fix the indentation or the quoting"
        ) from error
    return document, lines


def _lines(node: yaml.Node, location: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], int]]:
    yield location, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise yaml.composer.ComposerError(None, None, f"key {key.value!r} occurs twice", key.start_mark)
            seen.add(key.value)
            yield (*location, key.value), key.start_mark.line + 1
            yield from list(_lines(value, (*location, key.value)))[1:]
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield from _lines(value, (*location, position))


def _validate(
    model: type[Recipe] | type[Contract], document: Any, path: Path, lines: dict[tuple[str | int, ...], int]
) -> Any:
    if not isinstance(document, dict):
        raise InputError("The file is not a mapping of keys to values", where=path, remedy="see the shipped recipes")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        location = _location_in_document(first["loc"], lines)
        where = f"{path}, line {lines[location]}" if location in lines else str(path)
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise InputError(_explain(model, first, location) + more, where=where, remedy=_remedy(first)) from error


def _location_in_document(loc: Sequence[str | int], lines: dict[tuple[str | int, ...], int]) -> tuple[str | int, ...]:
    """Pydantic puts the tag of a union (``vintage``, ``window``) into the location; the document has no such key."""
    location: tuple[str | int, ...] = ()
    for part in loc:
        if (*location, part) in lines or part == loc[-1]:
            location = (*location, part)
    while location and location not in lines:
        location = location[:-1]
    return location


def _explain(model: type[BaseModel], problem: Any, location: tuple[str | int, ...]) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        key = str(problem["loc"][-1])
        return f"Unknown key {key!r} at {'.'.join(str(part) for part in location)}{did_you_mean(key, _all_keys(model))}"
    if problem["type"] == "missing":
        return f"Key {name!r} is missing"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"].startswith("literal_error"):
        message += did_you_mean(str(problem["input"]), re.findall(r"'([^']+)'", problem["ctx"]["expected"]))
    return f"{name}: {message}" if name else message


def _remedy(problem: Any) -> str:
    given = problem.get("input")
    if problem["type"] in ("extra_forbidden", "missing") or isinstance(given, dict | list | BaseModel):
        return "fix the recipe; all keys are listed in docs/recipes.md"
    return f"fix the value {given!r}"


def _all_keys(model: type[BaseModel], seen: set[type] | None = None) -> list[str]:
    seen = seen if seen is not None else set()
    if model in seen:
        return []
    seen.add(model)
    keys = list(model.model_fields)
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            keys += _all_keys(inner, seen)
    return keys


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def parse_day(text: str) -> date:
    """An ISO date given by a user. Raises InputError."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError as error:
        raise InputError(f"{text!r} is not a date", remedy="write it as YYYY-MM-DD") from error
